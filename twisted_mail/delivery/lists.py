"""Shows the owner of a list who is on it."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import implementer

from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IListOwner, IUsers
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin


@implementer(IDeliveryTarget, IListOwner)
class ListOwner:
    """The avatar of an account: *target*, and the lists that the account owns."""

    def __init__(self, account: Address, users: IUsers, target: IDeliveryTarget) -> None:
        self._account = account
        self._users = users
        self._target = target

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return await self._target.begin(origin, sender, options)

    async def members(self, alias: Address) -> Sequence[Address]:
        return await self._users.members(alias, self._account)
