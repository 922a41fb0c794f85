"""A message while DATA or BDAT brings it (RFC 5321 §4.1.1.4, RFC 3030): decoded, measured, refused where it must be.

A text that is refused is read to its real end all the same: what followed it would be taken for commands.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_mail.framing import DotDecoder, LineEndDecoder
from twisted_mail.smtp.command import ChunkSize, State
from twisted_mail.smtp.options import SessionOptions
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


def _verdict(decoder: DotDecoder | LineEndDecoder | Untouched, options: SessionOptions) -> Reply | None:
    """Why the message cannot be taken, as far as is known by now."""
    if decoder.bare_line_end and not options.normalise:
        return BARE_LINE_END
    return too_large(options.max_size) if decoder.wire_size > options.max_size else None


def _passed_on(text: bytes, decoder: DotDecoder | LineEndDecoder | Untouched, options: SessionOptions) -> bytes:
    """What of *text* goes on to the server: nothing that is refused, and no CR."""
    if _verdict(decoder, options) is not None:
        return b""
    return text.replace(b"\r", b"\n") if decoder.bare_line_end else text


class IncomingText:
    """One message that comes with DATA."""

    __slots__ = ("_decoder", "_options")

    def __init__(self, options: SessionOptions) -> None:
        self._decoder = DotDecoder()
        self._options = options

    @property
    def finished(self) -> bool:
        """The end of the text was seen."""
        return self._decoder.finished

    @property
    def refusal(self) -> Reply | None:
        return _verdict(self._decoder, self._options)

    def feed(self, octets: bytes) -> tuple[bytes, bytes]:
        """The text in *octets* (empty once it is refused), and what follows its end."""
        text, rest = self._decoder.feed(octets)
        return _passed_on(text, self._decoder, self._options), rest


class IncomingChunks:
    """One message that comes with BDAT; *binary*: its octets are passed on as they are, CRLF and all."""

    __slots__ = ("_decoder", "_options")

    def __init__(self, options: SessionOptions, *, binary: bool = False) -> None:
        self._decoder = Untouched() if binary else LineEndDecoder()
        self._options = options

    @property
    def refusal(self) -> Reply | None:
        return _verdict(self._decoder, self._options)

    def feed(self, octets: bytes) -> bytes:
        """The text in *octets*; empty once it is refused."""
        return _passed_on(self._decoder.feed(octets), self._decoder, self._options)

    def finish(self) -> bytes:
        """What the text lacks at its end; `refusal` is final afterwards."""
        return _passed_on(self._decoder.finish(), self._decoder, self._options)


@dataclass(slots=True)
class Chunk:
    """The octets behind one BDAT while they come in."""

    size: ChunkSize
    left: int
    refusal: Reply | None
    """Why they are discarded, or None: they belong to the message."""
    state: State
    """Where the session stood before a BDAT that is refused, and stands after it."""
