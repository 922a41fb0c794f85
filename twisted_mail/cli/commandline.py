"""What all subcommands share of argparse: errors of one line, `--config` before or after the subcommand, `--json`.

A family adds its commands with `add_command`; each names the function that runs it.  Such a function takes the parsed
arguments, prints to standard output, and raises `CommandError` where it cannot go on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

Run = Callable[[argparse.Namespace], None]


class CommandError(Exception):
    """The command cannot do what it was asked.  The text is one line that says what to do."""

    def __init__(self, problem: str, status: int = 1) -> None:
        super().__init__(problem)
        self.status = status
        """Of the process."""


class Parser(argparse.ArgumentParser):
    """Raises CommandError instead of printing the usage and leaving with status 2."""

    error_status = 1

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]  # overloads of argparse's own
        """A command's parser knows all that may follow it: unknown arguments are its own error, not the outermost's."""
        found, rest = super().parse_known_args(args, namespace)
        if rest and self.get_default("run") is not None:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}; see: {self.prog} --help", self.error_status)


def new_parser(program: str, description: str) -> Parser:
    """The outermost parser."""
    parser = Parser(prog=program, description=description)
    _add_config(parser)
    return parser


def subcommands(parser: Parser) -> argparse._SubParsersAction[Parser]:
    """Where a family or its commands are added."""
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def add_command(commands: argparse._SubParsersAction[Parser], name: str, text: str, run: Run) -> Parser:
    """A command that runs *run*; *text* is what `--help` says."""
    parser = commands.add_parser(name, help=text, description=text)
    be_command(parser, run)
    return parser


def be_command(parser: Parser, run: Run) -> None:
    """Make *parser* that of a command: for a family of one, which has no subcommands."""
    _add_config(parser)
    parser.set_defaults(run=run)


def add_json(parser: Parser) -> None:
    """For commands that list things."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_config(parser: Parser) -> None:
    # SUPPRESS: a subcommand without it leaves what stood before the subcommand
    parser.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="the server's mailserver.toml")
