"""Sends each recipient of a message to where it belongs: a mailbox here, or the world outside.

Where an alias leads out of the server, or is a list with an owner, the copies have another envelope sender
(forwarding.py), and each sender, target and alias that leads out makes a delivery of its own.  A message goes to all of
them or to none: with several, all prepare before one commits.  (A commit that fails after another succeeded answers
451, and the client's retry makes a second copy in the target that had it.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.delivery.forwarding import ReturnPaths
from twisted_mail.interfaces import (
    Expansion,
    IDelivery,
    IDeliveryTarget,
    IRoom,
    IUsers,
    NoSuchUser,
    Results,
    UserDisabled,
    Way,
)
from twisted_mail.message.header import delivered_to
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient, RecipientOptions
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.wrapping import Parts, deliver_all, prepare_all


@implementer(IDeliveryTarget)
class Router:
    """*local* takes the accounts' canonical addresses, *outside* everything in domains that are not ours."""

    def __init__(
        self,
        users: IUsers,
        local: IDeliveryTarget,
        outside: IDeliveryTarget,
        return_paths: ReturnPaths,
        room: IRoom | None = None,
    ) -> None:
        """*room*: of the mailboxes of *local*, if they can be full."""
        self._users = users
        self.return_paths = return_paths
        self.local = local
        self.outside = outside
        self.room = room

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> RoutedDelivery:
        return RoutedDelivery(self, origin, sender, options)

    async def expand(self, address: Address, sender: Address | None = None) -> Expansion:
        """Where mail for *address* goes.  Raises SMTPError: nowhere, or *sender* has no business there."""
        if address.domain and not await self._users.is_local(address.domain):
            return Expansion((), (address,))
        if (original := self.return_paths.original(address, sender)) is not None:
            return await self.expand(original, sender)
        try:
            return await self._users.expand(address)
        except NoSuchUser:
            raise SMTPError.of(550, "1.1", f"There is no mailbox {address} here") from None
        except UserDisabled:
            raise SMTPError.of(550, "2.1", f"The mailbox {address} is switched off") from None


class _Leg(NamedTuple):
    """What goes the same way in the same name: one delivery."""

    target: IDeliveryTarget
    sender: Address | None
    alias: Address | None = None
    """By which it leaves us: loops.py knows it by that if it comes back (docs/decisions/0013)."""
    owned: bool = False
    """*sender* is the owner of a list, who knows nothing of what the first sender wants reported."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """A member of an alias to whom there is no way, while others are reached."""

    alias: Recipient
    member: Address
    owner: Address | None
    """Who hears of it; None: the sender."""
    refusal: Reply


@implementer(IDelivery)
class RoutedDelivery:
    """*unreached*: whom to report once the message is taken."""

    _log = Logger()

    def __init__(self, router: Router, origin: Origin, sender: Address | None, options: MailOptions) -> None:
        self._router = router
        self._origin = origin
        self._sender = sender
        self._options = options
        self._straight = {target: _Leg(target, sender) for target in (router.local, router.outside)}
        """Where no alias is on the way."""
        self._deliveries: dict[_Leg, IDelivery] = {}
        self._added: set[tuple[IDeliveryTarget, Address]] = set()
        self._recipients: list[Recipient] = []
        self.unreached: list[Unreached] = []

    async def add_recipient(self, recipient: Recipient) -> None:
        expansion = await self._router.expand(recipient.address, self._sender)
        if self._router.room is not None:  # first: no other member has been added in vain then
            await self._router.room.check(recipient.address, expansion.mailboxes, self._options.size)
        several = len(expansion.mailboxes) + len(expansion.outside) > 1
        named = Recipient(recipient.address, recipient.options.of_members()) if several else recipient
        reached, unreached = False, []
        for target, address in self._destinations(expansion):
            way = expansion.ways.get(address)
            try:
                await self._add(target, address, way, named)
                reached = True
            except SMTPError as error:
                if error.reply.is_temporary:
                    raise
                unreached.append(Unreached(recipient, address, way.owner if way is not None else None, error.reply))
        if unreached and not reached:
            raise SMTPError(unreached[0].refusal)
        self.unreached += unreached
        self._recipients.append(recipient)
        if [recipient.address] != [*expansion.mailboxes, *expansion.outside]:
            self._note(recipient.address, expansion)

    def _note(self, address: Address, expansion: Expansion) -> None:
        self._log.debug(
            "{recipient} stands for {mailboxes} here and {outside} elsewhere",
            event="address.expanded",
            session=self._origin.session,
            recipient=address,
            mailboxes=[str(each) for each in expansion.mailboxes],
            outside=[str(each) for each in expansion.outside],
        )

    def _destinations(self, expansion: Expansion) -> Iterator[tuple[IDeliveryTarget, Address]]:
        """Outside first: it may refuse for now, and then no mailbox here has been added in vain."""
        for address in expansion.outside:
            yield self._router.outside, address
        for address in expansion.mailboxes:
            yield self._router.local, address

    async def _add(self, target: IDeliveryTarget, address: Address, way: Way | None, named: Recipient) -> None:
        """*named*: what the client said, *way*: how it led to *address*."""
        if (target, address) in self._added:
            return
        leg = self._straight[target] if way is None else await self._leg(target, way, named.address)
        delivery = self._deliveries.get(leg)
        if delivery is None:
            options = replace(self._options, ret=None, envelope_id=None) if leg.owned else self._options
            delivery = self._deliveries[leg] = await target.begin(self._origin, leg.sender, options)
        if leg.owned or address is not named.address:  # mostly the same object: nothing is compared
            named = Recipient(address, RecipientOptions() if leg.owned else named.options, named.address)
        await delivery.add_recipient(named)
        self._added.add((target, address))

    async def _leg(self, target: IDeliveryTarget, way: Way, named: Address) -> _Leg:
        leaves = target is self._router.outside
        sender = await self._router.return_paths.sender_on(way, self._sender, leaves=leaves)
        alias = Address(named.local_part, named.domain or way.domain) if leaves else None
        return _Leg(target, sender, alias, way.owner is not None and sender == way.owner)

    async def prepare(self, message: Message) -> Results:
        return self._all_or_none(await prepare_all(self._parts(message)))

    async def commit(self) -> None:
        for delivery in self._deliveries.values():
            await delivery.commit()

    async def deliver(self, message: Message) -> Results:
        return self._all_or_none(await deliver_all(self._parts(message)))

    def abort(self) -> None:
        for delivery in self._deliveries.values():
            delivery.abort()

    def _parts(self, message: Message) -> Parts:
        return [(delivery, _as_sent_on(leg, message)) for leg, delivery in self._deliveries.items()]

    def _all_or_none(self, results: Results) -> Results:
        """What each recipient that the client named hears; one refusal refuses all."""
        refusal = next((error for error in results.values() if error is not None), None)
        if refusal is not None:
            self.abort()
        return dict.fromkeys(self._recipients, refusal)


def _as_sent_on(leg: _Leg, message: Message) -> Message:
    """With the alias by which it leaves; nobody on this leg learns of another that was named."""
    return message.with_fields(delivered_to(leg.alias)) if leg.alias is not None else message


@implementer(IDeliveryTarget)
class Refusing:
    """A target that takes nobody: where outgoing mail is switched off."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        raise SMTPError(self._reply)
