"""What may go wrong with mail, on order: refusals, waiting and lost connections for chosen recipients.

For people who test how their own software takes it; only where mail is captured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from twisted_mail.interfaces import HangUp, IDelivery, IDeliveryTarget
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.wrapping import FilterDelivery

_REFUSAL = re.compile(r"([45][0-9][0-9])(?: ([45])\.([0-9]{1,3}\.[0-9]{1,3}))?(?: (.+))?")


@dataclass(frozen=True, slots=True)
class Mishap:
    """What happens to recipients whose address matches *pattern* (as in a shell, lower case)."""

    pattern: str
    wait: float = 0.0
    """Seconds before anything else."""
    reply: Reply | None = None
    drop: bool = False

    def concerns(self, address: Address) -> bool:
        return fnmatchcase(str(address).lower(), self.pattern)


def parse_refusal(text: str) -> Reply | None:
    """`452 4.2.2 Mailbox full`; the enhanced code and the words may be missing.  None: not a refusal."""
    match = _REFUSAL.fullmatch(text)
    if match is None or (match[2] and match[2] != match[1][0]):
        return None
    return Reply(int(match[1]), match[3] or "0.0", match[4] or "Refused, as the rules of [chaos] say")


@implementer(IDeliveryTarget)
class Chaotic:
    """A target around *target* that has mishaps."""

    def __init__(self, target: IDeliveryTarget, mishaps: Sequence[Mishap], clock: IReactorTime) -> None:
        """All *mishaps* that concern a recipient happen, in their order."""
        self._target = target
        self._mishaps = mishaps
        self._clock = clock

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _ChaoticDelivery(await self._target.begin(origin, sender, options), self._mishaps, self._clock)


class _ChaoticDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, mishaps: Sequence[Mishap], clock: IReactorTime) -> None:
        super().__init__(inner)
        self._mishaps = mishaps
        self._clock = clock

    async def add_recipient(self, recipient: Recipient) -> None:
        for mishap in self._mishaps:
            if not mishap.concerns(recipient.address):
                continue
            if mishap.wait:
                await deferLater(self._clock, mishap.wait)
            if mishap.drop:
                raise HangUp(mishap.pattern)
            if mishap.reply is not None:
                raise SMTPError(mishap.reply)
        await self._inner.add_recipient(recipient)
