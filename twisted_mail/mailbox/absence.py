"""Which message is answered for its recipient, and with what (RFC 3834, RFC 5230): who is away, or has a rule for that.

The text lies in the Maildir, and so does the memory of who has been answered.  Only one who wrote to the person, and no
program or list, gets an answer, once in so many days.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from hashlib import sha256

from twisted_mail.content import Message, message_of
from twisted_mail.message.addresses import listed_addresses
from twisted_mail.message.header import fields, message_id_of
from twisted_mail.message.identifier import milliseconds_of
from twisted_mail.rules.ruleset import MOST_DAYS, Reply
from twisted_mail.smtp.address import Address, AddressError, parse_address

TEXT_FILE = "twisted-mail.vacation"
ANSWERED_FILE = "twisted-mail.answered"
"""Lines `SECONDS ADDRESS`: who was answered when, in seconds since 1970."""
REPLIED_FILE = "twisted-mail.replied"
"""The same for replies of rules: lines `SECONDS ADDRESS REPLY`, the last one a digest."""

DAY = 86_400
MAX_TEXT = 64 * 1024
"""Octets."""
MAX_WORDS = 500
"""Characters of the subject that is answered."""

# senders that are programs (RFC 5230 §4.5)
_PROGRAMS = re.compile(r"owner-.*|.*-(request|owner|bounces?)|mailer-daemon|listserv|majordomo|.*no-?reply.*", re.I)
_BULK = {b"bulk", b"list", b"junk"}


def wants_answer(sender: Address | None, account: Address, header: bytes) -> bool:
    """Whether a person wrote this, as far as envelope and header say."""
    if sender is None or sender.key == account or _PROGRAMS.fullmatch(sender.local_part):
        return False
    for name, field in fields(header):
        value = field.partition(b":")[2].strip().lower()
        if name.startswith("list-") or (name == "auto-submitted" and value != b"no"):
            return False
        if name == "precedence" and value in _BULK:
            return False
    return True


def written_to(header: bytes) -> list[Address]:
    """The addresses in To and Cc that can be read."""
    values = [
        field.partition(b":")[2].decode(errors="replace") for name, field in fields(header) if name in ("to", "cc")
    ]
    found = []
    for _, text in listed_addresses(values):
        with suppress(AddressError):
            found.append(parse_address(text))
    return found


def text_in(path: str) -> str | None:
    """What the owner of the Maildir at *path* has to say; None: nothing.  Raises OSError."""
    try:
        with open(f"{path}/{TEXT_FILE}", encoding="utf-8", errors="replace") as file:
            return file.read(MAX_TEXT) or None
    except FileNotFoundError:
        return None


def take_turn(path: str, sender: Address, reply: Reply, now: float, *, by_rule: bool = False) -> bool:
    """Whether *sender* is to get *reply* now; then that is remembered.  Raises OSError.

    *by_rule*: each reply is one of several, and counts for itself (RFC 5230 §4.2).
    """
    file_name = f"{path}/{REPLIED_FILE if by_rule else ANSWERED_FILE}"
    key = f"{sender.key} {sha256(reply.text.encode(errors='replace')).hexdigest()[:16]}" if by_rule else str(sender.key)
    answered = _answered(file_name, now - (MOST_DAYS if by_rule else reply.days) * DAY)
    if key in answered and answered[key] > now - reply.days * DAY:
        return False
    answered[key] = int(now)
    with open(f"{file_name}.new", "w", encoding="utf-8") as file:
        file.writelines(f"{seconds} {each}\n" for each, seconds in answered.items())
    os.replace(f"{file_name}.new", file_name)
    return True


def answer(identifier: str, account: Address, sender: Address, header: bytes, reply: Reply, hostname: str) -> Message:
    """The answer to the message with *header*; null reverse-path and Auto-Submitted keep others from answering it."""
    about = message_id_of(header)
    threading = f"In-Reply-To: {about}\nReferences: {about}\n" if about.isascii() and about else ""
    subject = next((field.partition(b":")[2] for name, field in fields(header) if name == "subject"), b"")
    words = reply.subject or f"Auto: {' '.join(subject.decode(errors='replace').split())[:MAX_WORDS]}"
    if not (words.isascii() and words.isprintable()):  # else as it stands: it may be encoded already
        words = Header(words, "utf-8").encode(linesep="\n")
    head = (
        f"From: <{reply.sender or account}>\n"
        f"To: <{sender}>\n"
        f"Subject: {words}\n"
        f"Date: {format_datetime(datetime.fromtimestamp(milliseconds_of(identifier) // 1000, UTC))}\n"
        f"Message-ID: <{identifier}@{hostname}>\n"
        f"{threading}"
        "Auto-Submitted: auto-replied (vacation)\n"
        "MIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n"
        "\n"
    )
    body = reply.text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return message_of(identifier, (head + body.rstrip("\n") + "\n").encode(errors="replace"))


def _answered(file_name: str, since: float) -> dict[str, int]:
    """When each was answered, as far as that was later than *since*."""
    try:
        with open(file_name, encoding="utf-8", errors="replace") as file:
            rows = [line.rstrip("\n").partition(" ") for line in file]
    except FileNotFoundError:
        return {}
    return {
        key: int(seconds)
        for seconds, _, key in rows
        if seconds.isascii() and seconds.isdecimal() and int(seconds) > since
    }
