"""For LMTP, whose client hears of each recipient apart (RFC 2033 §4.2): one mailbox that fails holds up no other.

A message goes to all its recipients at once, written and synced once.  Only where that fails is it tried for each
recipient alone, and each hears what became of its own copy.  At least once: where the router failed after one of its
targets had taken the message, that one gets it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, Results
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import FilterDelivery


@dataclass(frozen=True, slots=True)
class _Transaction:
    """What `begin` is called with."""

    origin: Origin
    sender: Address | None
    options: MailOptions


@implementer(IDeliveryTarget)
class OneByOne:
    """A target around *target* that may take a message for some recipients and not for others."""

    def __init__(self, target: IDeliveryTarget) -> None:
        self._target = target

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        inner = await self._target.begin(origin, sender, options)
        return _OneByOneDelivery(inner, self._target, _Transaction(origin, sender, options))


class _OneByOneDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, target: IDeliveryTarget, transaction: _Transaction) -> None:
        super().__init__(inner)
        self._target = target
        self._transaction = transaction
        self._recipients: list[Recipient] = []

    async def add_recipient(self, recipient: Recipient) -> None:
        await self._inner.add_recipient(recipient)
        self._recipients.append(recipient)

    async def deliver(self, message: Message) -> Results:
        try:
            results = await self._inner.deliver(message)
        except SMTPError as error:
            results = dict.fromkeys(self._recipients, error)
        if len(results) == 1 or not any(results.values()):
            return results
        return {recipient: await self._deliver_alone(recipient, message) for recipient in results}

    async def _deliver_alone(self, recipient: Recipient, message: Message) -> SMTPError | None:
        transaction = self._transaction
        try:
            alone = await self._target.begin(transaction.origin, transaction.sender, transaction.options)
            try:
                await alone.add_recipient(recipient)
                return next(iter((await alone.deliver(message)).values()))
            except BaseException:
                alone.abort()
                raise
        except SMTPError as error:
            return error
