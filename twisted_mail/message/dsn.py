"""Delivery status notifications: what a sender is told of a message (RFC 3461, RFC 3464, RFC 6522, RFC 6533).  Pure.

A report begins with a sentence that a person understands; then come what the servers said to each other, the part for
programs, and the message's header or the whole of it.  Text with LF line ends, 8 bits wherever something else is.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum

from twisted_mail.message.header import fields
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.reply import Reply

WIDTH = 76
MAX_HEADER = 64 * 1024
"""Octets of the original's header block that a report shows."""
MAX_LINE = 240
"""Characters of a line that is shown as it is: never more than 998 octets."""
MAX_TEXT = 2000
"""Characters of a server's reply that a report shows."""

_MESSAGE_ID = re.compile(rb"<[!-;=?-~]{1,250}>")


class Action(Enum):
    """What was done (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What became of one recipient."""

    address: Address
    action: Action
    reply: Reply
    """What was said last; a 250 where all is well."""
    host: str = ""
    """The server that was asked; empty where there was none."""
    by_remote: bool = False
    """The reply is that server's own."""
    dialogue: str = ""
    original_recipient: str | None = None
    """ORCPT=: type and address."""
    last_attempt: datetime | None = None
    until: datetime | None = None
    """When it will be given up; only for DELAYED."""

    @property
    def status(self) -> str:
        """RFC 3463; made up from the code where the server gave none."""
        return self.reply.status or f"{self.reply.code // 100}.{_DETAILS.get(self.reply.code, '0.0')}"


@dataclass(frozen=True, slots=True)
class Report:
    """One notification."""

    id: str
    """Its own message id: ends its Message-ID, and parts its parts."""
    hostname: str
    """Of the server that reports."""
    sender: Address
    """Who is told: the reverse-path of the message."""
    now: datetime
    arrival: datetime
    recipients: Sequence[RecipientReport]
    header: bytes
    """The message's header block."""
    original: bytes | None = None
    """The whole message, where it shall be returned."""
    envelope_id: str | None = None
    deliver_by: datetime | None = None
    """Until when the sender wanted it delivered (RFC 2852)."""

    @property
    def is_international(self) -> bool:
        """Addresses or the message's header need UTF-8 (RFC 6533): the report must go by SMTPUTF8."""
        addresses = (self.sender, *(each.address for each in self.recipients))
        return not all(address.is_ascii for address in addresses) or not self.header.isascii()


def compose(report: Report) -> bytes:
    """The whole message, from its first field to its last boundary."""
    boundary = f"=_{report.id}"
    parts = (_person_part(report), _program_part(report), _original_part(report))
    body = b"".join(b"--%s\n%s\n" % (boundary.encode(), part) for part in parts)
    return _header(report, boundary) + body + f"--{boundary}--\n".encode()


# ---- the header of the report


def _header(report: Report, boundary: str) -> bytes:
    lines = [
        f"From: Mail Delivery System <mailer-daemon@{report.hostname}>",
        f"To: <{report.sender}>",
        f"Subject: {_subject(report)}",
        f"Date: {format_datetime(report.now)}",
        f"Message-ID: <{report.id}@{report.hostname}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\n boundary="{boundary}"',
        "Content-Transfer-Encoding: 8bit",
    ]
    if identifier := _message_id(report.header):
        lines[5:5] = [f"In-Reply-To: {identifier}", f"References: {identifier}"]
    return "".join(f"{line}\n" for line in lines).encode() + b"\n"


def _subject(report: Report) -> str:
    actions = {each.action for each in report.recipients}
    for action, subject in _SUBJECTS:
        if action in actions:
            return subject
    return "Delivery report"


_SUBJECTS = (
    (Action.FAILED, "Your message was not delivered"),
    (Action.DELAYED, "Your message is delayed"),
    (Action.DELIVERED, "Your message was delivered"),
    (Action.RELAYED, "Your message was passed on"),
)


def _message_id(header: bytes) -> str | None:
    for name, field in fields(header):
        if name == "message-id" and (match := _MESSAGE_ID.search(field)):
            return match.group().decode("ascii")
    return None


# ---- the part for people


def _person_part(report: Report) -> bytes:
    paragraphs = [_paragraph(report, each) for each in report.recipients]
    paragraphs += [_dialogue(each) for each in report.recipients if each.dialogue and each.action is Action.FAILED]
    paragraphs.append(_wrapped(f"This report comes from the mail server {report.hostname}."))
    text = "\n\n".join(paragraphs)
    return b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + text.encode() + b"\n"


def _paragraph(report: Report, each: RecipientReport) -> str:
    lines = [_wrapped(_SENTENCES[each.action].format(each=each, host=_server(each), reason=reason(each)))]
    if each.until is not None:
        lines.append(_wrapped(f"Still trying until {_minute(each.until)}. You need not send it again."))
    if each.action is Action.FAILED and each.reply.is_temporary:
        lines.append(_wrapped(f"This server has tried since {_minute(report.arrival)}, and has given up."))
    if each.action in (Action.FAILED, Action.DELAYED) and each.reply.text:
        said = f"{_server(each)} said" if each.by_remote else "In detail"
        lines.append(_wrapped(f"{said}: {_one_line(str(each.reply))}"))
    return "\n".join(lines)


_SENTENCES = {
    Action.FAILED: "Your message to {each.address} was not delivered: {reason}.",
    Action.DELAYED: "Your message to {each.address} is delayed: {reason}.",
    Action.DELIVERED: "Your message to {each.address} was delivered.",
    Action.RELAYED: "Your message to {each.address} was passed on to {host}, which will not report what becomes of it.",
    Action.EXPANDED: "Your message to {each.address} was passed on to the members of that list.",
}


def reason(each: RecipientReport) -> str:
    """Why a message did not arrive, as the end of a sentence."""
    detail = each.status.partition(".")[2]
    text = _REASONS.get(detail) or _REASONS.get(detail.partition(".")[0])
    if text is None:
        text = "{host} refused it" if each.by_remote else "it could not be passed on to {host}"
    return text.format(host=_server(each), domain=each.address.domain)


_REASONS = {
    "1.0": "there is no such user",
    "1.1": "there is no such user",
    "1.2": "there is no mail server for {domain}",
    "1.3": "there is no such user",
    "1.6": "the user has moved and left no new address",
    "1.10": "{domain} takes no mail at all",
    "2.1": "the mailbox is switched off",
    "2.2": "their mailbox is full",
    "2.3": "the message is too large for their mailbox",
    "3.1": "there is no room on their server at present",
    "3.4": "the message is too large for {host}",
    "4.1": "{host} did not answer",
    "4.2": "{host} broke off the connection",
    "4.3": "the mail server for {domain} could not be found",
    "4.4": "the mail server for {domain} could not be found",
    "4.5": "{host} is too busy",
    "4.6": "the message went in circles between mail servers",
    "4.7": "the time in which it was to be delivered is over",
    "6": "{host} cannot take a message of this form",
    "7": "{host} refused it",
    "7.10": "{host} has no encryption, which this message needs",
    "7.30": "{host} has no encryption, which this message needs",
}
"""Detail of the enhanced status code, or its subject alone -> the end of the sentence (RFC 3463 §3)."""

_DETAILS = {421: "4.2", 450: "2.0", 451: "3.0", 452: "3.1", 550: "0.0", 552: "2.2", 556: "1.10"}
"""Basic code -> detail, for servers without enhanced codes.  (550 may be anything from a wrong name to a policy.)"""


def _server(each: RecipientReport) -> str:
    return _one_line(each.host) or f"the mail server of {each.address.domain}"


def _dialogue(each: RecipientReport) -> str:
    lines = (_one_line(line)[:MAX_LINE] for line in each.dialogue.splitlines())
    return f"The last lines of the session with {_server(each)}:\n\n" + "\n".join(f"    {line}" for line in lines)


def _wrapped(text: str) -> str:
    """Words are kept whole, unless one may be longer than a line can be (998 octets, RFC 5322 §2.1.1)."""
    return textwrap.fill(text, WIDTH, break_long_words=len(text) > MAX_LINE, break_on_hyphens=False)


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _one_line(text: str) -> str:
    """Without anything that could end the line or trouble a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_TEXT]


# ---- the part for programs


def _program_part(report: Report) -> bytes:
    kind = "global-delivery-status" if report.is_international else "delivery-status"
    groups = [_message_fields(report), *(_recipient_fields(report, each) for each in report.recipients)]
    text = "\n".join("".join(f"{_folded(line)}\n" for line in group) for group in groups)
    return f"Content-Type: message/{kind}\nContent-Transfer-Encoding: {_encoding(text.encode())}\n\n{text}".encode()


def _message_fields(report: Report) -> list[str]:
    """RFC 3464 §2.2."""
    lines = [f"Reporting-MTA: dns; {report.hostname}"]
    if report.envelope_id is not None:
        lines.append(f"Original-Envelope-Id: {report.envelope_id}")
    lines.append(f"Arrival-Date: {format_datetime(report.arrival)}")
    if report.deliver_by is not None:
        lines.append(f"Deliver-By-Date: {format_datetime(report.deliver_by)}")
    return lines


def _recipient_fields(report: Report, each: RecipientReport) -> list[str]:
    """RFC 3464 §2.3."""
    lines = []
    if each.original_recipient is not None:
        kind, _, address = each.original_recipient.partition(";")
        lines.append(f"Original-Recipient: {kind}; {_one_line(address)}")
    kind = "rfc822" if each.address.is_ascii else "utf-8"  # RFC 6533 §3
    lines += [
        f"Final-Recipient: {kind}; {each.address}",
        f"Action: {each.action.value}",
        f"Status: {each.status}",
    ]
    if each.host:
        lines.append(f"Remote-MTA: dns; {_one_line(each.host)}")
    if each.action in (Action.FAILED, Action.DELAYED):
        kind = "smtp" if each.by_remote else "x-twisted-mail"
        lines.append(f"Diagnostic-Code: {kind}; {_ascii_unless(report.is_international, _one_line(str(each.reply)))}")
    if each.last_attempt is not None:
        lines.append(f"Last-Attempt-Date: {format_datetime(each.last_attempt)}")
    if each.until is not None:
        lines.append(f"Will-Retry-Until: {format_datetime(each.until)}")
    return lines


def _folded(line: str) -> str:
    """Long fields go on in lines that begin with a space (RFC 5322 §2.2.3)."""
    return _wrapped(line).replace("\n", "\n ")


def _ascii_unless(international: bool, text: str) -> str:
    return text if international else text.encode("ascii", "replace").decode()


def _encoding(text: bytes) -> str:
    return "7bit" if text.isascii() else "8bit"


# ---- what was sent


def _original_part(report: Report) -> bytes:
    kind, text = _original_kind(report)
    return f"Content-Type: {kind}\nContent-Transfer-Encoding: {_encoding(text)}\n\n".encode() + _whole_lines(text)


def _original_kind(report: Report) -> tuple[str, bytes]:
    if report.original is not None:
        return ("message/global" if report.is_international else "message/rfc822"), report.original
    header = report.header[:MAX_HEADER]
    header = header[: header.rfind(b"\n") + 1]
    return ("message/global-headers" if report.is_international else "text/rfc822-headers"), header


def _whole_lines(text: bytes) -> bytes:
    return text if not text or text.endswith(b"\n") else text + b"\n"
