"""The texts of a message, decoded, for counting words.  Pure; takes anything and raises nothing.

It reads what people would see: text parts in their charset, HTML without its tags.  What it looks at is bounded, and
its time grows with that in a straight line: what is beyond the bounds, or broken, is left out.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Iterator
from contextlib import suppress
from html import unescape

from twisted_mail.message.header import fields, header_size

MAX_OCTETS = 256 * 1024
"""Of a message that are looked at, from its beginning."""
MAX_TEXT = 64 * 1024
"""Octets of each of its texts."""
MAX_TEXTS = 8
MAX_FIELD = 4000
"""Octets of a header field that are looked at."""
MAX_PARTS = 64
MAX_DEPTH = 8

# other names that Python knows may mean a codec that is slow, or no charset at all
_CHARSETS = re.compile(
    "us-ascii|utf-8|utf-16|iso-8859-[0-9]{1,2}|windows-125[0-8]|koi8-[ru]|gb2312|gbk|gb18030|big5|euc-jp|euc-kr|shift_jis"
    "|iso-2022-jp|ks_c_5601-1987"
)
_BOUNDARY = re.compile(rb'\bboundary\s{0,9}=\s{0,9}(?:"([^"\n]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_CHARSET = re.compile(rb'\bcharset\s{0,9}=\s{0,9}"?([\w-]{1,40})', re.IGNORECASE)
_ENCODED_WORD = re.compile(r"=\?([\w-]{1,40})(?:\*[\w-]{1,20})?\?([BbQq])\?([^?\s]{0,600})\?=(?:\s+(?==\?))?")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
# longer numbers cost more than they are worth
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}(?![0-9])|#[xX][0-9a-fA-F]{1,6}(?![0-9a-fA-F])|[A-Za-z0-9]{2,31});?")
_SILENT = ("style", "script", "title")
"""Elements whose text nobody sees."""


def texts_of(octets: bytes) -> Iterator[tuple[str, str]]:
    """Type and text of each part that is text, LF line ends: `text/plain` or `text/html`, with its tags."""
    return _Walk().entity(octets[:MAX_OCTETS], 0)


def unfolded(field: bytes) -> str:
    """The value of a header field with its encoded words decoded (RFC 2047)."""
    value = field[:MAX_FIELD].partition(b":")[2].decode("utf-8", "replace")
    return " ".join(_ENCODED_WORD.sub(_word, value).split())


def without_tags(html: str) -> str:
    """What of it is seen, roughly."""
    first, *pieces = html.split("<")
    seen, silence = [first], ""
    for piece in pieces:
        if not silence and piece.startswith("!--"):
            silence = "-->"
        if silence == "-->":
            _, end, text = piece.partition("-->")
            silence = "" if end else silence
        else:
            tag, end, text = piece.partition(">")
            name = next(iter(tag.lstrip("/").split(None, 1)), "").rstrip("/").lower()
            if tag.startswith("/") and name == silence:
                silence = ""
            elif not silence and name in _SILENT:
                silence = name
        if not silence:
            seen.append(text)
    return _ENTITY.sub(lambda match: unescape(match[0]), " ".join(seen))


class _Walk:
    """Through one message."""

    def __init__(self) -> None:
        self._texts = 0
        self._parts = 0

    def entity(self, octets: bytes, depth: int) -> Iterator[tuple[str, str]]:
        if depth > MAX_DEPTH or self._parts >= MAX_PARTS or self._texts >= MAX_TEXTS:
            return
        self._parts += 1
        size = header_size(octets)
        found = {name: field.partition(b":")[2] for name, field in fields(octets[:size])}
        kind = found.get("content-type", b"text/plain")
        media = kind.partition(b";")[0].strip().lower()
        body = octets[size:]
        if media.startswith(b"multipart/") and (boundary := _BOUNDARY.search(kind)):
            for part in _split(body, boundary[1] or boundary[2]):
                yield from self.entity(part, depth + 1)
        elif media == b"message/rfc822":
            yield from self.entity(body, depth + 1)
        elif media in (b"text/plain", b"text/html", b""):
            self._texts += 1
            charset = _CHARSET.search(kind)
            encoding = found.get("content-transfer-encoding", b"").strip().lower()
            text = _decoded(body, encoding)[:MAX_TEXT]
            yield "text/html" if media == b"text/html" else "text/plain", _in_charset(text, charset and charset[1])


def _split(body: bytes, boundary: bytes) -> Iterator[bytes]:
    pieces = (b"\n" + body).split(b"\n--" + boundary, MAX_PARTS + 1)
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return
        yield piece.partition(b"\n")[2]


def _decoded(body: bytes, encoding: bytes) -> bytes:
    if encoding == b"quoted-printable":
        return a2b_qp(body)
    if encoding == b"base64":
        return _from_base64(body[: MAX_TEXT * 2])
    return body


def _from_base64(text: bytes) -> bytes:
    clean = _NOT_BASE64.sub(b"", text)
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]  # one character more is not even an octet
    try:
        return a2b_base64(clean + b"=" * (-len(clean) % 4))
    except Error:
        return b""


def _in_charset(octets: bytes, charset: bytes | None) -> str:
    name = (charset or b"utf-8").decode("ascii", "replace").lower()
    with suppress(LookupError):
        return octets.decode(name if _CHARSETS.fullmatch(name) else "utf-8", "replace")
    return octets.decode("utf-8", "replace")


def _word(match: re.Match[str]) -> str:
    charset, encoding, text = match.groups()
    octets = text.encode("utf-8", "replace")
    octets = _from_base64(octets) if encoding in "Bb" else a2b_qp(octets, header=True)
    return _in_charset(octets, charset.encode("ascii", "replace"))
