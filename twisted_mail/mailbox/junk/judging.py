"""Asks the filter of each account that gets a message: a target around the mailboxes.

What an account's filter says is evidence for that account alone, so a recipient whose filter has learned enough has a
delivery of its own; the others share one, as ever.  All are prepared before any is committed.  A filter that cannot be
read says nothing.  What this server itself has to say is not judged.

An account whose filter says nothing costs a look into memory; one that has never learned anything one look for its
file, too, every REMEMBERED seconds.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Blocking, Message
from twisted_mail.forgetful import Forgetful
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, Results
from twisted_mail.mailbox.junk.memory import opened_memory, size_of
from twisted_mail.mailbox.junk.opinion import Opinion, evidence_of, is_trained, opinion_of
from twisted_mail.mailbox.junk.texts import MAX_OCTETS
from twisted_mail.mailbox.junk.words import words_of
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.wrapping import Parts, deliver_all, prepare_all

REMEMBERED = 5.0
"""Seconds for which it is remembered whether an account's filter says anything."""
MAX_REMEMBERED = 100_000
"""Accounts: some 20 MB."""


class Filters:
    """Those of all accounts."""

    log = Logger()

    def __init__(
        self, path_of: Callable[[Address], str], blocking: Blocking, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """*path_of*: where an account's Maildir is."""
        self._path_of = path_of
        self._blocking = blocking
        self._speaking: Forgetful[Address, bool] = Forgetful(MAX_REMEMBERED, clock)

    async def speaks_for(self, account: Address) -> bool:
        """Whether it has learned enough to say something."""
        speaks = self._speaking.get(account)
        if speaks is None:
            speaks = bool(size_of(self._path_of(account))) and await self._is_trained(account)
            self._speaking.put(account, speaks, REMEMBERED)
        return speaks

    async def judge(self, message: Message, accounts: Sequence[Address]) -> Mapping[Address, Opinion]:
        """What the filter of each thinks; without those that cannot be asked."""
        try:
            found = await self._blocking(lambda: self._judge(message, accounts))
        except OSError:
            self.log.failure("a message could not be read for the filters of its recipients", id=message.id)
            return {}
        assert isinstance(found, dict)
        return found

    def _judge(self, message: Message, accounts: Sequence[Address]) -> dict[Address, Opinion]:
        """In a thread."""
        words = words_of(beginning_of(message))
        found = {}
        for account in accounts:
            try:
                with opened_memory(self._path_of(account)) as memory:
                    learned = memory.messages()
                    if is_trained(learned):
                        found[account] = opinion_of(memory.counts(words), learned)
            except OSError:
                self.log.failure("the filter of {account} cannot be asked", account=account)
        return found

    async def _is_trained(self, account: Address) -> bool:
        def look() -> bool:
            with opened_memory(self._path_of(account)) as memory:
                return is_trained(memory.messages())

        try:
            return bool(await self._blocking(look))
        except OSError:
            self.log.failure("the filter of {account} cannot be asked", account=account)
            return False


@implementer(IDeliveryTarget)
class Judging:
    """Recipients are accounts in their canonical spelling."""

    log = Logger()

    def __init__(self, mailboxes: IDeliveryTarget, filters: Filters) -> None:
        self.mailboxes = mailboxes
        self.filters = filters

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        first = await self.mailboxes.begin(origin, sender, options)
        if not (origin.peer or origin.hello):
            return first
        return _JudgedDelivery(self, first, lambda: self.mailboxes.begin(origin, sender, options), origin.session)


@implementer(IDelivery)
class _JudgedDelivery:
    def __init__(
        self, target: Judging, first: IDelivery, begin: Callable[[], Awaitable[IDelivery]], session: str
    ) -> None:
        """*begin*: another delivery like *first*, which nobody has yet."""
        self._target = target
        self._unused: IDelivery | None = first
        self._begin = begin
        self._session = session
        self._shared: IDelivery | None = None
        self._own: dict[Address, IDelivery] = {}

    async def add_recipient(self, recipient: Recipient) -> None:
        if await self._target.filters.speaks_for(recipient.address):
            self._own[recipient.address] = delivery = await self._next()
        else:
            if self._shared is None:
                self._shared = await self._next()
            delivery = self._shared
        await delivery.add_recipient(recipient)

    async def prepare(self, message: Message) -> Results:
        return await prepare_all(await self._judged(message))

    async def commit(self) -> None:
        for delivery in self._deliveries():
            await delivery.commit()

    async def deliver(self, message: Message) -> Results:
        judged = await self._judged(message)
        results = await deliver_all(judged)
        if len(judged) > 1 and (refusal := next(filter(None, results.values()), None)):
            self.abort()
            return dict.fromkeys(results, refusal)
        return results

    def abort(self) -> None:
        for delivery in self._deliveries():
            delivery.abort()

    async def _next(self) -> IDelivery:
        unused, self._unused = self._unused, None
        return unused or await self._begin()

    def _deliveries(self) -> list[IDelivery]:
        """The one that is shared first, if there is one; or that which nobody has."""
        return [each for each in (self._unused, self._shared, *self._own.values()) if each is not None]

    async def _judged(self, message: Message) -> Parts:
        """What each delivery gets."""
        opinions = await self._target.filters.judge(message, list(self._own)) if self._own else {}
        judged = {
            delivery: self._with_evidence(message, account, opinions.get(account))
            for account, delivery in self._own.items()
        }
        return [(delivery, judged.get(delivery, message)) for delivery in self._deliveries()]

    def _with_evidence(self, message: Message, account: Address, opinion: Opinion | None) -> Message:
        evidence = None if opinion is None else evidence_of(opinion, account)
        if evidence is None:
            return message
        self._target.log.debug(
            "{reason}: {points:+g} points",
            event="message.judged",
            session=self._session,
            id=message.id,
            account=account,
            reason=evidence.reason,
            points=evidence.points,
        )
        return message.with_evidence(evidence)


def beginning_of(message: Message) -> bytes:
    """As many octets as are looked at.  Blocks for the disk where the body is in a file."""
    octets = b""
    for piece in message.pieces():
        octets += piece
        if len(octets) >= MAX_OCTETS:
            break
    return octets[:MAX_OCTETS]
