"""`mailserver reputation`: what users have said of the mail from networks and domains, and how to forget it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

from twisted_mail.cli.commandline import CommandError, Parser, add_command, add_json, subcommands
from twisted_mail.cli.opening import configuration
from twisted_mail.cli.tables import Row, print_rows
from twisted_mail.networks import neighbourhood
from twisted_mail.ownership import acting_as, owner_of
from twisted_mail.policy.esteem import Esteem
from twisted_mail.policy.reputation import Reputation

_SENDER = "a network or an address in it, or a domain"


def add_family(parser: Parser) -> None:
    """reputation list, forget."""
    commands = subcommands(parser)
    text = "List networks and domains of which users have said something, and the points that it makes."
    listing = add_command(commands, "list", text, list_senders)
    listing.add_argument("senders", metavar="SENDER", nargs="*", help=f"only these: {_SENDER}")
    add_json(listing)
    forget = add_command(commands, "forget", "Forget all that is known of a sender.", forget_senders)
    forget.add_argument("senders", metavar="SENDER", nargs="+", help=_SENDER)


def list_senders(arguments: argparse.Namespace) -> None:
    with _opened(arguments) as reputation:
        names = [_subject(text) for text in arguments.senders] or reputation.subjects()
        rows = [_row(reputation.esteem(name)) for name in names]
    print_rows(rows, as_json=arguments.json, nothing="no user has said anything of any mail yet")


def forget_senders(arguments: argparse.Namespace) -> None:
    with _opened(arguments) as reputation:
        for subject in map(_subject, arguments.senders):
            if not reputation.forget(subject):
                raise CommandError(f"nothing is known of {subject}; see: mailserver reputation list")
            print(f"{subject} is forgotten")


@contextmanager
def _opened(arguments: argparse.Namespace) -> Iterator[Reputation]:
    config = configuration(arguments)
    with acting_as(owner_of(config.data)):
        reputation = Reputation(config.reputation_file, config.hostname, time.time)
        try:
            yield reputation
        finally:
            reputation.close()


def _subject(text: str) -> str:
    """As the file has it."""
    return neighbourhood(text.partition("/")[0]) or text.lower()


def _row(esteem: Esteem) -> Row:
    return {
        "sender": esteem.subject,
        "points": esteem.points,
        "junk": sum(voice.junk > voice.good for voice in esteem.voices),
        "good": sum(voice.good > voice.junk for voice in esteem.voices),
        "messages": round(esteem.seen),
        "days": esteem.days,
    }
