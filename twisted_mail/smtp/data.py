"""A message while DATA or BDAT brings it (RFC 5321 §4.1.1.4, RFC 3030): decoded, measured, refused where it must be.

A text that is refused is read to its real end all the same: what followed it would be taken for commands.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_mail.framing import DotDecoder, LineEndDecoder
from twisted_mail.smtp.command import ChunkSize, State
from twisted_mail.smtp.reply import Reply

NEEDS_BDAT = Reply(503, "5.1", "A BINARYMIME message comes with BDAT")
GO_AHEAD = Reply(354, "", "Send the message, then a line that holds only a dot")
# RFC 5321 §2.3.8; passed on, such a text could end early at the next server and smuggle a second one
BARE_LINE_END = Reply(554, "6.0", "The message has a bare CR or LF: every line must end in CR LF")


def too_large(max_size: int) -> Reply:
    """For MAIL with SIZE= and for the end of data (RFC 1870 §6)."""
    return Reply(552, "3.4", f"The message is larger than {max_size} octets, the limit here")


class Untouched:
    """Takes the place of a decoder where octets are no lines (BINARYMIME, RFC 3030 §3): they stay as they are."""

    __slots__ = ("bare_line_end", "wire_size")

    def __init__(self) -> None:
        self.bare_line_end = False
        self.wire_size = 0

    def feed(self, chunk: bytes) -> bytes:
        self.wire_size += len(chunk)
        return chunk

    def finish(self) -> bytes:
        return b""


def _verdict(decoder: DotDecoder | LineEndDecoder | Untouched, max_size: int) -> Reply | None:
    """Why the message cannot be taken, as far as is known by now."""
    if decoder.bare_line_end:
        return BARE_LINE_END
    return too_large(max_size) if decoder.wire_size > max_size else None


class IncomingText:
    """One message that comes with DATA."""

    __slots__ = ("_decoder", "_max_size")

    def __init__(self, max_size: int) -> None:
        self._decoder = DotDecoder()
        self._max_size = max_size

    @property
    def finished(self) -> bool:
        """The end of the text was seen."""
        return self._decoder.finished

    @property
    def refusal(self) -> Reply | None:
        return _verdict(self._decoder, self._max_size)

    def feed(self, octets: bytes) -> tuple[bytes, bytes]:
        """The text in *octets* (empty once it is refused), and what follows its end."""
        text, rest = self._decoder.feed(octets)
        return b"" if self.refusal else text, rest


class IncomingChunks:
    """One message that comes with BDAT; *binary*: its octets are passed on as they are, CRLF and all."""

    __slots__ = ("_decoder", "_max_size")

    def __init__(self, max_size: int, *, binary: bool = False) -> None:
        self._decoder = Untouched() if binary else LineEndDecoder()
        self._max_size = max_size

    @property
    def refusal(self) -> Reply | None:
        return _verdict(self._decoder, self._max_size)

    def feed(self, octets: bytes) -> bytes:
        """The text in *octets*; empty once it is refused."""
        text = self._decoder.feed(octets)
        return b"" if self.refusal else text

    def finish(self) -> bytes:
        """What the text lacks at its end; `refusal` is final afterwards."""
        text = self._decoder.finish()
        return b"" if self.refusal else text


@dataclass(slots=True)
class Chunk:
    """The octets behind one BDAT while they come in."""

    size: ChunkSize
    left: int
    refusal: Reply | None
    """Why they are discarded, or None: they belong to the message."""
    state: State
    """Where the session stood before a BDAT that is refused, and stands after it."""
