"""Everything for anybody, into one mailbox: where mail to other domains goes in demo mode."""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError


@implementer(IDeliveryTarget)
class Redirect:
    """A target that delivers to *mailbox*, whoever the recipients are."""

    def __init__(self, target: IDeliveryTarget, mailbox: Address) -> None:
        self._target = target
        self._mailbox = Recipient(mailbox)

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        inner = await self._target.begin(origin, sender, options)
        await inner.add_recipient(self._mailbox)
        return _RedirectedDelivery(inner, self._mailbox)


@implementer(IDelivery)
class _RedirectedDelivery:
    def __init__(self, inner: IDelivery, mailbox: Recipient) -> None:
        self._inner = inner
        self._mailbox = mailbox
        self._recipients: list[Recipient] = []

    async def add_recipient(self, recipient: Recipient) -> None:
        self._recipients.append(recipient)

    async def prepare(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        return self._for_all(await self._inner.prepare(message))

    async def commit(self) -> None:
        await self._inner.commit()

    async def deliver(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        return self._for_all(await self._inner.deliver(message))

    def abort(self) -> None:
        self._inner.abort()

    def _for_all(self, results: Mapping[Recipient, SMTPError | None]) -> Mapping[Recipient, SMTPError | None]:
        return dict.fromkeys(self._recipients, results[self._mailbox])
