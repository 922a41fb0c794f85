"""A copy of a message for each of its recipients, which says whose it is: where all of them share a mailbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, Results
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError


@implementer(IDeliveryTarget)
class CopyForEach:
    """A target around *target*."""

    def __init__(self, target: IDeliveryTarget, new_id: Callable[[], str]) -> None:
        """*new_id*: a message's id (message/identifier.py), for each copy another one."""
        self._target = target
        self._new_id = new_id

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _Copies(lambda: self._target.begin(origin, sender, options), self._new_id)


@implementer(IDelivery)
class _Copies:
    def __init__(self, begin: Callable[[], object], new_id: Callable[[], str]) -> None:
        self._begin = begin
        self._new_id = new_id
        self._deliveries: dict[Recipient, IDelivery] = {}

    async def add_recipient(self, recipient: Recipient) -> None:
        delivery: IDelivery = await self._begin()  # type: ignore[misc]  # zope's types do not say that begin is awaited
        await delivery.add_recipient(recipient)
        self._deliveries[recipient] = delivery

    async def prepare(self, message: Message) -> Results:
        results: dict[Recipient, SMTPError | None] = {}
        for recipient, delivery in self._deliveries.items():
            results |= await delivery.prepare(self._copy(message, recipient))
        return results

    async def commit(self) -> None:
        for delivery in self._deliveries.values():
            await delivery.commit()

    async def deliver(self, message: Message) -> Results:
        results: dict[Recipient, SMTPError | None] = {}
        for recipient, delivery in self._deliveries.items():
            results |= await delivery.deliver(self._copy(message, recipient))
        return results

    def abort(self) -> None:
        for delivery in self._deliveries.values():
            delivery.abort()

    def _copy(self, message: Message, recipient: Recipient) -> Message:
        """The first keeps the id: it is the one that the client hears."""
        if recipient != next(iter(self._deliveries)):
            message = replace(message, id=self._new_id())
        return message.with_fields(f"X-Original-To: {recipient.address}\n".encode())
