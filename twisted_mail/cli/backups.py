"""`mailserver backup` and `mailserver restore`: everything that the server keeps, while it runs and back again."""

from __future__ import annotations

import argparse
import os
import sys

from twisted_mail.cli.commandline import CommandError, Parser, be_command
from twisted_mail.cli.moving import MAX_NAMED, messages, moving_errors
from twisted_mail.cli.opening import configuration
from twisted_mail.cli.progress import Progress
from twisted_mail.config import demo_config, find_config, load
from twisted_mail.moving.backup import Place, back_up
from twisted_mail.moving.manifest import CONFIGURATION, DATA, Facts, chosen, differences
from twisted_mail.moving.restoring import restore, waiting
from twisted_mail.ownership import acting_as, owner_of


def add_backup(parser: Parser) -> None:
    """backup, which has no subcommands."""
    be_command(parser, back_up_all)
    parser.epilog = (
        "Each call makes a dated folder in DIR, which is complete by itself; what has not changed since the one before "
        "takes no room again.  The server may run meanwhile.  Old ones can be deleted as they are."
    )
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--verify", action="store_true", help="make none: look whether the newest in DIR is whole")


def add_restore(parser: Parser) -> None:
    """restore, which has no subcommands."""
    be_command(parser, restore_all)
    parser.add_argument("folder", metavar="DIR", help="of `mailserver backup`, or one of the dated folders in it")


def back_up_all(arguments: argparse.Namespace) -> None:
    if arguments.verify:
        _verify(arguments.folder)
        return
    config = configuration(arguments)
    if not os.path.isdir(config.data):
        raise CommandError(f"there is no {config.data} yet, so there is nothing to keep; start the server first")
    owner = owner_of(config.data)
    place = Place(config.data, config.file, config.hostname, lambda: acting_as(owner))
    with moving_errors(), Progress("backing up, files") as progress:
        done = back_up(place, arguments.folder, progress.advance)
    print(f"{done.snapshot}: {_in_words(done.facts)}, {done.facts.files - done.linked} of them copied, the rest linked")
    _name(done.problems)
    if done.problems:
        raise CommandError("the backup is not complete, see above; move what is there into the data directory itself")


def restore_all(arguments: argparse.Namespace) -> None:
    file = find_config(getattr(arguments, "config", None))
    config = load(file, check_files=False) if file is not None else demo_config()
    with moving_errors():
        snapshot = chosen(arguments.folder)
        with Progress("restoring, files", Facts.of(snapshot).files) as progress:
            facts = restore(snapshot, config.data, progress.advance)
    print(f"restored {_in_words(facts)}, as of {facts.created}, to {config.data}")
    if count := waiting(config.data):
        print(f"{messages(count)} in the queue: what was sent since then will go again; see: mailserver queue list")
    if os.path.isfile(f"{snapshot}/{CONFIGURATION}"):
        print(f"the configuration of then is in {snapshot}/{CONFIGURATION}")


def _verify(folder: str) -> None:
    with moving_errors():
        snapshot = chosen(folder)
        facts = Facts.of(snapshot)
        with Progress("verifying, files", facts.files) as progress:
            found = list(differences(snapshot, f"{snapshot}/{DATA}", progress.advance))
    _name(found)
    if found:
        raise CommandError(f"{snapshot} is not whole, see above; use an older one, and make a new one")
    print(f"{snapshot} is whole: {_in_words(facts)}")


def _in_words(facts: Facts) -> str:
    return f"{messages(facts.messages)} in {_mailboxes(len(facts.mailboxes))}, {facts.files} files in all"


def _mailboxes(count: int) -> str:
    return "1 mailbox" if count == 1 else f"{count} mailboxes"


def _name(problems: list[str]) -> None:
    for problem in problems[:MAX_NAMED]:
        print(problem, file=sys.stderr)
    if len(problems) > MAX_NAMED:
        print(f"and {len(problems) - MAX_NAMED} more", file=sys.stderr)
