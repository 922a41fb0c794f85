"""A password from the person at the terminal, or from standard input.  Never from the arguments: `ps` shows those."""

from __future__ import annotations

import argparse
import getpass
import sys

from twisted_mail.auth.passwords import MAX_PASSWORD
from twisted_mail.cli.commandline import CommandError, Parser


def add_password_option(parser: Parser) -> None:
    """`--password-stdin`."""
    parser.add_argument(
        "--password-stdin", action="store_true", help="read the password from the first line of standard input"
    )


def ask_password(arguments: argparse.Namespace, place: object) -> str:
    """The password for *place*, where the person has one already.  Raises CommandError."""
    if arguments.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = getpass.getpass(f"Password for {place}: ")
    else:
        raise CommandError("there is no terminal to ask for the password; use --password-stdin")
    if not password or any(ord(character) < 32 for character in password):
        raise CommandError("the password is empty, or holds control characters; give the one of the other server")
    return password


def read_password(arguments: argparse.Namespace, address: object) -> str:
    """The new password of *address*.  Raises CommandError."""
    if arguments.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = getpass.getpass(f"New password for {address}: ")
        if getpass.getpass("The same again: ") != password:
            raise CommandError("the two passwords differ; nothing was changed, try again")
    else:
        raise CommandError("there is no terminal to ask for the password; use --password-stdin")
    if problem := password_problem(password):
        raise CommandError(f"{problem}; nothing was changed, choose another")
    return password


def password_problem(password: str) -> str | None:
    """Why nobody could log in with it; None where they can."""
    if not password:
        return "the password is empty"
    if len(password.encode(errors="replace")) > MAX_PASSWORD:
        return f"the password is longer than {MAX_PASSWORD} octets"
    if any(ord(character) < 32 or ord(character) == 127 or 0xD800 <= ord(character) < 0xE000 for character in password):
        return "the password holds control characters, or is not UTF-8"
    return None
