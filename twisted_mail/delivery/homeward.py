"""Where the queue sends: mail for domains of ours to the router, all other mail to the relay.

What is for us waits in the queue only while it is held (holding.py).  A copy is stored under the name of its message,
so that doing it twice after a crash leaves one.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IRelayDelivery, IUsers, Results
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError


@implementer(IDeliveryTarget)
class Homeward:
    """Where the queue sends: *home* takes what is for domains of ours, *relay* the rest.

    What becomes of a recipient at home is reported there.
    """

    def __init__(self, users: IUsers, home: IDeliveryTarget, relay: IDeliveryTarget) -> None:
        self._users = users
        self.home = home
        self.relay = relay

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _HomewardDelivery(self, origin, sender, options)

    async def target(self, address: Address) -> IDeliveryTarget:
        """Where *address* goes."""
        is_ours = not address.domain or await self._users.is_local(address.domain)
        return self.home if is_ours else self.relay


@implementer(IRelayDelivery)
class _HomewardDelivery:
    def __init__(self, homeward: Homeward, origin: Origin, sender: Address | None, options: MailOptions) -> None:
        self._homeward = homeward
        self._envelope = (origin, sender, options)
        self._deliveries: dict[IDeliveryTarget, IDelivery] = {}
        self._home: set[Recipient] = set()

    @property
    def reports_success(self) -> Set[Recipient]:
        relayed = [each.reports_success for each in self._all if IRelayDelivery.providedBy(each)]
        return self._home.union(*relayed)

    @property
    def _all(self) -> Sequence[IDelivery]:
        return list(self._deliveries.values())

    async def add_recipient(self, recipient: Recipient) -> None:
        target = await self._homeward.target(recipient.address)
        if target not in self._deliveries:
            self._deliveries[target] = await target.begin(*self._envelope)
        await self._deliveries[target].add_recipient(recipient)
        if target is self._homeward.home:
            self._home.add(recipient)

    async def prepare(self, message: Message) -> Results:
        return _joined([await each.prepare(message) for each in self._all])

    async def commit(self) -> None:
        for each in self._all:
            await each.commit()

    async def deliver(self, message: Message) -> Results:
        """Each has its own answers: the two have nothing to do with one another."""
        results: dict[Recipient, SMTPError | None] = {}
        for target, each in self._deliveries.items():
            try:
                results.update(await each.deliver(message))
            except SMTPError as error:
                if target is not self._homeward.home:
                    raise
                results.update(dict.fromkeys(self._home, error))
        return results

    def abort(self) -> None:
        for each in self._all:
            each.abort()


def _joined(results: Sequence[Results]) -> Results:
    return {recipient: error for each in results for recipient, error in each.items()}
