"""What one account may send in an hour and in a day: a filter in front of where its messages go."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Blocking, Message
from twisted_mail.delivery.ledger import Excess, Ledger, SendingLimits
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import FilterDelivery

LimitsOf = Callable[[Address], SendingLimits]


@dataclass(frozen=True, slots=True)
class SendingRules:
    """What the filters of all accounts share."""

    ledger: Ledger
    limits_of: LimitsOf
    """A look into the directory, as short as those of the router."""
    blocking: Blocking
    clock: IReactorTime
    """Gives Unix time, as a reactor does."""


@implementer(IDeliveryTarget)
class LimitedSending:
    """The messages of one account, as many as it may send."""

    log = Logger()

    def __init__(self, account: Address, target: IDeliveryTarget, rules: SendingRules) -> None:
        self._account = account
        self._target = target
        self._rules = rules

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _LimitedDelivery(await self._target.begin(origin, sender, options), self)

    async def check(self, recipients: list[Address]) -> None:
        """Raises SMTPError: one message too many."""
        rules, account = self._rules, self._account
        limits = rules.limits_of(account)
        if limits.is_empty:
            return
        texts = [str(address.key) for address in recipients]

        def take() -> Excess | None:
            return rules.ledger.take(str(account), texts, limits, rules.clock.seconds())

        try:
            excess = await rules.blocking(take)
        except sqlite3.Error:
            # who may send is a question of the password; a broken ledger is no reason to send nothing
            self.log.failure("the ledger of what accounts send cannot be used")
            return
        if excess is not None:
            assert isinstance(excess, Excess)
            self.log.info("{account} is over {limit} {what}", account=account, limit=excess.limit, what=excess.what)
            raise refusal(excess)


class _LimitedDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, target: LimitedSending) -> None:
        super().__init__(inner)
        self._target = target
        self._recipients: list[Address] = []

    async def add_recipient(self, recipient: Recipient) -> None:
        await self._inner.add_recipient(recipient)
        self._recipients.append(recipient.address)

    async def rewrite(self, message: Message) -> Message:
        await self._target.check(self._recipients)
        return message


def refusal(excess: Excess) -> SMTPError:
    """What the person hears."""
    what = excess.what if excess.limit != 1 else excess.what.replace("s a", " a", 1)
    limit = f"You may send {'' if 'message' in what else 'to '}{excess.limit} {what}"
    if excess.wait is None:
        return SMTPError.of(550, "5.3", f"{limit}: send this to fewer people, or ask the administrator for more")
    wait = _in_words(excess.wait)
    return SMTPError.of(451, "7.1", f"{limit}: try again in {wait}, or ask the administrator for more")


def _in_words(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    if minutes <= 1:
        return "a minute"
    return f"{minutes} minutes" if minutes < 120 else f"{math.ceil(minutes / 60)} hours"
