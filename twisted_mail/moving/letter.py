"""A message on its way in or out, and what can give such: the contract between the formats and the intake."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol

from twisted_mail.message.header import fields, header_size

FLAGS = frozenset("DFPRST")
"""Of a Maildir: draft, flagged, passed on, replied, seen, trashed.  Others mean something in their Maildir only."""


class MovingError(Exception):
    """It cannot go on.  The text is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message."""

    octets: bytes
    """LF or CRLF line ends."""
    uid: str | None = None
    """The unique-id that POP3 clients know it by; None: they know none."""
    seconds: float | None = None
    """When it came, since 1970; None: nobody knows."""
    flags: str = ""
    """Of FLAGS."""
    is_new: bool = True
    """No program has looked at it yet."""


class Source(Protocol):
    """Where messages come from."""

    name: str
    """By which it is known again."""
    total: int | None
    """How many messages there are; None: nobody knows before the end."""
    problems: list[str]
    """What could not be read, a line each."""

    def letters(self, is_wanted: Callable[[str], bool]) -> Iterator[Letter]:
        """All messages but those whose unique-id is not wanted: those are not read.  Raises MovingError or OSError."""


_DATE_OF_RECEIVED = re.compile(rb";\s*([^;]+)\Z")


def arrival_of(text: bytes) -> float | None:
    """When a message came, by its topmost Received field, else its Date.  LF line ends."""
    found: dict[str, bytes] = {}
    for name, field in fields(text[: header_size(text)]):
        if name == "received" and name not in found:
            if match := _DATE_OF_RECEIVED.search(field):
                found[name] = match[1]
        elif name == "date":
            found.setdefault(name, field.partition(b":")[2])
    for name in ("received", "date"):
        if name in found and (seconds := _seconds(found[name])) is not None:
            return seconds
    return None


def _seconds(date: bytes) -> float | None:
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        seconds = parsedate_to_datetime(" ".join(date.decode("ascii", "replace").split())).timestamp()
        return seconds if 0 < seconds < 1e11 else None
    return None
