"""Octets on the wire of messages whose names do not say them: counted once, and remembered.

They are remembered by name without flags, because the octets of a message never change, in memory and in a file in the
Maildir, so that neither a restart nor another process reads 100,000 files again.  The file is a cache: lines of
`SIZE NAME`, appended; it may be lost, cut off or deleted, then files are read again.  Whoever writes it holds the lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress

from twisted_mail.filecontents import MEMORY_BOUND
from twisted_mail.mailbox import maildir

FILE_NAME = "twisted-mail.sizes"

_SPARE_LINES = 1000
"""Lines about messages that are gone, beyond as many as are there, before the file is written anew."""


def sizes_of(path: str, foreign: Iterable[str], known: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """The sizes of the *foreign* messages (paths as from `maildir.scan`) of the Maildir at *path*: by path, and by name
    without flags for the next time, when they are *known*.  A message that has gone is in neither.  Blocks.

    Of a file that cannot be read only the octets on disk are given, and nothing is remembered: close enough for a
    message that cannot be sent.
    """
    keys = {relative: maildir.without_flags(maildir.name_of(relative)) for relative in foreign}
    written: Mapping[str, int] = {}
    if any(key not in known for key in keys.values()):
        written = load(path)
    sizes: dict[str, int] = {}
    remembered: dict[str, int] = {}
    for relative, key in keys.items():
        size = known.get(key) or written.get(key)
        if size is None:
            size = _count(f"{path}/{relative}")
        if size is not None:
            remembered[key] = sizes[relative] = size
        else:
            with suppress(FileNotFoundError):
                sizes[relative] = os.stat(f"{path}/{relative}").st_size
    _save(path, remembered, known, written)
    return sizes, remembered


def load(path: str) -> dict[str, int]:
    """What the file says.  Lines that nobody can have written are ignored."""
    try:
        with open(f"{path}/{FILE_NAME}", "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        return {}
    pairs = (line.partition(b" ") for line in lines)
    return {os.fsdecode(key): int(size) for size, _, key in pairs if key and size.isdigit() and len(size) < 16}


def count_wire_size(pieces: Iterable[bytes]) -> int:
    """framing.wire_size of a text that comes in *pieces*."""
    size, last = 0, b""
    for piece in pieces:
        # a line end is two octets on the wire, whether it is LF or CRLF on disk
        size += len(piece) + piece.count(b"\n") - piece.count(b"\r\n") - (last == b"\r" and piece[:1] == b"\n")
        last = piece[-1:]
    return size if last in (b"", b"\n") else size + 2


def _count(path: str) -> int | None:
    """None: the file is gone or cannot be read."""
    try:
        with open(path, "rb", buffering=0, opener=maildir.opener) as file:
            return count_wire_size(iter(lambda: file.read(MEMORY_BOUND), b""))
    except OSError:
        return None


def _save(path: str, remembered: Mapping[str, int], known: Mapping[str, int], written: Mapping[str, int]) -> None:
    """Append what is new; or write all anew where the file is mostly about messages that are gone."""
    fresh = {key: size for key, size in remembered.items() if key not in known and key not in written}
    is_stale = len(written) > 2 * len(remembered) + _SPARE_LINES
    if not fresh and not is_stale:
        return
    lines = b"".join(
        b"%d %s\n" % (size, os.fsencode(key))
        for key, size in (remembered if is_stale else fresh).items()
        if "\n" not in key
    )
    with suppress(OSError):  # a cache: without it the files are read again
        if is_stale:
            _replace(f"{path}/{FILE_NAME}", lines)
        else:
            with open(f"{path}/{FILE_NAME}", "ab") as file:
                file.write(lines)


def _replace(path: str, octets: bytes) -> None:
    with open(f"{path}.new", "wb") as file:
        file.write(octets)
    os.replace(f"{path}.new", path)
