"""A password from the person at the terminal, or from standard input.  Never from the arguments: `ps` shows those."""

from __future__ import annotations

import argparse
import getpass
import sys

from twisted_mail.auth.passwords import password_problem
from twisted_mail.cli.commandline import CommandError, Parser


def add_password_option(parser: Parser) -> None:
    """`--password-stdin`."""
    parser.add_argument(
        "--password-stdin", action="store_true", help="read the password from the first line of standard input"
    )


def ask_password(arguments: argparse.Namespace, place: object) -> str:
    """The password for *place*, where the person has one already.  Raises CommandError."""
    password = _entered(arguments, f"Password for {place}: ")
    if not password or any(ord(character) < 32 for character in password):
        raise CommandError("the password is empty, or holds control characters; give the one of the other server")
    return password


def read_password(arguments: argparse.Namespace, address: object) -> str:
    """The new password of *address*.  Raises CommandError."""
    password = _entered(arguments, f"New password for {address}: ")
    if not arguments.password_stdin and getpass.getpass("The same again: ") != password:
        raise CommandError("the two passwords differ; nothing was changed, try again")
    if problem := password_problem(password):
        raise CommandError(f"{problem}; nothing was changed, choose another")
    return password


def _entered(arguments: argparse.Namespace, prompt: str) -> str:
    """What was given once.  Raises CommandError: there is nobody to ask."""
    if arguments.password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    raise CommandError("there is no terminal to ask for the password; use --password-stdin")
