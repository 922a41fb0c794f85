"""Mailboxes in one file (mbox, RFC 4155): reading and writing, message by message.

Read is what the usual programs write: a line `From SENDER DATE` begins a message, `>From ` in it stands for `From `
(with one `>` more for each that was there: "mboxrd").  What servers note in the header about a message (its unique-id,
whether it was read) becomes what a Maildir has for it, and does not stay in the message.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from twisted_mail.mailbox import maildir
from twisted_mail.message.header import FIELD, fields, header_size
from twisted_mail.moving.letter import Letter, MovingError, arrival_of

_PIECE = 1024 * 1024

# From SENDER DATE, the date as of asctime, with a time zone before or behind the year where a program adds one
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FROM_LINE = re.compile(
    rf"^From [^\n]*?(?:{'|'.join(_DAYS)}),? ({'|'.join(_MONTHS)}) +(\d\d?) +(\d\d):(\d\d)(?::(\d\d))?"
    r"(?: +(?:[+-]\d{4}|[A-Z]{1,5}))* +(\d{4})(?: +(?:[+-]\d{4}|[A-Z]{1,5}))*[ \t]*\r?\n".encode(),
    re.MULTILINE,
)
_LONGEST_FROM_LINE = 1000
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_TO_BE_QUOTED = re.compile(rb"^(>*From )", re.MULTILINE)

_NOTES = frozenset(
    {"x-uidl", "x-uid", "x-imapbase", "x-imap", "x-keywords", "status", "x-status", "content-length", "lines"}
)
"""Fields that servers keep in an mbox for themselves."""
_READ = "R"
_FLAG_OF = {_READ: "S", "A": "R", "F": "F", "T": "D", "D": "T"}
"""What Status and X-Status say -> the flag of a Maildir."""


class MboxSource:
    """The messages of one mbox."""

    total: int | None = None

    def __init__(self, path: str) -> None:
        """Raises OSError, or MovingError: it is none."""
        self.name = os.path.realpath(path)
        self.problems: list[str] = []
        self._path = path
        self._base = ""
        with open(path, "rb") as file:
            if file.read(5) not in (b"From ", b""):
                raise MovingError(f"{path} is no mbox: it does not begin with a From line; name an mbox or a Maildir")

    def letters(self, is_wanted: Callable[[str], bool]) -> Iterator[Letter]:
        with open(self._path, "rb") as file:
            for text in split(file):
                letter = self._letter(text)
                if letter is not None and (letter.uid is None or is_wanted(letter.uid)):
                    yield letter

    def _letter(self, text: bytes) -> Letter | None:
        line, _, text = text.replace(b"\r\n", b"\n").partition(b"\n")
        size = header_size(text)
        notes = {
            name: field.partition(b":")[2].strip().decode("ascii", "replace") for name, field in _noted(text[:size])
        }
        self._base = notes.get("x-imapbase", notes.get("x-imap", self._base))
        if "x-imap" in notes and b"FOLDER INTERNAL DATA" in text[:size]:
            return None  # what some servers put first, to remember something by
        header = FIELD.sub(lambda match: b"" if match[1].decode("ascii").lower() in _NOTES else match[0], text[:size])
        octets = _QUOTED_FROM.sub(rb"\1", header + text[size:])
        said = notes.get("status", "") + notes.get("x-status", "")
        seconds = seconds_of(line + b"\n")
        return Letter(
            octets,
            self._uid(notes),
            arrival_of(octets) if seconds is None else seconds,
            "".join(sorted({_FLAG_OF[each] for each in said if each in _FLAG_OF})),
            is_new=not said,
        )

    def _uid(self, notes: dict[str, str]) -> str | None:
        """X-UIDL; else what Dovecot makes of its notes."""
        uid = notes.get("x-uidl", "")
        base = self._base.split()
        if not uid and base and base[0].isdecimal() and notes.get("x-uid", "").isdecimal():
            uid = f"{int(notes['x-uid']):08x}{int(base[0]):08x}"
        return uid if maildir.is_uid(uid) else None


def split(file: BinaryIO) -> Iterator[bytes]:
    """Each message of an mbox with its From line, without the blank line behind it.  Holds one message in memory."""
    held = b""
    searched = 1
    while piece := file.read(_PIECE):
        held += piece
        start = 0
        end = len(held) - _LONGEST_FROM_LINE  # a From line may be cut off here
        for match in _FROM_LINE.finditer(held, searched):
            if match.start() >= end:
                break
            yield _without_blank_line(held[start : match.start()])
            start = match.start()
        held = held[start:]
        searched = max(1, len(held) - _LONGEST_FROM_LINE)
        searched = held.rfind(b"\n", 0, searched) + 1 or 1
    start = 0
    for match in _FROM_LINE.finditer(held, searched):
        yield _without_blank_line(held[start : match.start()])
        start = match.start()
    if held:
        yield _without_blank_line(held[start:])


def seconds_of(line: bytes) -> float | None:
    """The date of a From line, which is in UTC (RFC 4155 appendix A)."""
    match = _FROM_LINE.match(line)
    if match is None:
        return None
    month, day, hour, minute, second, year = match.groups()
    try:
        number = _MONTHS.index(month.decode()) + 1
        date = datetime(int(year), number, int(day), int(hour), int(minute), int(second or 0), tzinfo=UTC)
    except ValueError:
        return None
    return date.timestamp()


def entry(letter: Letter) -> bytes:
    """*letter* as an mbox has it, with its unique-id and what is known of it in the header."""
    text = letter.octets.replace(b"\r\n", b"\n")
    size = header_size(text)
    header = FIELD.sub(lambda match: b"" if match[1].decode("ascii").lower() in _NOTES else match[0], text[:size])
    header = header.removesuffix(b"\n") if header.endswith(b"\n\n") or header == b"\n" else header
    sender = re.search(rb"^return-path:[ \t]*<([^<>\s]+)>", header, re.IGNORECASE | re.MULTILINE)
    day = time.gmtime(letter.seconds or 0)
    when = f"{_DAYS[day.tm_wday]} {_MONTHS[day.tm_mon - 1]} {day.tm_mday:2} {time.strftime('%H:%M:%S %Y', day)}"
    body = text[size:]
    quoted = _TO_BE_QUOTED.sub(rb">\1", header + _notes_of(letter) + b"\n" + body)
    end = b"\n" if quoted.endswith(b"\n") else b"\n\n"
    return b"From %s %s\n" % (sender[1] if sender else b"MAILER-DAEMON", when.encode()) + quoted + end


def _notes_of(letter: Letter) -> bytes:
    flags = [each for each, flag in _FLAG_OF.items() if flag in letter.flags]
    noted = {
        "X-UIDL": letter.uid or "",
        "Status": "".join(each for each in flags if each == _READ) + ("" if letter.is_new else "O"),
        "X-Status": "".join(each for each in flags if each != _READ),
    }
    return "".join(f"{name}: {value}\n" for name, value in noted.items() if value).encode("ascii")


def _noted(header: bytes) -> Iterator[tuple[str, bytes]]:
    """The fields of _NOTES, each name once: the first counts."""
    seen = set()
    for name, field in fields(header):
        if name in _NOTES and name not in seen:
            seen.add(name)
            yield name, field


def _without_blank_line(text: bytes) -> bytes:
    for end in (b"\n\n", b"\n\r\n"):
        if text.endswith(end):
            return text[: len(text) - len(end) + 1]
    return text
