"""A message on its way to the client: text as on disk in, its announcement and dot-terminated octets out.

RETR takes it whole, TOP the header, its blank line and the first lines of the body (RFC 1939 §7).  For a client that
has not asked for UTF8, an internationalised header is rewritten on the way (RFC 6856 §2).
"""

from __future__ import annotations

from typing import Protocol

from twisted_mail.framing import DotEncoder, dot_stuffed
from twisted_mail.message.downgrade import MAX_HEADER, header_in_ascii
from twisted_mail.message.header import header_size
from twisted_mail.pop3.reply import END, Replies
from twisted_mail.pop3.texts import Text

_BLANK_LINE = b"\r\n\r\n"


class Transfer:
    """The messages that one session sends, one at a time."""

    __slots__ = ("_encoder", "_replies")

    def __init__(self, replies: Replies) -> None:
        """*replies* takes what is to be sent."""
        self._replies = replies
        self._encoder: Encoder | None = None

    @property
    def under_way(self) -> bool:
        """A message has been announced and not ended."""
        return self._encoder is not None

    def send(self, text: bytes, size: int, lines: int | None, downgrade: bool) -> None:
        """A message of *size* octets whose *text* is there: whole, or *lines* of its body."""
        if lines is None and not downgrade:
            self._replies.send_message(size, dot_stuffed(text, size))
        else:
            self.start(size, lines, downgrade)
            self.piece(text)
            self.end()

    def start(self, size: int, lines: int | None, downgrade: bool) -> None:
        """The same for one that comes in pieces."""
        if lines is None:
            self._replies.announce(size)
        else:
            self._replies.accept(Text.TOP_FOLLOWS)
        self._encoder = encoder_for(lines, size, downgrade)

    def piece(self, piece: bytes) -> bool:
        """The next octets of the text.  False: the client wants no more of it."""
        assert self._encoder is not None
        self._replies.send(self._encoder.feed(piece))
        return not self._encoder.finished

    def end(self) -> None:
        """All pieces were given."""
        assert self._encoder is not None
        self._replies.end_message(self._encoder.finish())
        self._encoder = None

    def abandon(self) -> None:
        """The connection ends within the message, if there is one."""
        self._encoder = None


class Encoder(Protocol):
    """What all of them have."""

    @property
    def finished(self) -> bool:
        """Nothing more is wanted."""

    def feed(self, piece: bytes) -> bytes:
        """The octets on the wire for the next *piece* of text, as far as they are wanted."""

    def finish(self) -> bytes:
        """What is still to be said, and the terminator."""


def encoder_for(lines: int | None, size: int, downgrade: bool) -> Encoder:
    """The encoder for a message of *size* octets: whole, or *lines* of its body."""
    # it has fewer lines than octets: TOP 1 99999999, which fetchmail sends for RETR 1, costs no more than that
    encoder = WholeEncoder() if lines is None or lines >= size else TopEncoder(lines)
    return DowngradingEncoder(encoder) if downgrade else encoder


class WholeEncoder(DotEncoder):
    """All of it."""

    __slots__ = ()
    finished = False


class TopEncoder:
    """A DotEncoder that stops after some lines of the body.  A text without blank line is all header."""

    __slots__ = ("_encoder", "_in_header", "_lines", "_tail", "finished")

    def __init__(self, lines: int) -> None:
        self._encoder = DotEncoder()
        self._lines = lines
        self._in_header = True
        self._tail = b"\r\n"  # the text begins as if after a line end: a first line that is blank ends the header
        self.finished = False

    def feed(self, piece: bytes) -> bytes:
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
        return END if self.finished else self._encoder.finish()

    def _body(self, wire: bytes) -> bytes:
        lines = wire.count(b"\n")
        if lines < self._lines:
            self._lines -= lines
            return wire
        self.finished = True
        rest = wire.split(b"\n", self._lines)[-1]
        return wire[: len(wire) - len(rest)]


class DowngradingEncoder:
    """Another encoder that first gets the header in ASCII.  Holds the text back until the header is complete."""

    __slots__ = ("_encoder", "_held")

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._held: bytes | None = b""

    @property
    def finished(self) -> bool:
        return self._encoder.finished

    def feed(self, piece: bytes) -> bytes:
        if self._held is None:
            return self._encoder.feed(piece)
        self._held += piece
        is_complete = self._held.startswith(b"\n") or b"\n\n" in self._held or len(self._held) > 2 * MAX_HEADER
        return self._release() if is_complete else b""

    def finish(self) -> bytes:
        return self._release() + self._encoder.finish()

    def _release(self) -> bytes:
        text, self._held = self._held or b"", None
        size = header_size(text)
        return self._encoder.feed(header_in_ascii(text[:size]) + text[size:])
