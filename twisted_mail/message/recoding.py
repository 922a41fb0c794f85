"""A message whose parts are encoded anew (RFC 2045 §6), for a way that does not take its octets as they are.

`seven_bit` for servers without 8BITMIME (RFC 6152 §3), `textual` for a message that came as BINARYMIME (RFC 3030 §3)
and must become lines.  Only parts that do not fit are changed: text to quoted-printable, everything else to base64;
what they mean stays the same, a signature over the whole message (DKIM) is lost.  Signed parts must not be changed
(RFC 1847 §2.1), and there are messages for which no encoding is allowed: CannotRecode.  Works on a whole message.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.message import Message as Header
from email.parser import BytesHeaderParser

from twisted_mail.message.header import FIELD, has_field, without_field

MAX_DEPTH = 50
"""Parts within parts."""
MAX_PARTS = 10_000
"""Lines that begin with --, in all: each may be a part to be looked into."""
MAX_LINE = 998
"""Octets without the line end (RFC 5322 §2.1.1)."""
AT_ONCE = 57 * 1000
"""Octets that are encoded in one go: whole lines of base64 (RFC 2045 §6.8)."""

_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")
_WHOLE_MESSAGES = ("message/rfc822", "message/global")


class CannotRecode(ValueError):
    """The message must stay as it is; the text says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class _Way:
    """What a message must fit through."""

    line_end: bytes
    """Of the message as it is; the result has LF."""
    fits: Callable[[bytes], bool]


def seven_bit(text: bytes) -> bytes:
    """*text*, LF line ends, in ASCII.  Raises CannotRecode."""
    return _whole(text, _Way(b"\n", bytes.isascii))


def textual(octets: bytes) -> bytes:
    """*octets* as they came by BINARYMIME, as text with LF line ends.  Raises CannotRecode."""
    text = _whole(octets, _Way(b"\r\n", _is_text))
    return text if text.endswith(b"\n") or not text else text + b"\n"


def _whole(octets: bytes, way: _Way) -> bytes:
    if octets.count(b"\n--") > MAX_PARTS:
        raise CannotRecode("it has too many parts")
    return _entity(octets, _Place(way))


def _is_text(octets: bytes) -> bool:
    """Lines that end in CRLF, none of them too long, without NUL.  What is no text mostly shows so at once."""
    return not (b"\0" in octets or _has_bare_line_end(octets) or _has_long_line(octets))


def _has_bare_line_end(octets: bytes) -> bool:
    pairs = octets.count(b"\r\n")
    return octets.count(b"\r") != pairs or octets.count(b"\n") != pairs


def _has_long_line(octets: bytes) -> bool:
    start = 0
    while len(octets) - start > MAX_LINE:
        end = octets.rfind(b"\r\n", start, start + MAX_LINE + 2)
        if end < 0:
            return True
        start = end + 2
    return False


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the message a part stands."""

    way: _Way
    depth: int = 0
    is_part: bool = False
    """Of a multipart: it needs no MIME-Version."""
    default_type: str = "text/plain"

    def inside(self, *, is_part: bool, default_type: str = "text/plain") -> _Place:
        if self.depth >= MAX_DEPTH:
            raise CannotRecode(f"it has over {MAX_DEPTH} parts within parts")
        return replace(self, depth=self.depth + 1, is_part=is_part, default_type=default_type)


def _entity(octets: bytes, place: _Place) -> bytes:
    """A message or a part, LF line ends."""
    if place.way.fits(octets) and not _may_say_binary(octets):
        return octets.replace(b"\r\n", b"\n") if place.way.line_end != b"\n" else octets
    header, body = _split(octets, place.way)
    fields = BytesHeaderParser().parsebytes(header)
    fields.set_default_type(place.default_type)
    kind = fields.get_content_type()
    encoding = str(fields.get("content-transfer-encoding", "")).partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        return _labelled(header, _multipart(body, fields, place), encoding)
    if kind in _WHOLE_MESSAGES and encoding in _PLAIN_ENCODINGS:
        return _labelled(header, _entity(body, place.inside(is_part=False)), encoding)
    if place.way.fits(body):
        return _labelled(header, body.replace(place.way.line_end, b"\n"), encoding)
    if encoding not in _PLAIN_ENCODINGS:
        raise CannotRecode(f"a part says that it is {encoding}, and is not")
    if kind.startswith("message/") and not kind.startswith("message/global-"):
        raise CannotRecode(f"{kind} must not be encoded")
    return _encoded(header, body, kind, place)


def _split(octets: bytes, way: _Way) -> tuple[bytes, bytes]:
    """Header, LF line ends and without its blank line, and body."""
    end = way.line_end
    if octets.startswith(end):
        return b"", octets.removeprefix(end)
    if FIELD.match(octets) is None:
        return b"", octets
    header, blank, body = octets.partition(end + end)
    if not way.fits(header):
        raise CannotRecode("a header holds what it should not")
    return header.replace(end, b"\n") + b"\n" * bool(blank), body


def _may_say_binary(octets: bytes) -> bool:
    """A label may say so of what is text: it must go, other servers would believe it."""
    return b"inary" in octets or b"INARY" in octets


# ---- what is made of many


def _multipart(body: bytes, fields: Header, place: _Place) -> bytes:
    end = place.way.line_end
    if fields.get_content_subtype() == "signed":
        if not place.way.fits(body):
            raise CannotRecode("it is signed")
        return body.replace(end, b"\n")
    boundary = fields.get_boundary()
    if not boundary or not boundary.isascii():
        raise CannotRecode("a multipart has no boundary")
    default = "message/rfc822" if fields.get_content_subtype() == "digest" else "text/plain"
    pieces: list[bytes] = []
    start, is_part = 0, False
    for first, last, closes in _delimiters(body, boundary.encode(), end):
        pieces += (_piece(body[start:first], is_part, place, default), body[first:last].replace(end, b"\n"))
        start, is_part = last, not closes
    if not pieces:
        raise CannotRecode("a multipart has no parts")
    pieces.append(_piece(body[start:], is_part, place, default))
    return b"".join(pieces)


def _delimiters(body: bytes, boundary: bytes, end: bytes) -> Iterator[tuple[int, int, bool]]:
    """Where each delimiter begins, with the line end before it, and ends; whether it is the last (RFC 2046 §5.1.1)."""
    line = b"--" + boundary
    position = 0 if body.startswith(line) else body.find(end + line)
    while position >= 0:
        name_end = body.index(line, position) + len(line)
        line_end = body.find(end, name_end)
        line_end = len(body) if line_end < 0 else line_end
        rest = body[name_end : min(line_end, name_end + MAX_LINE)].rstrip(b" \t")
        if rest in (b"", b"--"):
            yield position, line_end, rest == b"--"
            if rest:
                return
        position = body.find(end + line, name_end)


def _piece(octets: bytes, is_part: bool, place: _Place, default_type: str) -> bytes:
    """What stands between two delimiters, with the line end of the first; before and after all of them, nothing that
    is read."""
    end = place.way.line_end
    if is_part and octets.startswith(end):
        return b"\n" + _entity(octets.removeprefix(end), place.inside(is_part=True, default_type=default_type))
    if not place.way.fits(octets):
        raise CannotRecode("there is something between its parts")
    return octets.replace(end, b"\n")


# ---- what is one


def _encoded(header: bytes, body: bytes, kind: str, place: _Place) -> bytes:
    end = place.way.line_end
    if kind.startswith("text/") and (end == b"\n" or not (b"\0" in body or _has_bare_line_end(body))):
        encoding, text = "quoted-printable", _quoted_printable(body.replace(end, b"\n"))
    else:
        octets = body if end == b"\r\n" else body.replace(b"\n", b"\r\n")  # as it is on the wire (RFC 2045 §6.8)
        encoding, text = "base64", _base64(octets)
        text = text.removesuffix(b"\n") if place.is_part else text
    if not has_field(header, "content-type"):
        header += b"Content-Type: text/plain; charset=unknown-8bit\n"  # RFC 1428 §3
    if not place.is_part and not has_field(header, "mime-version"):
        header += b"MIME-Version: 1.0\n"
    header = without_field(header, "content-transfer-encoding")
    return header + f"Content-Transfer-Encoding: {encoding}\n\n".encode() + text


def _quoted_printable(text: bytes) -> bytes:
    """Many lines at a time, so that other threads have their turn."""
    encoded, start = [], 0
    while start < len(text):
        end = text.find(b"\n", start + AT_ONCE) + 1 or len(text)
        encoded.append(b2a_qp(text[start:end], istext=True))
        start = end
    return b"".join(encoded)


def _base64(octets: bytes) -> bytes:
    """In lines; many at a time, which takes less memory."""
    return b"".join(encodebytes(octets[start : start + AT_ONCE]) for start in range(0, len(octets), AT_ONCE))


def _labelled(header: bytes, text: bytes, encoding: str) -> bytes:
    """With a label that is true of *text*, where there is one that no longer is."""
    if encoding in ("8bit", "binary"):
        label = b"7bit" if text.isascii() else b"8bit"
        header = FIELD.sub(lambda match: _relabelled(match, label), header)
    return header + b"\n" + text


def _relabelled(field: re.Match[bytes], label: bytes) -> bytes:
    if field.group(1).lower() != b"content-transfer-encoding":
        return field.group()
    return b"Content-Transfer-Encoding: %s\n" % label
