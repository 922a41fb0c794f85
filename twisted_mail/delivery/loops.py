"""Refuses messages that go round in a circle (RFC 5321 §6.3).

Two signs.  A message with too many Received fields, whoever runs in the circle.  And a Delivered-To field that names
the recipient: the router puts it on what it forwards out of this server (docs/decisions/0013), so that it is back.
"""

from __future__ import annotations

from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.message.header import fields, visited
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.wrapping import FilterDelivery

MAX_HOPS = 100
"""Received fields of a message that is still taken (RFC 5321 §6.3)."""


@implementer(IDeliveryTarget)
class LoopGuard:
    """A target that gets only messages which are on their way for the first time."""

    def __init__(self, target: IDeliveryTarget) -> None:
        self._target = target

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _GuardedDelivery(await self._target.begin(origin, sender, options))


class _GuardedDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery) -> None:
        super().__init__(inner)
        self._recipients: list[Recipient] = []

    async def add_recipient(self, recipient: Recipient) -> None:
        await self._inner.add_recipient(recipient)
        self._recipients.append(recipient)

    async def rewrite(self, message: Message) -> Message:
        # most messages have neither sign, and one look over the octets shows that
        text = message.header.lower()
        if text.count(b"received") > MAX_HOPS and _hops(message.header) > MAX_HOPS:
            raise SMTPError(Reply(554, "4.6", f"The message has passed over {MAX_HOPS} servers: it goes in a circle"))
        if b"delivered-to" in text:
            been = visited(message.header)
            for recipient in self._recipients:
                if recipient.address in been:
                    raise SMTPError(Reply(554, "4.6", f"The message was here for {recipient.address} before"))
        return message


def _hops(header: bytes) -> int:
    return sum(name == "received" for name, _ in fields(header))
