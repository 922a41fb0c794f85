"""The header block of a message: where it ends, its fields, and the trace fields that we add (RFC 5322, RFC 5321 §4.4).

Works on text with LF line ends and never looks at the body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from twisted_mail.smtp.address import Address, AddressError, parse_address
from twisted_mail.smtp.envelope import Origin

# field = field-name ":" unstructured, folded lines begin with white space (RFC 5322 §2.2); obs-FWS before ":" (§4.5);
# it begins a line: looked for at each octet of a long line that is none, it would cost the square of its length
FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE)


def header_size(text: bytes) -> int:
    """Octets of the header block with its blank line.

    A text without blank line is all header if every line is a field; else the header ends before the first that is not.
    """
    if text.startswith(b"\n"):
        return 1
    end = text.find(b"\n\n")
    if end >= 0 and FIELD.match(text):
        return end + 2
    position = 0
    while match := FIELD.match(text, position):
        position = match.end()
    return position


def fields(header: bytes) -> Iterator[tuple[str, bytes]]:
    """Each field as (name in lower case, the whole field with its line ends); lines that are no field are left out."""
    for match in FIELD.finditer(header):
        yield match.group(1).decode("ascii").lower(), match.group()


def has_field(header: bytes, name: str) -> bool:
    """Whether a field of that name (lower case) is there."""
    return any(found == name for found, _ in fields(header))


def without_field(header: bytes, name: str) -> bytes:
    """The header block without any field of that name (lower case)."""
    return FIELD.sub(lambda m: b"" if m.group(1).decode("ascii").lower() == name else m.group(), header)


def message_id_of(header: bytes) -> str:
    """The value of Message-ID with its angle brackets (RFC 5322 §3.6.4); empty where there is none."""
    match = _MESSAGE_ID.search(header)
    return match.group(1).decode(errors="replace") if match else ""


_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:\s*(<[^<>\s]{1,900}>)", re.IGNORECASE | re.MULTILINE)


def waives_tls(header: bytes) -> bool:
    """Whether it has `TLS-Required: No` (RFC 8689 §5)."""
    return _WAIVER.search(header) is not None


_WAIVER = re.compile(rb"^tls-required[ \t]*:[ \t]*no[ \t]*$", re.IGNORECASE | re.MULTILINE)


def return_path(sender: Address | None) -> bytes:
    """Return-Path, which final delivery adds (RFC 5321 §4.4)."""
    return f"Return-Path: <{sender or ''}>\n".encode()


def delivered_to(address: Address) -> bytes:
    """Delivered-To, by which a message that comes back is known (RFC 9228 §4)."""
    return f"Delivered-To: {address}\n".encode()


def visited(header: bytes) -> set[Address]:
    """The addresses in Delivered-To fields; what is no address is left out."""
    found = set()
    for name, field in fields(header):
        if name == "delivered-to":
            with suppress(AddressError):
                found.add(parse_address(field.partition(b":")[2].decode("utf-8", "replace").strip()))
    return found


@dataclass(frozen=True, slots=True)
class Passage:
    """What a message came here as."""

    message_id: str
    now: datetime
    recipient: Address | None = None
    """Only where there is one: naming one of several would tell each of the others (RFC 5321 §7.2)."""
    priority: int = 0
    """MT-PRIORITY= (RFC 6710 §9)."""


def received(origin: Origin, hostname: str, passage: Passage) -> bytes:
    """One Received field (RFC 5321 §4.4, the TLS clause as RFC 8314 §4.3 wants it registered).

    What the peer said of itself is cut down to characters that cannot end the field or a comment.
    """
    hello = _harmless(origin.hello) or "unknown"
    peer = f" ([{'IPv6:' if ':' in origin.peer else ''}{origin.peer}])" if origin.peer else ""
    lines = [f"Received: from {hello}{peer}", f" by {hostname} with {_with_protocol(origin)} id {passage.message_id}"]
    if origin.tls is not None:
        lines.append(f" (version={origin.tls.version} cipher={origin.tls.cipher})")
    if passage.recipient is not None:
        lines.append(f" for <{passage.recipient}>")
    if passage.priority:
        lines.append(f" priority {passage.priority}")
    lines[-1] += ";"
    lines.append(f" {_date(passage.now)}\n")
    return "\n".join(lines).encode()


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one Received field says of how a message came."""

    peer: str
    """IP address."""
    hostname: str
    """Of the server that wrote the field."""
    protocol: str
    """`SMTP`, `ESMTPS` and so on (RFC 3848)."""
    message_id: str
    """The server's own."""


def arrival_of(header: bytes) -> Arrival | None:
    """By the topmost Received field, if a server like this one wrote it and knew from where the message came."""
    topmost = next((field for name, field in fields(header) if name == "received"), b"")
    match = _ARRIVAL.match(topmost)
    return Arrival(*(group.decode("ascii", "replace") for group in match.groups())) if match else None


_ARRIVAL = re.compile(
    rb"Received:\s+from\s+\S+\s+\(\[(?:IPv6:)?([^]\s]+)\]\)\s+by\s+(\S+)\s+with\s+(\w+)\s+id\s+([^;\s]+)"
)


@lru_cache(8)
def _date(now: datetime) -> str:
    """Many messages come in one second."""
    return format_datetime(now)


def _with_protocol(origin: Origin) -> str:
    """The keyword after "with" (RFC 3848): S for TLS, A for an authenticated peer."""
    if not origin.extended:
        return origin.protocol
    name = "LMTP" if origin.protocol == "LMTP" else "ESMTP"
    return name + ("S" if origin.tls else "") + ("A" if origin.user else "")


@lru_cache(1024)
def _harmless(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or c in ".-_:[]")[:255]
