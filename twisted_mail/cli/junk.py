"""`mailserver junk`: what the filter of an account has learned, and how it is taught.

The commands work on the Maildir itself, whether the server runs or not; it sees what was learned within seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from twisted_mail.auth.names import account_address
from twisted_mail.cli.commandline import CommandError, Parser, add_command, add_json, subcommands
from twisted_mail.cli.moving import checked_account, messages, moving_errors
from twisted_mail.cli.opening import configuration
from twisted_mail.cli.progress import Progress
from twisted_mail.cli.tables import print_facts, timestamp
from twisted_mail.mailbox import layout
from twisted_mail.mailbox.junk.memory import learned_in, opened_memory, size_of
from twisted_mail.mailbox.junk.moves import Heard, learn_message
from twisted_mail.mailbox.junk.opinion import MINIMUM, Count, evidence_of, is_trained, opinion_of
from twisted_mail.mailbox.junk.texts import MAX_OCTETS
from twisted_mail.mailbox.junk.words import words_of
from twisted_mail.moving.letter import Letter, Source
from twisted_mail.moving.maildirs import MaildirSource, is_maildir
from twisted_mail.moving.mboxes import MboxSource
from twisted_mail.ownership import Owner, acting_as, owner_of
from twisted_mail.policy.reputation import Reputation
from twisted_mail.smtp.address import Address

SHOWN_WORDS = 15
"""Of those that decided."""


def add_family(parser: Parser) -> None:
    """junk train, show, test, forget."""
    commands = subcommands(parser)
    text = "Have an account's filter learn messages.  Run again, it learns nothing twice; the last word counts."
    train = add_command(commands, "train", text, train_filter)
    train.add_argument("address", metavar="ADDRESS")
    what = "files with one message, mboxes or Maildirs (without their subfolders)"
    train.add_argument("--junk", metavar="PATH", nargs="+", default=[], help=f"what is junk: {what}")
    train.add_argument("--good", metavar="PATH", nargs="+", default=[], help="what is not")
    show = add_command(commands, "show", "Show how much an account's filter has learned.", show_filter)
    show.add_argument("address", metavar="ADDRESS")
    add_json(show)
    test = add_command(commands, "test", "Say what an account's filter thinks of a message, and why.", test_message)
    test.add_argument("address", metavar="ADDRESS")
    test.add_argument("file", metavar="FILE", help="the message")
    forget = add_command(commands, "forget", "Have an account's filter forget all that it has learned.", forget_all)
    forget.add_argument("address", metavar="ADDRESS")


def train_filter(arguments: argparse.Namespace) -> None:
    address, config = account_address(arguments.address), configuration(arguments)
    path = checked_account(config, address)
    with moving_errors():
        sources = [(_source(name), True) for name in arguments.junk]
        sources += [(_source(name), False) for name in arguments.good]
        if not sources:
            raise CommandError("there is nothing to learn; name messages after --junk or --good")
        owner = owner_of(config.data)
        reputation = Reputation(config.reputation_file, config.hostname, time.time)
        counts = {True: 0, False: 0}
        for heard in _learned(path, sources, owner):
            counts[heard.is_junk] += 1
            with acting_as(owner):
                reputation.learn(address, heard.header, heard.is_junk)
    reputation.close()
    print(f"{address}: learned {messages(counts[True])} as junk and {messages(counts[False])} as good")
    with acting_as(owner):
        learned = learned_in(path).messages
    if not is_trained(learned):
        print(_what_is_missing(learned))
    for problem in (problem for source, _ in sources for problem in source.problems):
        print(f"not learned: {problem}", file=sys.stderr)


def show_filter(arguments: argparse.Namespace) -> None:
    with _opened(arguments) as (address, path):
        learned, octets = learned_in(path), size_of(path)
    facts: dict[str, object] = {
        "address": str(address),
        "junk": learned.messages.junk,
        "good": learned.messages.good,
        "words": learned.words,
        "since": None if learned.since is None else timestamp(learned.since),
        "octets": octets,
        "judges": is_trained(learned.messages),
    }
    if arguments.json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    print_facts(facts)
    if not is_trained(learned.messages):
        print(_what_is_missing(learned.messages))


def test_message(arguments: argparse.Namespace) -> None:
    with open(arguments.file, "rb") as file:
        words = words_of(file.read(MAX_OCTETS))
    with _opened(arguments) as (address, path):
        learned = learned_in(path).messages
        if not is_trained(learned):
            raise CommandError(_what_is_missing(learned))
        with opened_memory(path) as memory:
            opinion = opinion_of(memory.counts(words), learned)
    evidence = evidence_of(opinion, address)
    neither = f"looks like neither ({opinion.probability:.3f})"
    print(f"{evidence.points:+g} {evidence.reason}" if evidence else f"0 {neither}")
    for clue in opinion.clues[:SHOWN_WORDS]:
        print(f"  {clue.probability:.3f} {clue.word}")


def forget_all(arguments: argparse.Namespace) -> None:
    with _opened(arguments) as (address, path):
        if size_of(path):
            with opened_memory(path) as memory:
                memory.forget()
    print(f"{address}: all that was learned is forgotten")


@contextmanager
def _opened(arguments: argparse.Namespace) -> Iterator[tuple[Address, str]]:
    """The account and its Maildir; within it root is the owner of that.  Raises CommandError."""
    address, config = account_address(arguments.address), configuration(arguments)
    path = checked_account(config, address)
    with acting_as(owner_of(config.data)):
        yield address, path


class _File:
    """A message of its own, as a source."""

    total: int | None = 1

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        self.name = path
        self.problems: list[str] = []
        with open(path, "rb") as file:
            self._octets = file.read(MAX_OCTETS)

    def letters(self, is_wanted: Callable[[str], bool]) -> Iterator[Letter]:
        yield Letter(self._octets)


def _source(path: str) -> Source:
    if is_maildir(path):
        return MaildirSource(path)
    if os.path.isdir(path):
        raise CommandError(f"{path} is no Maildir; name the files in it")
    with open(path, "rb") as file:
        begins_as_mbox = file.read(5) == b"From "
    return MboxSource(path) if begins_as_mbox else _File(path)


def _learned(path: str, sources: Sequence[tuple[Source, bool]], owner: Owner) -> Iterator[Heard]:
    """What was new.  Sources are read as who we are: root may read what the owner may not."""
    with ExitStack() as stack:
        with acting_as(owner):
            layout.make_maildir_of(f"{path}/new/name")
            memory = stack.enter_context(opened_memory(path))
        progress = stack.enter_context(Progress("learning"))
        for source, is_junk in sources:
            for letter in source.letters(lambda uid: True):
                with acting_as(owner):
                    heard = learn_message(memory, letter.octets, is_junk, time.time())
                yield from heard
                progress.advance()


def _what_is_missing(learned: Count) -> str:
    return (
        f"the filter says nothing before it has learned {MINIMUM} messages of each kind;"
        f" so far {learned.junk} as junk and {learned.good} as good"
    )
