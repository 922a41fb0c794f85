"""A captured message taken apart for people and programs: header, texts, attachments."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage

SHOWN = ("from", "to", "cc", "subject", "date")
"""Fields of the list."""
ORIGINAL_TO = "x-original-to"
"""Whose copy it is (delivery/percopy.py)."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is not the text."""

    name: str
    kind: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Captured:
    """One message.  *name* is that of its file."""

    name: str
    source: bytes
    """LF line ends."""
    fields: Sequence[tuple[str, str]]
    """As they stand, decoded."""
    text: str
    html: str
    attachments: Sequence[Attachment]

    def field(self, name: str) -> str:
        """The first of that name (lower case); empty: there is none."""
        return next((value for found, value in self.fields if found.lower() == name), "")

    @property
    def id(self) -> str:
        """Of the message, for addresses: the part of the file's name that never changes."""
        return identifier_of(self.name)

    def summary(self) -> Mapping[str, object]:
        """For the list, as JSON."""
        shown = {name: self.field(name) for name in SHOWN}
        return {"id": self.id, "recipient": self.field(ORIGINAL_TO), **shown, "size": len(self.source)}

    def whole(self) -> Mapping[str, object]:
        """All of it but the octets of attachments, as JSON."""
        attachments = [{"name": a.name, "type": a.kind, "size": len(a.octets)} for a in self.attachments]
        fields = [list(field) for field in self.fields]
        return {**self.summary(), "fields": fields, "text": self.text, "html": self.html, "attachments": attachments}


def identifier_of(name: str) -> str:
    """See `Captured.id`."""
    return name.partition(",")[0].partition(":")[0]


def parse(name: str, source: bytes) -> Captured:
    """Whatever *source* is: what cannot be understood is shown as it stands."""
    message = email.message_from_bytes(source, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    fields = [(found, _value(value)) for found, value in _fields(message)]
    text, html = "", ""
    attachments: list[Attachment] = []
    for part in message.walk():
        if part.is_multipart():
            continue
        kind, octets = part.get_content_type(), _octets(part)
        if part.get_filename() is None and part.get_content_disposition() != "attachment":
            if kind == "text/plain" and not text:
                text = _decoded(part, octets)
                continue
            if kind == "text/html" and not html:
                html = _decoded(part, octets)
                continue
        attachments.append(Attachment(part.get_filename() or f"part-{len(attachments) + 1}", kind, octets))
    return Captured(name, source, fields, text, html, attachments)


def _fields(message: EmailMessage) -> list[tuple[str, object]]:
    try:
        return list(message.items())
    except Exception:  # noqa: BLE001 (the standard library gives up on some broken fields in many ways)
        return list(message.raw_items())


def _value(value: object) -> str:
    return " ".join(str(value).split())


def _octets(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _decoded(part: EmailMessage, octets: bytes) -> str:
    try:
        return octets.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return octets.decode("utf-8", "replace")
