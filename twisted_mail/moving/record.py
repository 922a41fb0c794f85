"""What imports have taken into a Maildir: MAILDIR/twisted-mail.imported, appended to and never shortened.

A line `= SOURCE` stands before what was taken from there: lines `KEY DIGEST`.  KEY is the unique-id, or a digest for a
message without; DIGEST is that of the message.  The file is locked while an import is at it.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from twisted_mail.mailbox import maildir
from twisted_mail.moving.letter import MovingError

FILE_NAME = "twisted-mail.imported"
DIGEST = 32
"""Hex digits of SHA-256 by which messages are told apart."""

_SECTION = "= "
_OWN_NAME = re.compile(r"[0-9]+\.([0-9a-f]{32})\.")


@dataclass(slots=True)
class Record:
    """What is there already."""

    here: set[str] = field(default_factory=set)
    """Keys of what came from this source, or is in the Maildir for whatever reason."""
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Key -> digest of what came from other sources: their unique-ids may be the same by chance."""

    def add_messages(self, paths: list[str]) -> None:
        """*paths*: as `maildir.scan` gives them.  A batch that a crash cut off is known by its names only."""
        names = set(maildir.unique_ids(paths))
        names.update(match[1] for relative in paths if (match := _OWN_NAME.match(relative, 4)))
        self.here |= names - self.elsewhere.keys()


def open_record(path: str) -> int:
    """The file of the Maildir at *path*, locked until it is closed.  Raises MovingError or OSError."""
    descriptor = os.open(f"{path}/{FILE_NAME}", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise MovingError("another import into this account is under way; wait for its end") from None
    return descriptor


def read_record(descriptor: int, source: str) -> Record:
    """What the file says, as seen from *source*.  Lines that nobody can have written are ignored."""
    record = Record()
    is_here = False
    with open(descriptor, encoding="utf-8", errors="surrogateescape", newline="\n", closefd=False) as file:
        for line in file:
            if line.startswith(_SECTION):
                is_here = line == section(source) + "\n"
                continue
            key, _, digest = line.rstrip("\n").partition(" ")
            if len(digest) == DIGEST:
                if is_here:
                    record.here.add(key)
                else:
                    record.elsewhere[key] = digest
    for key in record.here & record.elsewhere.keys():
        del record.elsewhere[key]
    return record


def section(source: str) -> str:
    """The line before what was taken from *source*."""
    return _SECTION + source.replace("\n", " ")


def append(descriptor: int, lines: Iterable[str]) -> None:
    """For good."""
    octets = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    if octets:
        os.write(descriptor, octets)
        os.fdatasync(descriptor)
