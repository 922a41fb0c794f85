"""An internationalised header for programs that do not know such (RFC 6858, with the address forms of RFC 6857).

Text becomes encoded-words, parameters become RFC 2231, a domain its A-labels.  An address whose local part is not ASCII
has no other form: it is replaced by one that is invalid on purpose and shown as its name.  Other structured fields are
left out.  The body stays as it is.  A stopgap for reading: signatures over the header do not survive it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from email.utils import formataddr
from urllib.parse import quote

from twisted_mail.message.addresses import listed_addresses
from twisted_mail.message.header import FIELD
from twisted_mail.smtp.address import AddressError, parse_domain

MAX_HEADER = 256 * 1024
"""Octets of a header block that is still downgraded: it is held in memory for that."""

INVALID_ADDRESS = "invalid@internationalized-address.invalid"  # RFC 6858 §2.1

_WORD_OCTETS = 45  # in base64 and its frame 72 of the 75 characters of RFC 2047 §2
# words that are not ASCII, and what is between two of them
_FOREIGN_WORD = r"[^ \t\n]*[^\x00-\x7f][^ \t\n]*"
_FOREIGN_WORDS = re.compile(rf"{_FOREIGN_WORD}(?:[ \t\n]+{_FOREIGN_WORD})*")
# parameter = attribute "=" value (RFC 2045 §5.1)
_PARAMETER = re.compile(r'([^\s;="]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s;]+)', re.DOTALL)


def header_in_ascii(header: bytes) -> bytes:
    """The header block, LF line ends, in ASCII.  One that is ASCII stays as it is."""
    return header if header.isascii() else FIELD.sub(_downgraded_field, header)


def _downgraded_field(match: re.Match[bytes]) -> bytes:
    field = match.group()
    if field.isascii():
        return field
    name, _, value = field.decode("utf-8", "replace").partition(":")
    change = _CHANGES.get(name.strip().lower(), _unstructured)
    new = change(value.removesuffix("\n"))
    return f"{name}:{new}\n".encode("ascii", "replace") if new else b""


def _unstructured(value: str) -> str:
    return _FOREIGN_WORDS.sub(lambda match: _encoded_words(re.sub(r"[ \t\n]+", " ", match.group())), value)


def _addresses(value: str) -> str:
    found = [pair for pair in listed_addresses([re.sub(r"\n[ \t]", " ", value)]) if pair[1]]
    return " " + ",\n ".join(_mailbox(*pair) for pair in found) if found else _unstructured(value)


def _mailbox(name: str, address: str) -> str:
    usable = _ascii_address(address)
    if usable is None:
        name, usable = f"{name} <{address}>" if name else address, INVALID_ADDRESS
    return formataddr((name, usable)) if name.isascii() else f"{_encoded_words(name)} <{usable}>"


def _ascii_address(address: str) -> str | None:
    if address.isascii():
        return address
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{parse_domain(domain)}" if local.isascii() else None
    except AddressError:
        return None


def _parameters(value: str) -> str:
    return _PARAMETER.sub(_parameter, value)


def _parameter(match: re.Match[str]) -> str:
    name, value = match.groups()
    if value.isascii():
        return match.group()
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return f"{name.rstrip('*')}*=utf-8''{quote(value, safe='')}"


def _left_out(value: str) -> str:
    return ""


def _encoded_words(text: str) -> str:
    """RFC 2047 §2: as many words as it takes, folded, none ending within a character."""
    words, chunk = [], b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(chunk) + len(octets) > _WORD_OCTETS:
            words.append(chunk)
            chunk = b""
        chunk += octets
    words.append(chunk)
    return "\n ".join(f"=?utf-8?b?{b64encode(word).decode()}?=" for word in words)


_ADDRESS_FIELDS = ("from", "sender", "reply-to", "to", "cc", "bcc", "disposition-notification-to")
_PARAMETER_FIELDS = ("content-type", "content-disposition")
_OTHER_STRUCTURED_FIELDS = (
    *("return-path", "received", "message-id", "in-reply-to", "references", "date", "mime-version"),
    *("content-transfer-encoding", "content-id", "dkim-signature", "authentication-results"),
    *("arc-seal", "arc-message-signature", "arc-authentication-results"),
    *("resent-date", "resent-message-id", "original-recipient"),
    *("list-id", "list-help", "list-post", "list-owner", "list-archive", "list-subscribe", "list-unsubscribe"),
)
# field name in lower case -> what becomes of its value; all others are unstructured
_CHANGES: Mapping[str, Callable[[str], str]] = {
    **dict.fromkeys(_ADDRESS_FIELDS, _addresses),
    **dict.fromkeys([f"resent-{name}" for name in _ADDRESS_FIELDS], _addresses),
    **dict.fromkeys(_PARAMETER_FIELDS, _parameters),
    **dict.fromkeys(_OTHER_STRUCTURED_FIELDS, _left_out),
}
