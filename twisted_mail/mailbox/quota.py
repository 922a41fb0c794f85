"""Mailboxes, and domains, that may hold so much and no more: a target around the mailbox store.

What is full is refused for now at RCPT, before anybody else of the same alias is added, and again at the end of data,
when the size is known.  A message larger than the whole quota is refused for good.  The user, or the postmaster of the
domain, is told at each of `quotanotice.LEVELS`, once until it is below that again.  Where the usage cannot be read,
mail is taken.  Without a quota a message pays one look into memory, and two into the directory if anybody has one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Blocking, Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IRoom, Results
from twisted_mail.mailbox.domainusage import DomainUsages
from twisted_mail.mailbox.limit import Limit
from twisted_mail.mailbox.quotanotice import (
    DOMAIN_FILE_NAME,
    FILE_NAME,
    level_of,
    notice,
    remember_level,
    told_level,
)
from twisted_mail.mailbox.usage import Usages
from twisted_mail.message.identifier import message_id
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import FilterDelivery


class Quotas(Protocol):
    """Who may keep how much."""

    def exist(self) -> bool: ...

    def of(self, account: Address) -> int | None: ...

    def of_domain(self, domain: str) -> int | None: ...


@implementer(IDeliveryTarget, IRoom)
class LimitedMailboxes:
    """Recipients are accounts in their canonical spelling."""

    log = Logger()

    def __init__(
        self,
        store: IDeliveryTarget,
        path_of: Callable[[Address], str],
        quotas: Quotas,
        reports: Callable[[], IDeliveryTarget],
        hostname: str,
        blocking: Blocking,
        clock: IReactorTime,
    ) -> None:
        """*reports*: takes what postmasters are told, asked when there is one; *hostname* stands in it.

        *clock* gives Unix time, as a reactor does.
        """
        self._store = store
        self._path_of = path_of
        self._quotas = quotas
        self._reports = reports
        self._hostname = hostname
        self._clock = clock
        self._usages = Usages(blocking)
        self._domains = DomainUsages(self._usages)

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        delivery = await self._store.begin(origin, sender, options)
        return _LimitedDelivery(delivery, self, origin.session) if self._quotas.exist() else delivery

    async def check(self, named: Address, accounts: Sequence[Address], size: int | None) -> None:
        if not self._quotas.exist():
            return
        messages = Counter(limit for account in accounts for limit in self.limits(account))
        for limit, count in messages.items():
            await self.usage(limit, (size or 1) * count, f"The mailbox of {named}")

    def limits(self, account: Address) -> Iterator[Limit]:
        """What a message for *account* must have room in."""
        path = self._path_of(account)
        if (quota := self._quotas.of(account)) is not None:
            yield Limit(path, quota, account, f"{path}/{FILE_NAME}", self._usages)
        if (quota := self._quotas.of_domain(account.domain)) is not None:
            folder = os.path.dirname(path)
            postmaster = Address("postmaster", account.domain)
            yield Limit(folder, quota, postmaster, f"{folder}/{DOMAIN_FILE_NAME}", self._domains, of_domain=True)

    async def usage(self, limit: Limit, size: int, mailbox: str) -> int:
        """Octets before *size* more come.  Raises SMTPError, about *mailbox* or the domain."""
        try:
            octets = await limit.sums.octets(limit.path, limit.quota - size)
        except OSError:
            self.log.failure("nobody knows how much {name} keeps", name=limit.name)
            return 0
        if octets + size <= limit.quota:
            return octets
        self.log.info(
            "{name} keeps {octets} of {quota} octets, and {size} were to come: it is full",
            event="mailbox.full",
            name=limit.name,
            octets=octets,
            quota=limit.quota,
            size=size,
        )
        raise limit.refusal(size, mailbox)

    async def tell(self, limit: Limit, before: int, after: int, session: str) -> None:
        """Warn who is to be told if there is reason to.  Octets used *before* and *after* a message came."""
        try:
            known = told_level(limit.level_file)
            level = level_of(after, limit.quota)
            if level != known:
                remember_level(limit.level_file, level)
            if level > min(known, level_of(before, limit.quota)):
                await self._warn(limit, after, session)
        except (OSError, SMTPError):
            self.log.failure("{told} could not be told that there is little room", told=limit.told)

    async def _warn(self, limit: Limit, octets: int, session: str) -> None:
        """That of a mailbox always has room in it; a postmaster may be somebody else."""
        identifier = message_id(int(self._clock.seconds() * 1000), os.urandom(10))
        message = notice(identifier, limit.told, self._hostname, octets, limit.quota, of_domain=limit.of_domain)
        target = self._reports() if limit.of_domain else self._store
        delivery = await target.begin(Origin(peer="", session=session), None, MailOptions())
        recipient = Recipient(limit.told)
        try:
            await delivery.add_recipient(recipient)
            if refusal := (await delivery.deliver(message))[recipient]:
                raise refusal
        except BaseException:
            delivery.abort()
            raise
        if not limit.of_domain:
            for each in self.limits(limit.told):
                each.sums.grew(each.path, message.size)
        self.log.info("told {told} that there is little room", event="mailbox.warned", told=limit.told)


class _LimitedDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, target: LimitedMailboxes, session: str) -> None:
        super().__init__(inner)
        self._target = target
        self._session = session
        self._recipients: list[Recipient] = []
        self._messages: Counter[Limit] = Counter()
        """How many copies each gets."""
        self._before: dict[Limit, int] = {}
        """Octets used where this message is expected already."""
        self._size = 0

    async def add_recipient(self, recipient: Recipient) -> None:
        await self._inner.add_recipient(recipient)
        self._recipients.append(recipient)
        self._messages.update(self._target.limits(recipient.address))

    async def prepare(self, message: Message) -> Results:
        if refusal := await self._count(message):
            return dict.fromkeys(self._recipients, refusal)
        results = await self._inner.prepare(message)
        if any(results.values()):
            self._uncount()
        return results

    async def commit(self) -> None:
        await self._inner.commit()
        await self._tell()

    async def deliver(self, message: Message) -> Results:
        if refusal := await self._count(message):
            return dict.fromkeys(self._recipients, refusal)
        results = await self._inner.deliver(message)
        if any(results.values()):
            self._uncount()
        else:
            await self._tell()
        return results

    def abort(self) -> None:
        self._uncount()
        self._inner.abort()

    async def _count(self, message: Message) -> SMTPError | None:
        """Take the room before the disk is waited for: another message may come meanwhile."""
        self._size = message.size * len(message.places)
        try:
            for limit in self._messages:
                # not by its address: who wrote to an alias need not know who is behind it
                before = await self._target.usage(limit, self._octets(limit), "The mailbox of a recipient")
                limit.sums.expect(limit.path, self._octets(limit))
                self._before[limit] = before
        except SMTPError as error:
            self._uncount()
            return error
        return None

    def _uncount(self) -> None:
        before, self._before = self._before, {}
        for limit in before:
            limit.sums.dismiss(limit.path, self._octets(limit))

    async def _tell(self) -> None:
        told, self._before = self._before, {}  # it has come: abort() takes nothing back
        for limit in told:
            limit.sums.came(limit.path, self._octets(limit))
        for limit, octets in told.items():
            await self._target.tell(limit, octets, octets + self._octets(limit), self._session)

    def _octets(self, limit: Limit) -> int:
        return self._size * self._messages[limit]
