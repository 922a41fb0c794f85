"""The last of what was said on a connection, kept in case it ends badly: the flight recorder of a session.

The session itself fills it, because it alone knows what is a password, a SASL response or a message: those never come
in here.  Kept are references to the lines as they are; nothing is formatted before somebody asks.
"""

from __future__ import annotations

MAX_SIZE = 64 * 1024
"""Octets that it may take in memory."""
OVERHEAD = 48
"""Octets that a line takes beside its own."""
STRUCK_OUT = b"[struck out]"


class Transcript:
    """Lines of the client without, replies of the server with CRLF at their end; remarks in brackets, by themselves or
    behind a reply."""

    __slots__ = ("_lines", "_size")

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0

    def keep(self, octets: bytes) -> None:
        self._lines.append(octets)
        self._size += len(octets) + OVERHEAD
        if self._size > MAX_SIZE:
            self._forget()

    def _forget(self) -> None:
        """The older half goes: not a line at a time, which would move all the others each time."""
        while self._size > MAX_SIZE // 2:
            del self._lines[: max(1, len(self._lines) // 2)]
            self._size = sum(map(len, self._lines)) + OVERHEAD * len(self._lines)
        self._lines.insert(0, b"[what was said before is left out]")

    def text(self) -> str:
        """`C: ` and `S: ` before each line; LF line ends."""
        return "".join(f"{shown}\n" for line in self._lines for shown in _shown(line))


def harmless(line: bytes, verb: bytes, *, known: bool) -> bytes:
    """What may be kept of a command: a client out of step may have sent a password in place of one.

    *verb*: its first word in capitals; *known*: it is one of the protocol's.
    """
    if not known:
        return b"[a command that is not known, %d octets]" % len(line)
    if verb == b"AUTH":
        return b" ".join([*line.split(b" ", 2)[:2], STRUCK_OUT])
    return b"PASS " + STRUCK_OUT if verb == b"PASS" else line


def _shown(octets: bytes) -> list[str]:
    *replies, last = octets.decode(errors="replace").split("\r\n")
    shown = [f"S: {line}" for line in replies]
    if last:
        shown.append(last if last.startswith("[") else f"C: {last}")
    return shown
