"""Refuses messages that go round in a circle (RFC 5321 §6.3).

Two signs.  A message with too many Received fields, whoever runs in the circle.  And a Delivered-To field that names
the recipient: the router puts it on what it forwards out of this server (docs/decisions/0013), so that it is back.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted_mail.content import Message
from twisted_mail.message.header import fields, visited
from twisted_mail.smtp.envelope import Recipient
from twisted_mail.smtp.reply import Reply, SMTPError

MAX_HOPS = 100
"""Received fields of a message that is still taken (RFC 5321 §6.3)."""


def refuse_loops(message: Message, recipients: Iterable[Recipient]) -> None:
    """Raises SMTPError: *message* was here, for one of *recipients*, or nearly everywhere."""
    # most messages have neither sign, and one look over the octets shows that
    text = message.header.lower()
    if text.count(b"received") > MAX_HOPS and _hops(message.header) > MAX_HOPS:
        raise SMTPError(Reply(554, "4.6", f"The message has passed over {MAX_HOPS} servers: it goes in a circle"))
    if b"delivered-to" in text:
        been = visited(message.header)
        for recipient in recipients:
            if recipient.address in been:
                raise SMTPError(Reply(554, "4.6", f"The message was here for {recipient.address} before"))


def _hops(header: bytes) -> int:
    return sum(name == "received" for name, _ in fields(header))
