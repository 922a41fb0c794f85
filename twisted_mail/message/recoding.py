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
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.message import Message as Header
from email.parser import BytesHeaderParser

from twisted_mail.message.header import FIELD, has_field, without_field

MAX_DEPTH = 50
"""Parts within parts."""
MAX_LINE = 998
"""Octets without the line end (RFC 5322 §2.1.1)."""

_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")
_WHOLE_MESSAGES = ("message/rfc822", "message/global")
_LONG_LINE = re.compile(rb"[^\n]{%d}" % (MAX_LINE + 1))


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
    return _entity(text, _Place(_Way(b"\n", bytes.isascii)))


def textual(octets: bytes) -> bytes:
    """*octets* as they came by BINARYMIME, as text with LF line ends.  Raises CannotRecode."""
    text = _entity(octets, _Place(_Way(b"\r\n", _is_text)))
    return text if text.endswith(b"\n") or not text else text + b"\n"


def _is_text(octets: bytes) -> bool:
    """Lines that end in CRLF, none of them too long, without NUL."""
    text = octets.replace(b"\r\n", b"\n")
    if b"\r" in text or b"\0" in text or octets.count(b"\n") != octets.count(b"\r\n"):
        return False
    return _LONG_LINE.search(text) is None


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
    if place.way.fits(octets) and not _says_binary(octets):
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


def _says_binary(octets: bytes) -> bool:
    """A label may say so of what is text: it must go, other servers would believe it."""
    return re.search(rb"(?im)^content-transfer-encoding[ \t]*:[ \t]*binary", octets) is not None


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
    delimiter = re.compile(rb"%s--%s(?:--)?[ \t]*(?=%s|\Z)" % (end, re.escape(boundary.encode()), end))
    default = "message/rfc822" if fields.get_content_subtype() == "digest" else "text/plain"
    text = end + body
    pieces: list[bytes] = []
    start, inside = 0, False
    for match in delimiter.finditer(text):
        pieces.append(_piece(text[start : match.start()], inside, place, default))
        pieces.append(match.group().replace(end, b"\n"))
        start, inside = match.end(), not match.group().rstrip(b" \t").endswith(b"--" + boundary.encode() + b"--")
        if not inside:
            break
    if not pieces:
        raise CannotRecode("a multipart has no parts")
    pieces.append(_piece(text[start:], inside, place, default))
    return b"".join(pieces)[1:]


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
    if kind.startswith("text/") and (end == b"\n" or _has_lines_only(body)):
        encoding, text = "quoted-printable", b2a_qp(body.replace(end, b"\n"), istext=True)
    else:
        octets = body if end == b"\r\n" else body.replace(b"\n", b"\r\n")  # as it is on the wire (RFC 2045 §6.8)
        encoding, text = "base64", encodebytes(octets)
        text = text.removesuffix(b"\n") if place.is_part else text
    if not has_field(header, "content-type"):
        header += b"Content-Type: text/plain; charset=unknown-8bit\n"  # RFC 1428 §3
    if not place.is_part and not has_field(header, "mime-version"):
        header += b"MIME-Version: 1.0\n"
    header = without_field(header, "content-transfer-encoding")
    return header + f"Content-Transfer-Encoding: {encoding}\n\n".encode() + text


def _has_lines_only(body: bytes) -> bool:
    text = body.replace(b"\r\n", b"")
    return not (b"\r" in text or b"\n" in text or b"\0" in text)


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
