"""Messages that are to be sent later (HOLDFOR and HOLDUNTIL, RFC 4865).

They wait in the queue, also those for mailboxes here, because only the queue can wait.

Recipients are looked at when the message is submitted, so that the user hears at once of a wrong one, and again when it
is released: what an alias stands for by then is where it goes (homeward.py).
"""

from __future__ import annotations

from zope.interface import implementer

from twisted_mail.delivery.router import Router
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.wrapping import FilterDelivery


@implementer(IDeliveryTarget)
class Holding:
    """A target whose messages for later go to the queue."""

    def __init__(self, target: IDeliveryTarget, router: Router, queue: IDeliveryTarget) -> None:
        """*router* knows who exists."""
        self._target = target
        self._router = router
        self._queue = queue

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        if options.release is None:
            return await self._target.begin(origin, sender, options)
        return _HeldDelivery(await self._queue.begin(origin, sender, options), self._router)


class _HeldDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, router: Router) -> None:
        super().__init__(inner)
        self._router = router

    async def add_recipient(self, recipient: Recipient) -> None:
        await self._router.expand(recipient.address)
        await super().add_recipient(recipient)
