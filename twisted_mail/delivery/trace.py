"""Puts Received in front of every message that passes, and lets none pass twice (RFC 5321 §4.4, §6.3)."""

from __future__ import annotations

from datetime import UTC, datetime

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.delivery.loops import refuse_loops
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.message.header import Passage, received
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.wrapping import FilterDelivery


@implementer(IDeliveryTarget)
class Traced:
    """A target whose messages carry our Received field, and are on their way for the first time (loops.py)."""

    def __init__(self, target: IDeliveryTarget, hostname: str, clock: IReactorTime) -> None:
        """*clock* gives Unix time, as a reactor does."""
        self._target = target
        self._hostname = hostname
        self._clock = clock

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        inner = await self._target.begin(origin, sender, options)
        return _TracedDelivery(inner, origin, options.priority, self)

    def field(self, origin: Origin, message: Message, recipient: Address | None, priority: int) -> bytes:
        """Received for *message*."""
        now = datetime.fromtimestamp(int(self._clock.seconds()), UTC)
        return received(origin, self._hostname, Passage(message.id, now, recipient, priority))


class _TracedDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, origin: Origin, priority: int, target: Traced) -> None:
        super().__init__(inner)
        self._origin = origin
        self._priority = priority
        self._target = target
        self._recipients: list[Recipient] = []

    async def add_recipient(self, recipient: Recipient) -> None:
        await self._inner.add_recipient(recipient)
        self._recipients.append(recipient)

    async def rewrite(self, message: Message) -> Message:
        refuse_loops(message, self._recipients)
        only = self._recipients[0].address if len(self._recipients) == 1 else None
        return message.with_fields(self._target.field(self._origin, message, only, self._priority))
