"""`mailserver account vacation`: what is answered for somebody who is away."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress

from twisted_mail.auth.names import account_address
from twisted_mail.cli.commandline import CommandError, Parser, add_command
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.durable import make_directory
from twisted_mail.mailbox.absence import ANSWERED_FILE, MAX_TEXT, TEXT_FILE, text_in
from twisted_mail.mailbox.store import maildir_of


def add_vacation(commands: argparse._SubParsersAction[Parser]) -> None:
    """account vacation."""
    text = "Answer those who write to somebody who is away, each once in 7 days.  Without an option: show the answer."
    parser = add_command(commands, "vacation", text, run_vacation)
    parser.add_argument("address", metavar="ADDRESS")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--set", metavar="FILE", help="answer with this text, in UTF-8; - is standard input")
    choice.add_argument("--off", action="store_true", help="answer no longer")


def run_vacation(arguments: argparse.Namespace) -> None:
    address = account_address(arguments.address)
    text = _read(arguments.set) if arguments.set is not None else None
    config = configuration(arguments)
    with opened_directory(config) as directory:
        if directory.account(address) is None:
            raise CommandError(f"there is no account {address}; see: mailserver account list")
        path = maildir_of(config.data, address)
        if text is not None:
            _set(path, text)
            end = f"mailserver account vacation {address} --off"
            print(f"{address}: who writes is answered, once in 7 days; end it with: {end}")
        elif arguments.off:
            for name in (TEXT_FILE, ANSWERED_FILE):
                with suppress(FileNotFoundError):
                    os.unlink(f"{path}/{name}")
            print(f"{address}: nobody is answered")
        else:
            print((text_in(path) or f"{address}: nobody is answered").rstrip("\n"))


def _read(name: str) -> str:
    try:
        octets = sys.stdin.buffer.read() if name == "-" else _contents(name)
        text = octets.decode()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{name} is not UTF-8 text; save it as UTF-8") from error
    if not text.strip() or len(octets) > MAX_TEXT:
        raise CommandError(f"{name} must hold the answer, in at most {MAX_TEXT} octets")
    return text


def _contents(name: str) -> bytes:
    with open(name, "rb") as file:
        return file.read(MAX_TEXT + 1)


def _set(path: str, text: str) -> None:
    """Who was answered before hears the new text, too."""
    for name in ("tmp", "new", "cur"):
        make_directory(f"{path}/{name}")
    with open(f"{path}/{TEXT_FILE}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}/{TEXT_FILE}.new", f"{path}/{TEXT_FILE}")
    with suppress(FileNotFoundError):
        os.unlink(f"{path}/{ANSWERED_FILE}")
