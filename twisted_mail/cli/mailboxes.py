"""`mailserver account show`, `restore` and `views`: what lies in one account's mailbox, and what can be done about it.

They look at the Maildir itself, whether the server runs or not.  What changes it takes the maildrop's lock, so it waits
for no session: it says who has the mailbox open.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager

from twisted_mail.auth.directory import Account, Directory
from twisted_mail.auth.names import account_address
from twisted_mail.cli.attributes import ATTRIBUTES, settings_in_words
from twisted_mail.cli.commandline import CommandError, Parser, add_command, add_json
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.cli.tables import print_facts, print_rows, timestamp
from twisted_mail.interfaces import MaildropLocked
from twisted_mail.mailbox import maildir, undo, usage, views
from twisted_mail.mailbox.lock import holder_of
from twisted_mail.mailbox.store import maildir_of


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """account show, restore, views."""
    show = add_command(commands, "show", "Show an account and its mailbox, and who has it open.", show_account)
    restore = add_command(
        commands,
        "restore",
        "Bring back what a POP3 session deleted.  Without --session: list the sessions.",
        restore_mail,
    )
    restore.add_argument("--session", metavar="ID", help="the session, as it is listed and stands in the log")
    listing = add_command(
        commands, "views", "List the views of an account: those who log in as ADDRESS%%NAME have one.", list_views
    )
    listing.add_argument("--remove", metavar="NAME", help="forget this view: it holds no message back any more")
    for parser in (show, restore, listing):
        parser.add_argument("address", metavar="ADDRESS")
        add_json(parser)


def show_account(arguments: argparse.Namespace) -> None:
    with _opened(arguments) as (directory, account, path):
        messages, octets = maildir.total(path)
        used, quota = usage.measure(path), directory.quotas.of(account.address)
        junk, _ = maildir.total(maildir.junk_of(path))
        facts: dict[str, object] = {
            "address": str(account.address),
            "disabled": account.disabled,
            "created": timestamp(account.created),
            "folder": path,
            "messages": messages,
            "octets": octets,
            "used": used,
            "quota": quota,
            "junk": junk,
            "folders": maildir.folders_of(path),
            "open": holder_of(path) or None,
            "settings": settings_in_words(directory.attributes(account.address), ATTRIBUTES),
            "views": list(views.load_all(path)),
            "restorable": sum(item.messages for item in undo.undoable(path)),
        }
    if arguments.json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        print_facts(facts)


def restore_mail(arguments: argparse.Namespace) -> None:
    with _opened(arguments) as (_, account, path):
        if arguments.session is None:
            found = undo.undoable(path)
        else:
            _restore(account, path, arguments.session)
            return
    rows: list[dict[str, object]] = [
        {
            "session": item.session,
            "when": timestamp(item.seconds),
            "messages": item.messages,
            "octets": item.octets,
            "view": item.view or None,
        }
        for item in found
    ]
    print_rows(rows, as_json=arguments.json, nothing=f"nothing of {account.address} can be restored")


def _restore(account: Account, path: str, session: str) -> None:
    try:
        count = undo.restore(path, session)
    except LookupError as error:
        raise CommandError(f"{error}; see: mailserver account restore {account.address}") from error
    print(f"restored {count} messages to {account.address}")


def list_views(arguments: argparse.Namespace) -> None:
    with _opened(arguments) as (_, account, path):
        if arguments.remove is not None:
            _remove_view(account, path, arguments.remove)
            return
        there = set(maildir.unique_ids(maildir.scan(path)))
        found = views.load_all(path).values()
    rows: list[dict[str, object]] = [
        {"view": f"{account.address}%{view.name}", "hidden": len(there & view.dropped.keys())} for view in found
    ]
    print_rows(
        rows, as_json=arguments.json, nothing=f"no views yet; who logs in as {account.address}%laptop has the first"
    )


def _remove_view(account: Account, path: str, name: str) -> None:
    try:
        views.remove(path, name)
    except LookupError as error:
        raise CommandError(f"{error}; see: mailserver account views {account.address}") from error
    print(f"removed the view {name} of {account.address}")


@contextmanager
def _opened(arguments: argparse.Namespace) -> Iterator[tuple[Directory, Account, str]]:
    """The directory, the account that is meant and its Maildir.  Raises CommandError."""
    address = account_address(arguments.address)
    config = configuration(arguments)
    with opened_directory(config) as directory:
        account = directory.account(address)
        if account is None:
            raise CommandError(f"there is no account {address}; see: mailserver account list")
        try:
            yield directory, account, maildir_of(config.data, address)
        except MaildropLocked as error:
            raise CommandError(f"the mailbox is open: {error}; try again when that session is over") from error
