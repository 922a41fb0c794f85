"""`mailserver try`: one message there and back, in plain words or in those of a mail program."""

from __future__ import annotations

import argparse

from twisted_mail.cli.clients.programs import PROGRAMS
from twisted_mail.cli.clients.replay import Replay
from twisted_mail.cli.commandline import CommandError, Parser, be_command
from twisted_mail.cli.opening import configuration
from twisted_mail.cli.roundtrip import throwaway_account, travel
from twisted_mail.config import Config


def add_family(parser: Parser) -> None:
    """try, which has no subcommands."""
    be_command(parser, try_server)
    parser.add_argument(
        "--as",
        dest="program",
        metavar="PROGRAM",
        choices=list(PROGRAMS),
        help=f"say what this mail program says, and look at the certificate as it does: {', '.join(PROGRAMS)}",
    )
    parser.add_argument(
        "--accept-certificate",
        action="store_true",
        help="with --as: go on as if the user had accepted a certificate that the program does not trust",
    )


def try_server(arguments: argparse.Namespace) -> None:
    """Raises TrialError."""
    config = configuration(arguments)
    if arguments.program is not None:
        _try_as(config, arguments.program, accept=arguments.accept_certificate)
        return
    if arguments.accept_certificate:
        raise CommandError("--accept-certificate is for --as PROGRAM; without that, a certificate of our own is taken")
    with throwaway_account(config) as trial:
        journey = travel(config, trial, print)
    print(
        f"\nIt works: sent, stored and fetched in {journey.seconds:.2f} seconds.  "
        f"Set up your mail program: server {config.hostname}, {journey.submission}, {journey.pop3}"
    )


def _try_as(config: Config, name: str, *, accept: bool) -> None:
    program = PROGRAMS[name]
    print(f"{program.title}, {program.source}")
    with throwaway_account(config) as trial:
        submission, pop3 = Replay(config, program, trial, print, accept=accept).run()
    print(f"\n{program.title} can send and fetch: server {config.hostname}, {submission}, {pop3}")
