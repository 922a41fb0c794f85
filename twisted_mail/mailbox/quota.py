"""Mailboxes that may hold so much and no more: a target around the mailbox store.

A full mailbox is refused for now at RCPT, before anybody else of the same alias is added, and again at the end of data,
when the size is known.  A message larger than the whole quota is refused for good.  The user is told at each of
`quotanotice.LEVELS`, once until the mailbox is below it again.  Where the usage cannot be read, mail is taken.
Accounts without a quota pay one look into memory, and one look into the directory if anybody has one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Blocking, Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IRoom
from twisted_mail.mailbox.quotanotice import level_of, notice, remember_level, told_level
from twisted_mail.mailbox.usage import Usages
from twisted_mail.message.identifier import message_id
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import FilterDelivery

Results = Mapping[Recipient, SMTPError | None]


class Quotas(Protocol):
    """Who may keep how much."""

    def exist(self) -> bool: ...

    def of(self, account: Address) -> int | None: ...


@implementer(IDeliveryTarget, IRoom)
class LimitedMailboxes:
    """Recipients are accounts in their canonical spelling."""

    log = Logger()

    def __init__(
        self,
        store: IDeliveryTarget,
        path_of: Callable[[Address], str],
        quotas: Quotas,
        hostname: str,
        blocking: Blocking,
        clock: IReactorTime,
    ) -> None:
        """*clock* gives Unix time, as a reactor does; *hostname* stands in the messages that warn."""
        self._store = store
        self.path_of = path_of
        self._quotas = quotas
        self._hostname = hostname
        self._clock = clock
        self.usages = Usages(blocking)

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        delivery = await self._store.begin(origin, sender, options)
        return _LimitedDelivery(delivery, self, origin.session) if self._quotas.exist() else delivery

    async def check(self, named: Address, accounts: Sequence[Address], size: int | None) -> None:
        if not self._quotas.exist():
            return
        for account in accounts:
            quota = self._quotas.of(account)
            if quota is not None:
                await self.usage(account, quota, size or 1, f"The mailbox of {named}")

    def quota_of(self, account: Address) -> int | None:
        return self._quotas.of(account)

    async def usage(self, account: Address, quota: int, size: int, whose: str) -> int:
        """Octets before a message of *size* comes.  Raises SMTPError, about the mailbox that is *whose*."""
        try:
            octets = await self.usages.octets(self.path_of(account), quota - size)
        except OSError:
            self.log.failure("nobody knows how full the mailbox of {account} is", account=account)
            return 0
        if octets + size <= quota:
            return octets
        self.log.info(
            "the mailbox of {account} is full: {octets} of {quota} octets, and {size} were to come",
            event="mailbox.full",
            account=account,
            octets=octets,
            quota=quota,
            size=size,
        )
        if size > quota:
            raise SMTPError.of(552, "2.3", f"{whose} takes no message as large as this one: send a smaller one")
        raise SMTPError.of(452, "2.2", f"{whose} is full, try again later")

    async def tell(self, account: Address, quota: int, before: int, after: int, session: str) -> None:
        """Warn the user if there is reason to.  Octets used *before* and *after* a message came."""
        path = self.path_of(account)
        try:
            known = told_level(path)
            level = level_of(after, quota)
            if level != known:
                remember_level(path, level)
            if level > min(known, level_of(before, quota)):
                await self._warn(account, quota, after, session)
        except (OSError, SMTPError):
            self.log.failure("{account} could not be told that the mailbox is nearly full", account=account)

    async def _warn(self, account: Address, quota: int, octets: int, session: str) -> None:
        """The warning itself always has room."""
        identifier = message_id(int(self._clock.seconds() * 1000), os.urandom(10))
        message = notice(identifier, account, self._hostname, octets, quota)
        delivery = await self._store.begin(Origin(peer="", session=session), None, MailOptions())
        recipient = Recipient(account)
        await delivery.add_recipient(recipient)
        if refusal := (await delivery.deliver(message))[recipient]:
            raise refusal
        self.usages.grew(self.path_of(account), message.size)
        self.usages.came(self.path_of(account), message.size)
        self.log.info("told {account} that the mailbox is nearly full", event="mailbox.warned", account=account)


class _LimitedDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, target: LimitedMailboxes, session: str) -> None:
        super().__init__(inner)
        self._target = target
        self._session = session
        self._recipients: list[Recipient] = []
        self._quotas: dict[Address, int] = {}
        self._before: dict[Address, int] = {}
        """Octets used by those for whom this message is expected already."""
        self._size = 0

    async def add_recipient(self, recipient: Recipient) -> None:
        await self._inner.add_recipient(recipient)
        self._recipients.append(recipient)
        quota = self._target.quota_of(recipient.address)
        if quota is not None:
            self._quotas[recipient.address] = quota

    async def prepare(self, message: Message) -> Results:
        if refusal := await self._count(message.size):
            return dict.fromkeys(self._recipients, refusal)
        results = await self._inner.prepare(message)
        if any(results.values()):
            self._uncount()
        return results

    async def commit(self) -> None:
        await self._inner.commit()
        await self._tell()

    async def deliver(self, message: Message) -> Results:
        if refusal := await self._count(message.size):
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

    async def _count(self, size: int) -> SMTPError | None:
        """Take the room before the disk is waited for: another message may come meanwhile."""
        self._size = size
        try:
            for account, quota in self._quotas.items():
                # not by its address: who wrote to an alias need not know who is behind it
                before = await self._target.usage(account, quota, size, "The mailbox of a recipient")
                self._target.usages.expect(self._target.path_of(account), size)
                self._before[account] = before
        except SMTPError as error:
            self._uncount()
            return error
        return None

    def _uncount(self) -> None:
        before, self._before = self._before, {}
        for account in before:
            self._target.usages.dismiss(self._target.path_of(account), self._size)

    async def _tell(self) -> None:
        told, self._before = self._before, {}  # it has come: abort() takes nothing back
        for account in told:
            self._target.usages.came(self._target.path_of(account), self._size)
        for account, octets in told.items():
            await self._target.tell(account, self._quotas[account], octets, octets + self._size, self._session)
