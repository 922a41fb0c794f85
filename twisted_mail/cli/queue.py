"""`mailserver queue`: what waits to be sent, and what shall be done with it.

Reads the spool's files, and never writes one of them: what is asked for is left as a request that the server finds
within a second (queue/requests.py), or when it starts.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from twisted_mail.cli.commandline import CommandError, Parser, add_command, add_json, subcommands
from twisted_mail.cli.opening import configuration
from twisted_mail.cli.tables import Row, print_rows, timestamp
from twisted_mail.config import Config
from twisted_mail.ownership import acting_as, owner_of
from twisted_mail.pickup import pickup_folder
from twisted_mail.printable import printable
from twisted_mail.queue import requests
from twisted_mail.queue.entry import NEVER, QueuedRecipient, QueueEntry
from twisted_mail.queue.envelope import EnvelopeError, encode
from twisted_mail.queue.lock import is_scheduled
from twisted_mail.queue.requests import Verb
from twisted_mail.queue.spool import SpoolFiles
from twisted_mail.units import parse_duration

PATIENCE = 5.0
"""Seconds to wait for a running server to do what was asked."""

_VERBS = (
    (Verb.RETRY, "Try messages now, also where their server is known not to answer."),
    (Verb.HOLD, "Let messages wait until they are released."),
    (Verb.RELEASE, "Send messages that are held, or that were to be sent later."),
    (Verb.DROP, "Delete messages; nobody is told."),
    (Verb.BOUNCE, "Return messages to their senders."),
)


@dataclass(frozen=True, slots=True)
class Spools:
    """The queue, and what `mailserver send` has handed over and the server has not picked up yet."""

    queue: SpoolFiles
    pickup: SpoolFiles

    @classmethod
    def of(cls, config: Config) -> Spools:
        return cls(SpoolFiles(config.queue_folder), SpoolFiles(pickup_folder(config)))

    def holding(self, identifier: str) -> SpoolFiles:
        """The one in which that message is."""
        return self.pickup if os.path.exists(self.pickup.envelope(identifier)) else self.queue

    def identifiers(self) -> list[str]:
        """Of all messages, the oldest first."""
        found: list[str] = []
        for files in (self.queue, self.pickup):
            with suppress(FileNotFoundError):  # the server has not run yet
                found += files.identifiers()
        return sorted(found)

    def read(self, identifier: str) -> QueueEntry:
        """As SpoolFiles.read."""
        return self.holding(identifier).read(identifier)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages are meant.  None: whatever it be."""

    sender: str | None
    recipient: str | None
    domain: str | None
    created_before: float | None

    def matches(self, entry: QueueEntry) -> bool:
        recipients = [each.recipient.address for each in entry.waiting]
        sender = "<>" if entry.sender is None else str(entry.sender)
        return (
            (self.sender is None or self.sender.lower() == sender.lower())
            and (self.recipient is None or self.recipient.lower() in (str(each).lower() for each in recipients))
            and (self.domain is None or self.domain.lower() in (each.domain for each in recipients))
            and (self.created_before is None or entry.created < self.created_before)
        )

    @property
    def is_empty(self) -> bool:
        return (self.sender, self.recipient, self.domain, self.created_before) == (None, None, None, None)


def add_family(parser: Parser) -> None:
    """queue list, show, retry, hold, release, drop, bounce."""
    commands = subcommands(parser)
    listing = add_command(commands, "list", "List the messages that wait.", list_messages)
    _add_filters(listing)
    add_json(listing)
    show = add_command(commands, "show", "Show a message's envelope and what was said of it.", show_message)
    show.add_argument("id", metavar="ID", help="as in the list, or its beginning")
    add_json(show)
    for verb, text in _VERBS:
        command = add_command(commands, verb.value, text, _asking_for(verb))
        command.add_argument("ids", metavar="ID", nargs="*", help="as in the list, or its beginning")
        _add_filters(command)
        command.add_argument("--all", action="store_true", help="all messages")


def _add_filters(parser: Parser) -> None:
    parser.add_argument("--from", dest="sender", metavar="ADDRESS", help="the sender; <> for reports")
    parser.add_argument("--to", dest="recipient", metavar="ADDRESS", help="somebody who has not got it yet")
    parser.add_argument("--domain", metavar="DOMAIN", help="the domain of somebody who has not got it yet")
    parser.add_argument("--older-than", metavar="TIME", type=_duration, help='as in "2 hours"')


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# ---- the commands


def list_messages(arguments: argparse.Namespace) -> None:
    with _spools(arguments) as spools:
        rows = [_row(entry) for entry in _entries(spools) if _filter(arguments).matches(entry)]
    if not arguments.json:
        rows = [{**row, "to": _shortened(row["to"])} for row in rows]
    print_rows(rows, as_json=arguments.json, nothing="no messages wait")


def show_message(arguments: argparse.Namespace) -> None:
    with _spools(arguments) as spools:
        entry = _read(spools, _identifier(spools, arguments.id))
        path = spools.holding(entry.id).message(entry.id)
    if arguments.json:
        print(encode(entry).decode(), end="")
        return
    for name, value in _row(entry).items():
        if name not in ("to", "last"):
            print(f"{name + ':':<10} {value}")
    print(f"{'file:':<10} {path}")
    for each in entry.recipients:
        print("\n".join(["", *_recipient_lines(each)]))


def _asking_for(verb: Verb) -> Callable[[argparse.Namespace], None]:
    def ask(arguments: argparse.Namespace) -> None:
        with _spools(arguments) as spools:
            chosen = [(spools.holding(each).folder, each) for each in _chosen(spools, arguments)]
            for folder, identifier in chosen:
                requests.ask(folder, identifier, verb)
            print(f"{verb.value}: {_count(len(chosen))}{_ending(verb, chosen)}")

    return ask


def _ending(verb: Verb, asked: Sequence[tuple[str, str]]) -> str:
    """Waits a little for the server; what to say of it.  *asked*: folder and id of each message."""
    if not asked:
        return ""
    if not any(is_scheduled(folder) for folder in {folder for folder, _ in asked}):
        return "; the server is not running, and will do it when it starts"
    limit = time.monotonic() + PATIENCE
    while any(os.path.exists(requests.path(folder, identifier, verb)) for folder, identifier in asked):
        if time.monotonic() > limit:
            return "; the server is still at it"
        time.sleep(0.05)
    return ""


# ---- which messages


@contextmanager
def _spools(arguments: argparse.Namespace) -> Iterator[Spools]:
    """Those of the server that the command line means, as the user whose files they are."""
    config = configuration(arguments)
    with acting_as(owner_of(config.data)):
        yield Spools.of(config)


def _filter(arguments: argparse.Namespace) -> Filter:
    age = arguments.older_than
    before = None if age is None else time.time() - age
    return Filter(arguments.sender, arguments.recipient, arguments.domain, before)


def _entries(spools: Spools) -> Iterator[QueueEntry]:
    """All that can be read, the oldest first."""
    for identifier in spools.identifiers():
        try:
            yield spools.read(identifier)
        except FileNotFoundError:  # it has left the queue in this moment
            continue
        except EnvelopeError as error:
            print(f"{identifier}: damaged: {error}", file=sys.stderr)


def _chosen(spools: Spools, arguments: argparse.Namespace) -> list[str]:
    """The ids of the messages that the command line means."""
    chosen = _filter(arguments)
    if arguments.ids:
        named = [_identifier(spools, each) for each in arguments.ids]
        return [each for each in named if chosen.is_empty or chosen.matches(_read(spools, each))]
    if chosen.is_empty and not arguments.all:
        raise CommandError("say which messages: give their ids, a filter such as --to, or --all")
    return [entry.id for entry in _entries(spools) if chosen.matches(entry)]


def _identifier(spools: Spools, text: str) -> str:
    """The one that *text* begins."""
    found = [each for each in spools.identifiers() if each.startswith(text)]
    if not found:
        raise CommandError(f"there is no message {text} in the queue; see: mailserver queue list")
    if len(found) > 1:
        raise CommandError(f"{text} is the beginning of {len(found)} messages; write more of the id")
    return found[0]


def _read(spools: Spools, identifier: str) -> QueueEntry:
    try:
        return spools.read(identifier)
    except FileNotFoundError:
        raise CommandError(f"{identifier} has just left the queue; nothing is to be done") from None
    except EnvelopeError as error:
        path = spools.holding(identifier).envelope(identifier)
        raise CommandError(f"{path}: {error}; repair the file or move it away") from error


# ---- what is shown


def _row(entry: QueueEntry) -> Row:
    waiting = entry.waiting
    last = max((each.last for each in waiting if each.last), key=lambda last: last.at, default=None)
    return {
        "id": entry.id,
        "from": "<>" if entry.sender is None else str(entry.sender),
        "to": [str(each.recipient.address) for each in waiting],
        "size": entry.size,
        "queued": timestamp(int(entry.created)),
        "due": "held" if entry.due >= NEVER else timestamp(int(entry.due)),
        "attempts": max((each.attempts for each in waiting), default=0),
        "last": "" if last is None else printable(str(last.reply)),
    }


def _shortened(recipients: object) -> str:
    assert isinstance(recipients, list)
    return " ".join(recipients[:2]) + (f" and {len(recipients) - 2} more" if len(recipients) > 2 else "")


def _recipient_lines(each: QueuedRecipient) -> list[str]:
    lines = [f"{each.recipient.address}: {each.state.value}, attempts: {each.attempts}"]
    if each.last is not None:
        by = each.last.host or "this server"
        lines.append(f"  {timestamp(int(each.last.at))} {by}: {each.last.reply}")
        lines += [f"    {line}" for line in each.last.dialogue.splitlines()]
    return [printable(line) for line in lines]


def _count(number: int) -> str:
    return "1 message" if number == 1 else f"{number} messages"
