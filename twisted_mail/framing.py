"""Lines and dot-terminated text, the framing that SMTP and POP3 share.

Inside the server a line ends in LF, as in a Maildir; on the wire it ends in CRLF.  This module is the only place where
the two meet (docs/decisions/0001).  Everything works on whole chunks with `bytes` methods, never line by line.
"""

from __future__ import annotations

_END = b"\r\n.\r\n"
_DOT = b"\r\n."


class LineError(Exception):
    """A line that cannot be a command; the line is consumed.  The text says what is wrong with it."""


class LineTooLong(LineError):
    """More octets than the limit without a line end; they are discarded up to the next one."""


class LineBuffer:
    """Cuts octets into command lines that end in CRLF (RFC 5321 §2.3.8), at most *limit* octets each with the line end.

    Holds at most *limit* octets beyond what `receive_data` was last given.  `limit` may be changed between lines.
    """

    __slots__ = ("_buffer", "_discarding", "_position", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = b""
        self._position = 0
        self._discarding = False

    def receive_data(self, data: bytes) -> None:
        """Keep *data*; nothing is looked at yet."""
        rest = self._buffer[self._position :] if self._position < len(self._buffer) else b""
        self._buffer = rest + data if rest else data
        self._position = 0

    def next_line(self) -> bytes | None:
        """The next line without its CRLF, or None: more octets are needed.

        Raises LineTooLong, or LineError for a bare LF or CR or a NUL; either consumes the line.
        """
        buffer, start = self._buffer, self._position
        end = buffer.find(b"\n", start)
        if end < 0:
            if len(buffer) - start >= self.limit or self._discarding:
                self._discarding = True
                self._buffer, self._position = b"", 0
            return None
        self._position = end + 1
        if self._discarding or end - start >= self.limit:
            self._discarding = False
            raise LineTooLong(f"Line longer than {self.limit} octets")
        line = buffer[start:end]
        if line.find(b"\r") != end - start - 1 or not line or b"\0" in line:
            if line.endswith(b"\r"):
                raise LineError("A line must not contain CR or NUL")
            raise LineError("A line must end in CR LF, this one ended in LF alone")
        return line[:-1]

    def take(self, size: int) -> bytes:
        """Up to *size* octets as they are: data that follows a command without lines of its own (BDAT)."""
        start = self._position
        self._position = min(start + size, len(self._buffer))
        return self._buffer[start : self._position]

    def take_all(self) -> bytes:
        """All that is buffered, for another reader; the buffer is empty afterwards."""
        rest = self._buffer[self._position :]
        self._buffer, self._position, self._discarding = b"", 0, False
        return rest

    def clear(self) -> int:
        """Forget what is buffered (RFC 3207 §4.2) and say how many octets that was."""
        return len(self.take_all())

    def __len__(self) -> int:
        return len(self._buffer) - self._position


class DotDecoder:
    """Dot-terminated text on the wire -> text with LF line ends (RFC 5321 §4.5.2, RFC 1939 §3).

    Only CRLF . CRLF ends the text.  A bare CR or LF is remembered (`bare_line_end`) and the text is read to its end,
    so that it can be refused: passed on, it could end the text early for the next server.
    Holds back at most 4 octets between two chunks.
    """

    __slots__ = ("_held", "_virtual", "bare_line_end", "finished", "wire_size")

    def __init__(self) -> None:
        self._held = b"\r\n"  # the text begins as if after a line end: a first line of "." ends it
        self._virtual = 2  # octets of _held that never were on the wire
        self.finished = False
        self.bare_line_end = False
        self.wire_size = 0
        """Octets of the text so far in CRLF form, without stuffed dots and terminator, as SIZE counts (RFC 1870 §5)."""

    def feed(self, chunk: bytes) -> tuple[bytes, bytes]:
        """Decode *chunk*: the text in it, and what follows the terminator (empty until `finished`)."""
        data = self._held + chunk
        self._held = b""
        lines = data.split(_DOT)  # split and join take a third of the time of replace
        for index in range(1, len(lines)):
            # a line of one dot: its CRLF follows, or was taken for that of the next dot
            if lines[index].startswith(b"\r\n") or (not lines[index] and index + 1 < len(lines)):
                self.finished = True
                return self._text(b"\r\n".join([*lines[:index], b""])), _DOT.join(lines[index:])[2:]
        if held := _held_back(data):
            self._held = data[-held:]
            lines[-1] = lines[-1][:-held]
            if held > 2:  # a dot is among what is held: the last line is empty, and was cut off before it
                lines.pop()
        return self._text(b"\r\n".join(lines)), b""

    def _text(self, unstuffed: bytes) -> bytes:
        if len(unstuffed) < self._virtual:  # nothing but the imagined line end, which is held again
            return b""
        text, bare = _from_crlf(unstuffed)
        self.bare_line_end |= bare
        self.wire_size += len(unstuffed) - self._virtual
        if self._virtual:
            text = text[1:]
            self._virtual = 0
        return text


class LineEndDecoder:
    """Text whose length is known on the wire (BDAT, RFC 3030) -> text with LF line ends.

    A bare CR or LF is remembered, as in DotDecoder.  Holds back at most one octet between two chunks.
    """

    __slots__ = ("_after_cr", "_inside_line", "bare_line_end", "wire_size")

    def __init__(self) -> None:
        self._after_cr = False
        self._inside_line = False
        self.bare_line_end = False
        self.wire_size = 0
        """Octets of the text so far, as they were on the wire."""

    def feed(self, chunk: bytes) -> bytes:
        """Decode *chunk*, which may end anywhere, also between CR and LF."""
        self.wire_size += len(chunk)
        data = b"\r" + chunk if self._after_cr else chunk
        self._after_cr = data.endswith(b"\r")
        if self._after_cr:
            data = data[:-1]
        text, bare = _from_crlf(data)
        self.bare_line_end |= bare
        if text:
            self._inside_line = not text.endswith(b"\n")
        return text

    def finish(self) -> bytes:
        """The line end that a last line without one lacks."""
        self.bare_line_end |= self._after_cr
        return b"\n" if self._inside_line else b""


def _from_crlf(data: bytes) -> tuple[bytes, bool]:
    """*data* with LF line ends, and whether it has a CR or LF that is not in a CRLF."""
    text = data.translate(None, b"\r")
    if text.replace(b"\n", b"\r\n") != data:  # cheaper than counting CR, LF and CRLF: 790 against 430 MB/s
        return data.replace(b"\r\n", b"\n"), True
    return text, False


def _held_back(data: bytes) -> int:
    """How many octets at the end of *data* may be the beginning of the terminator (0 to 4)."""
    for size in (4, 3, 2, 1):
        if data.endswith(_END[:size]):
            return size
    return 0


def dot_stuffed(text: bytes, size: int) -> bytes:
    """A whole text as it is on the wire, before its terminator: what DotEncoder makes of it, in half the time.

    *size*: its `wire_size`, as far as is known; where that is wrong it takes a little longer.
    """
    wire = text.replace(b"\n", b"\r\n")
    if len(wire) != size or not text.endswith(b"\n"):  # then it may have CRLFs already
        wire = _to_crlf(text)
    lines = wire.split(_DOT)  # as in DotDecoder
    if text.startswith(b"."):
        lines[0] = b"." + lines[0]
    return b"\r\n..".join(lines)


def _to_crlf(text: bytes) -> bytes:
    """*text* with CRLF line ends, also at its end."""
    wire = text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return wire if not text or text.endswith(b"\n") else wire + b"\r\n"


class DotEncoder:
    """Text with LF line ends -> dot-terminated text on the wire, the inverse of DotDecoder.

    A CRLF in the text (files of other programs) counts as one line end, also when it falls on two pieces.
    """

    __slots__ = ("_after_cr", "_at_line_start")

    def __init__(self) -> None:
        self._at_line_start = True
        self._after_cr = False

    def feed(self, piece: bytes) -> bytes:
        """The octets on the wire for the next *piece* of text."""
        if not piece:
            return b""
        if self._after_cr or b"\r" in piece:
            piece = self._without_cr_before_lf(piece)
            if not piece:
                return b""
        lines = piece.replace(b"\n", b"\r\n").split(_DOT)  # as in DotDecoder
        if self._at_line_start and piece.startswith(b"."):
            lines[0] = b"." + lines[0]
        self._at_line_start = piece.endswith(b"\n")
        return b"\r\n..".join(lines)

    def finish(self) -> bytes:
        """The terminator, after a line end where the text had none."""
        if self._after_cr:
            return b"\r\r\n.\r\n"
        return b".\r\n" if self._at_line_start else b"\r\n.\r\n"

    def _without_cr_before_lf(self, piece: bytes) -> bytes:
        if self._after_cr:
            piece = b"\r" + piece
        self._after_cr = piece.endswith(b"\r")
        if self._after_cr:
            piece = piece[:-1]
        return piece.replace(b"\r\n", b"\n")


def line_ends(text: bytes) -> int:
    """How many LF there are: a CR in front of each takes a fifth of the time of `count`."""
    return len(text.replace(b"\n", b"\r\n")) - len(text)


def wire_size(text: bytes) -> int:
    """Octets of *text* on the wire, before dots are stuffed and with the last line ended: what LIST announces."""
    return len(_to_crlf(text))
