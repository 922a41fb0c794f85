"""What comes into a file: octets in memory, or those of another file.  Values that can be sent to another process.

The committer's process is small, because this module, durable.py and whatever else jobs are made of import little.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, Protocol

MEMORY_BOUND = 256 * 1024
"""Octets of one message that are held in memory, on receipt and when a piece of a file is read."""


class Contents(Protocol):
    """What a job writes."""

    def write_to(self, descriptor: int) -> None:
        """Write all octets.  Blocks; raises OSError."""


class Octets:
    """Contents that are in memory."""

    def __init__(self, octets: bytes, modified: float | None = None) -> None:
        """*modified*: the file's time of modification, in seconds since 1970, where that is to say something."""
        self._octets = octets
        self._modified = modified

    def write_to(self, descriptor: int) -> None:
        write_all(descriptor, self._octets)
        if self._modified is not None:
            os.utime(descriptor, (self._modified, self._modified))


class SpilledBody:
    """A part of a file, with what goes in front of it.  The file is closed with the last reference to it."""

    def __init__(self, file: BinaryIO, start: int, end: int, before: bytes = b"") -> None:
        self.file = file
        self.start = start
        self.end = end
        self._before = before

    def __len__(self) -> int:
        return len(self._before) + self.end - self.start

    def after(self, octets: bytes) -> SpilledBody:
        """The same, behind *octets*."""
        return SpilledBody(self.file, self.start, self.end, octets + self._before)

    def pieces(self) -> Iterator[bytes]:
        """All octets, MEMORY_BOUND of the file at a time.  Blocks; any number of readers at once."""
        if self._before:
            yield self._before
        position = self.start
        while position < self.end:
            piece = os.pread(self.file.fileno(), min(MEMORY_BOUND, self.end - position), position)
            if not piece:
                raise OSError("the temporary file of a message is shorter than it was written")
            yield piece
            position += len(piece)

    def write_to(self, descriptor: int) -> None:
        for piece in self.pieces():
            write_all(descriptor, piece)


def write_all(descriptor: int, octets: bytes) -> None:
    """Blocks; raises OSError."""
    written = os.write(descriptor, octets)
    while written < len(octets):  # a signal or a nearly full disk cut it short
        written += os.write(descriptor, memoryview(octets)[written:])
