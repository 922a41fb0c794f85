"""How many messages one may begin in a time, of a host or of an account, and a target that keeps to it."""

from __future__ import annotations

import math
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.protocols.rates import Buckets, HostBuckets, Rate
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin
from twisted_mail.smtp.reply import SMTPError


class MessageRates:
    """The limits of one process.  Both questions take a token: 0, or the seconds until there is one again."""

    def __init__(self, by_host: Rate | None, by_account: Rate | None, clock: IReactorTime) -> None:
        """None: no limit."""
        self._hosts = HostBuckets(by_host) if by_host else None
        self._accounts = Buckets(by_account) if by_account else None
        self._clock = clock

    def of_host(self, origin: Origin) -> float:
        return self._hosts.take(origin.peer, self._clock.seconds()) if self._hosts is not None else 0.0

    def of_account(self, account: Address) -> float:
        return self._accounts.take(str(account), self._clock.seconds()) if self._accounts is not None else 0.0


@implementer(IDeliveryTarget)
class RateLimited:
    """Counts transactions that are begun, in front of another target."""

    def __init__(self, target: IDeliveryTarget, take: Callable[[Origin], float]) -> None:
        """*take*: 0 if there may be one more; else the seconds until then."""
        self._target = target
        self._take = take

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        if wait := self._take(origin):
            raise SMTPError.of(451, "7.1", f"Too many messages in a short time, try again in {math.ceil(wait)} seconds")
        return await self._target.begin(origin, sender, options)
