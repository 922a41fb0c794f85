"""`mailserver account import`: many accounts from a CSV file, all of them or none.

A line is `address,password` or `address,{SCHEME}hash`.  Hashes are stored as they are; passwords, also those behind
`{PLAIN}`, are hashed first.  All wrong lines are named before anything is changed.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from twisted_mail.auth.directory import Directory, DirectoryError, NewAccount
from twisted_mail.auth.names import account_address
from twisted_mail.auth.passwords import (
    PasswordFormatError,
    is_marked_hash,
    password_problem,
    plain_password,
    take_foreign_hash,
)
from twisted_mail.cli.commandline import CommandError
from twisted_mail.cli.opening import configuration, opened_directory
from twisted_mail.cli.progress import tracked
from twisted_mail.smtp.address import Address

_HEADINGS = frozenset({"account", "address", "e-mail", "email", "login", "mail", "user", "username"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One good line."""

    address: Address
    secret: str
    is_hash: bool
    """*secret* is to be stored as it is."""


def import_accounts(arguments: argparse.Namespace) -> None:
    # before root becomes the owner of the data directory, who may not be allowed to read the file
    text = _read(arguments.file)
    with opened_directory(configuration(arguments)) as directory:
        reading = _Reading(directory)
        reading.take(text)
        if reading.problems:
            for line, problem in reading.problems:
                print(f"{arguments.file}, line {line}: {problem}", file=sys.stderr)
            wrong = "1 line is" if len(reading.problems) == 1 else f"{len(reading.problems)} lines are"
            raise CommandError(f"{wrong} wrong; nothing was changed, correct that and run this again")
        directory.add_accounts(hashed(directory, reading.accounts))
    print(f"added {len(reading.accounts)} accounts")


def hashed(directory: Directory, entries: Sequence[Entry]) -> list[NewAccount]:
    """What to store, with a progress display.  Hashing lets go of the interpreter, so threads use every core."""

    def stored(entry: Entry) -> NewAccount:
        if entry.is_hash:
            return NewAccount(entry.address, entry.secret)
        return directory.new_account(entry.address, entry.secret)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        try:
            return list(tracked(threads.map(stored, entries), "hashing passwords", len(entries)))
        except BaseException:  # Ctrl-C must not wait for a thousand hashes
            threads.shutdown(cancel_futures=True)
            raise


class _Reading:
    """The lines of one file, sorted into accounts and problems."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._first_line_of: dict[Address, int] = {}
        self.accounts: list[Entry] = []
        self.problems: list[tuple[int, str]] = []

    def take(self, text: str) -> None:
        for line, fields in self._lines(text):
            try:
                self.accounts.append(self._account(line, fields))
            except (DirectoryError, PasswordFormatError, CommandError) as error:
                self.problems.append((line, str(error)))

    def _lines(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """Number and fields of the lines that are to be accounts."""
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        first = True
        while True:
            line = reader.line_num + 1
            try:
                fields = next(reader, None)
            except csv.Error as error:
                self.problems.append((line, f"not CSV: {error}; put a field that holds quotes in quotes, doubled"))
                return
            if fields is None:
                return
            is_heading = first and bool(fields) and fields[0].strip().lower() in _HEADINGS
            if fields and not is_heading:
                yield line, fields
            first = False

    def _account(self, line: int, fields: Sequence[str]) -> Entry:
        if len(fields) != 2:
            raise CommandError(
                f"needs 2 fields, has {len(fields)}; write address,password and put a password with a comma in quotes"
            )
        address = account_address(fields[0])
        first = self._first_line_of.setdefault(address, line)
        if first != line:
            raise CommandError(f"{address} stands in line {first} already; remove one of the two")
        self._directory.check_new_account(address)
        return _with_secret(address, fields[1])


def _with_secret(address: Address, text: str) -> Entry:
    plain = plain_password(text)
    if plain is None and is_marked_hash(text):
        return Entry(address, take_foreign_hash(text), is_hash=True)
    password = text if plain is None else plain
    if problem := password_problem(password):
        raise CommandError(f"{problem}; write another")
    if password != password.strip():
        raise CommandError("the password begins or ends with a space; remove it")
    return Entry(address, password, is_hash=False)


def _read(path: str) -> str:
    try:
        if path == "-":
            octets = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                octets = file.read()
        return octets.decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text; save it as UTF-8") from error
