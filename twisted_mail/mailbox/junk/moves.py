"""Learns from where messages lie: one that a person has moved into the junk folder is junk, one moved out of it is not.

Any program may move them, by another name of the file too: a message is known again by what is in it.  What was in the
junk folder at the last look is remembered, so that what has come and what has gone is known; only new junk is read, and
of the inbox only what changed since then, when something has gone.  What was delivered as junk teaches nothing until
somebody moves it, and what was deleted teaches nothing at all.  All of it blocks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from twisted.logger import Logger

from twisted_mail.interfaces import IVerdicts
from twisted_mail.mailbox import maildir
from twisted_mail.mailbox.junk.memory import Memory, opened_memory, size_of
from twisted_mail.mailbox.junk.texts import MAX_OCTETS
from twisted_mail.mailbox.junk.words import identity_of, lesson_of
from twisted_mail.message.evidence import NAME
from twisted_mail.message.header import fields, header_size
from twisted_mail.smtp.address import Address

_log = Logger()

MARGIN = 5
"""Seconds by which a file may seem older than it is, on file systems with coarse clocks."""
MAX_LESSONS = 1000
"""Messages of one folder that are learned at the first look, when all of them are new: the newest."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A verdict that was not known before."""

    header: bytes
    is_junk: bool


def look(path: str, now: float) -> list[Heard]:
    """What the folders of the Maildir at *path* say that they did not say before; it is learned.

    *now*: Unix time.  A Maildir that never had junk costs one look.  Raises OSError.
    """
    if not os.path.isdir(maildir.junk_of(path)) and not size_of(path):
        return []
    with opened_memory(path) as memory:
        return _Look(path, memory, now).run()


def learn_message(memory: Memory, octets: bytes, is_junk: bool, now: float) -> list[Heard]:
    """That a person says so of a message; nothing is new where that was known."""
    lesson = lesson_of(octets)
    return [Heard(lesson.header, is_junk)] if memory.learn(lesson, is_junk, now) else []


def pass_on(verdicts: IVerdicts, account: Address, heard: Iterable[Heard]) -> None:
    """To those who learn for all.  What they cannot take is no harm to the account."""
    try:
        for each in heard:
            verdicts.learn(account, each.header, each.is_junk)
    except OSError:
        _log.failure("what {account} said of mail is not learned for all", account=account)


class _Look:
    def __init__(self, path: str, memory: Memory, now: float) -> None:
        self._path = path
        self._junk = maildir.junk_of(path)
        self._memory = memory
        self._now = now

    def run(self) -> list[Heard]:
        before, since = self._memory.places(), self._memory.looked()
        there = {_key(relative): relative for relative in maildir.scan(self._junk)}
        gone = {name: message for name, message in before.items() if name not in there}
        arrived = [relative for name, relative in there.items() if name not in before]
        new: dict[str, bytes] = {}
        heard = [*self._arrived(arrived[-MAX_LESSONS:], new), *self._returned(gone, since)]
        new |= {_key(relative): b"" for relative in arrived[:-MAX_LESSONS]}
        if new or gone or not since:
            self._memory.place(new, gone, int(self._now))
        return heard

    def _arrived(self, paths: list[str], new: dict[str, bytes]) -> Iterator[Heard]:
        """In the junk folder; *new* gets the name and the message of each."""
        for relative in paths:
            with suppress(FileNotFoundError):
                octets = maildir.read_beginning(f"{self._junk}/{relative}", MAX_OCTETS)
                header = octets[: header_size(octets)]
                new[_key(relative)] = message = identity_of(header)
                came_as_junk = junk_field_of(header).startswith("yes")
                if not came_as_junk or self._memory.verdict(message) is False:
                    yield from learn_message(self._memory, octets, True, self._now)

    def _returned(self, gone: Mapping[str, bytes], since: int) -> Iterator[Heard]:
        """Those of what has *gone* from the junk folder that are in the inbox now."""
        if not gone:
            return
        messages = set(gone.values())
        for relative in maildir.scan(self._path):
            path = f"{self._path}/{relative}"
            with suppress(FileNotFoundError):
                if _key(relative) in gone or os.stat(path).st_ctime >= since - MARGIN:
                    octets = maildir.read_beginning(path, MAX_OCTETS)
                    if _key(relative) in gone or identity_of(octets[: header_size(octets)]) in messages:
                        yield from learn_message(self._memory, octets, False, self._now)


def junk_field_of(header: bytes) -> str:
    """What the mailbox wrote of it: the value of X-Junk, above all that a sender can have written.  Empty: nothing."""
    for name, field in fields(header):
        if name == "received":
            break
        if name == NAME.lower():
            return field.partition(b":")[2].decode("ascii", "replace").strip()
    return ""


def _key(relative: str) -> str:
    """A file's name without flags; octets that are no UTF-8 as SQLite takes them."""
    name = maildir.without_flags(maildir.name_of(relative))
    return name if name.isascii() else os.fsencode(name).hex()
