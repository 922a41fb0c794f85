"""What a filter is made of: a target around a target, a delivery around a delivery (idea 3 of docs/architecture.md).

A filter overrides `FilterDelivery.add_recipient` to refuse recipients, and `rewrite` to refuse or change the message.
`MessageFilter` is for filters that are plugins: it overrides those hooks that it needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IMessageFilter, Results
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError


@implementer(IDelivery)
class FilterDelivery:
    """Passes everything on to *inner*."""

    def __init__(self, inner: IDelivery) -> None:
        self._inner = inner

    async def rewrite(self, message: Message) -> Message:
        """The message that is passed on.  Raises SMTPError: the message is refused."""
        return message

    def add_recipient(self, recipient: Recipient) -> Awaitable[None]:
        return self._inner.add_recipient(recipient)

    async def prepare(self, message: Message) -> Results:
        return await self._inner.prepare(await self.rewrite(message))

    def commit(self) -> Awaitable[None]:
        return self._inner.commit()

    async def deliver(self, message: Message) -> Results:
        return await self._inner.deliver(await self.rewrite(message))

    def abort(self) -> None:
        self._inner.abort()


Parts = Sequence[tuple[IDelivery, Message]]
"""Several deliveries that are one to whoever began it, and what each gets."""


async def prepare_all(parts: Parts) -> dict[Recipient, SMTPError | None]:
    """What all of them answer; nothing is committed."""
    results: dict[Recipient, SMTPError | None] = {}
    for delivery, message in parts:
        results.update(await delivery.prepare(message))
    return results


async def deliver_all(parts: Parts) -> dict[Recipient, SMTPError | None]:
    """A single one with one wait for its disk; of several none is committed before all are prepared.

    After a refusal none of several is committed, and whoever called aborts them.
    """
    if len(parts) == 1:
        ((only, message),) = parts
        return dict(await only.deliver(message))
    results = await prepare_all(parts)
    if not any(results.values()):
        for delivery, _ in parts:
            await delivery.commit()
    return results


@implementer(IPlugin, IMessageFilter)
class MessageFilter:
    """Has nothing against anything."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def connection(self, origin: Origin) -> None:
        pass

    async def sender(self, origin: Origin, sender: Address | None, options: MailOptions) -> None:
        pass

    async def recipient(self, origin: Origin, sender: Address | None, recipient: Recipient) -> None:
        pass

    async def message(
        self, origin: Origin, sender: Address | None, recipients: Sequence[Recipient], message: Message
    ) -> Message | None:
        return None
