"""TOP: the header, its blank line and the first lines of the body, dot-stuffed (RFC 1939 §7)."""

from __future__ import annotations

from twisted_mail.framing import DotEncoder

_BLANK_LINE = b"\r\n\r\n"


class TopEncoder:
    """A DotEncoder that stops after some lines of the body.  A text without blank line is all header."""

    __slots__ = ("_encoder", "_in_header", "_lines", "_tail", "finished")

    def __init__(self, lines: int) -> None:
        self._encoder = DotEncoder()
        self._lines = lines
        self._in_header = True
        self._tail = b"\r\n"  # the text begins as if after a line end: a first line that is blank ends the header
        self.finished = False
        """Nothing more is wanted."""

    def feed(self, piece: bytes) -> bytes:
        """The octets on the wire for the next *piece* of text, as far as they are wanted."""
        wire = self._encoder.feed(piece)
        if self.finished:
            return b""
        if not self._in_header:
            return self._body(wire)
        joined = self._tail + wire
        blank = joined.find(_BLANK_LINE)
        if blank < 0:
            self._tail = joined[-3:]
            return wire
        self._in_header = False
        body = blank + len(_BLANK_LINE) - len(self._tail)
        return wire[:body] + self._body(wire[body:])

    def finish(self) -> bytes:
        """The terminator."""
        return b".\r\n" if self.finished else self._encoder.finish()

    def _body(self, wire: bytes) -> bytes:
        lines = wire.count(b"\n")
        if lines < self._lines:
            self._lines -= lines
            return wire
        self.finished = True
        rest = wire.split(b"\n", self._lines)[-1]
        return wire[: len(wire) - len(rest)]
