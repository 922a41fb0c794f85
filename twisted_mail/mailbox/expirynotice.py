"""The message that tells a user which mail goes next."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import format_datetime
from itertools import islice

from twisted_mail.content import Message
from twisted_mail.mailbox import maildir
from twisted_mail.message.header import fields, header_size
from twisted_mail.message.identifier import milliseconds_of
from twisted_mail.smtp.address import Address

MAX_LISTED = 50
"""Messages that are named one by one."""
MAX_WORDS = 100
"""Characters of a sender and of a subject."""
_HEAD = 64 * 1024
"""Octets of a file in which sender and subject are looked for."""


@dataclass(frozen=True, slots=True)
class Going:
    """A message that will be deleted."""

    when: int
    """Seconds since 1970."""
    path: str


def notice(identifier: str, account: Address, hostname: str, stay: int, going: Sequence[Going]) -> Message:
    """The announcement that all of *going* will go; *stay*: seconds that mail stays.  Blocks: it names the messages."""
    sender = Address("postmaster", account.domain)
    first = _day(going[0].when)
    many = "1 message" if len(going) == 1 else f"{len(going)} messages"
    header = (
        f"Return-Path: <>\n"
        f"From: Mail server <{sender}>\n"
        f"To: {account}\n"
        f"Subject: {many} will be deleted from the server, the first on {first}\n"
        f"Date: {format_datetime(datetime.fromtimestamp(milliseconds_of(identifier) // 1000, UTC))}\n"
        f"Message-ID: <{identifier}@{hostname}>\n"
        "Auto-Submitted: auto-generated\n"
        "MIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n"
        "\n"
    ).encode()
    body = _body(account, stay // 86_400, going).encode("utf-8", "replace")
    return Message(identifier, header, body, header.count(b"\n") + body.count(b"\n"))


def _body(account: Address, days: int, going: Sequence[Going]) -> str:
    lines = [
        f"Messages to {account} stay on the server for {days} days.",
        "These are the next that will be deleted there:",
        "",
        *(f"{_day(item.when)}  {_description(item.path)}" for item in islice(going, MAX_LISTED)),
    ]
    if len(going) > MAX_LISTED:
        lines.append(f"and {len(going) - MAX_LISTED} more until {_day(going[-1].when)}")
    lines += [
        "",
        "What your mail program has fetched already stays there, unless it is set to delete",
        "what is gone from the server.  What it has not fetched, fetch before that day.",
        "",
    ]
    return "\n".join(lines)


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _description(path: str) -> str:
    """From and Subject, as far as they can be read."""
    try:
        text = maildir.read_beginning(path, _HEAD)
    except OSError:
        return "(cannot be read)"
    found = dict(fields(text[: header_size(text)]))
    sender, subject = (_decoded(found.get(name, b"")) for name in ("from", "subject"))
    return f"{sender or '(no sender)'}: {subject or '(no subject)'}"


def _decoded(field: bytes) -> str:
    """The value of a header field on one line, encoded-words decoded (RFC 2047)."""
    value = field.partition(b":")[2].decode("utf-8", "replace")
    with suppress(ValueError, LookupError, HeaderParseError):  # as it stands, then
        value = str(make_header(decode_header(value)))
    words = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return words if len(words) <= MAX_WORDS else f"{words[: MAX_WORDS - 3]}..."
