"""Sends each recipient of a message to where it belongs: a mailbox here, or the world outside.

A message goes to all its targets or to none: with several, all of them prepare before one commits.  (A commit that
fails after another succeeded answers 451, and the client's retry makes a second copy in the target that had it.)
"""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import Expansion, IDelivery, IDeliveryTarget, IUsers, NoSuchUser, UserDisabled
from twisted_mail.message.header import delivered_to
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import Reply, SMTPError

Results = Mapping[Recipient, SMTPError | None]


@implementer(IDeliveryTarget)
class Router:
    """*local* takes the accounts' canonical addresses, *outside* everything in domains that are not ours."""

    def __init__(self, users: IUsers, local: IDeliveryTarget, outside: IDeliveryTarget) -> None:
        self._users = users
        self.local = local
        self.outside = outside

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _RoutedDelivery(self, origin, sender, options)

    async def expand(self, address: Address) -> Expansion:
        """Where mail for *address* goes.  Raises SMTPError: nowhere."""
        if address.domain and not await self._users.is_local(address.domain):
            return Expansion((), (address,))
        try:
            return await self._users.expand(address)
        except NoSuchUser:
            raise SMTPError.of(550, "1.1", f"There is no mailbox {address} here") from None
        except UserDisabled:
            raise SMTPError.of(550, "2.1", f"The mailbox {address} is switched off") from None


@implementer(IDelivery)
class _RoutedDelivery:
    def __init__(self, router: Router, origin: Origin, sender: Address | None, options: MailOptions) -> None:
        self._router = router
        self._envelope = (origin, sender, options)
        self._deliveries: dict[IDeliveryTarget, IDelivery] = {}
        self._added: set[tuple[IDeliveryTarget, Address]] = set()
        self._routes: dict[Recipient, list[Recipient]] = {}

    async def add_recipient(self, recipient: Recipient) -> None:
        expansion = await self._router.expand(recipient.address)
        options = recipient.options
        if len(expansion.mailboxes) + len(expansion.outside) > 1:
            options = options.of_members()
        routed = []
        # outside first: it may refuse, and then no mailbox here has been added in vain
        for target, addresses in (
            (self._router.outside, expansion.outside),
            (self._router.local, expansion.mailboxes),
        ):
            for address in addresses:
                routed.append(Recipient(address, options))
                await self._add(target, routed[-1])
        self._routes[recipient] = routed

    async def _add(self, target: IDeliveryTarget, recipient: Recipient) -> None:
        if (target, recipient.address) in self._added:
            return
        if target not in self._deliveries:
            self._deliveries[target] = await target.begin(*self._envelope)
        await self._deliveries[target].add_recipient(recipient)
        self._added.add((target, recipient.address))

    async def prepare(self, message: Message) -> Results:
        results: dict[Recipient, SMTPError | None] = {}
        for target, delivery in self._deliveries.items():
            results.update(await delivery.prepare(self._as_sent_to(target, message)))
        return self._all_or_none(results)

    async def commit(self) -> None:
        for delivery in self._deliveries.values():
            await delivery.commit()

    async def deliver(self, message: Message) -> Results:
        if len(self._deliveries) == 1:
            ((target, only),) = self._deliveries.items()
            return self._all_or_none(await only.deliver(self._as_sent_to(target, message)))
        results = await self.prepare(message)
        if not any(results.values()):
            await self.commit()
        return results

    def abort(self) -> None:
        for delivery in self._deliveries.values():
            delivery.abort()

    def _as_sent_to(self, target: IDeliveryTarget, message: Message) -> Message:
        """With Delivered-To where an alias leads out: loops.py knows it by that if it comes back.

        Only where there is one recipient, as in Received: else each would read of the others.
        """
        if target is not self._router.outside or len(self._routes) != 1:
            return message
        ((alias, routed),) = self._routes.items()
        if routed[0].address == alias.address:  # nobody's alias: the address itself is outside
            return message
        return message.with_fields(delivered_to(alias.address))

    def _all_or_none(self, results: Results) -> Results:
        """What each recipient that the client named hears; one refusal refuses all."""
        refusal = next((error for error in results.values() if error is not None), None)
        if refusal is not None:
            self.abort()
        return dict.fromkeys(self._routes, refusal)


@implementer(IDeliveryTarget)
class Refusing:
    """A target that takes nobody: where outgoing mail is switched off."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        raise SMTPError(self._reply)
