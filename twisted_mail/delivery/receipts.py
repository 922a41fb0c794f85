"""Tells senders who asked for it that a message has arrived (NOTIFY=SUCCESS, RFC 3461 §5.2.1), and whom of an alias
there was no way to.

A recipient here is reported as delivered once the message is on disk; an alias of several, or a list with an owner, as
expanded, and its members report no success of their own (RFC 3461 §5.2.7).  What goes on to another server is reported
by the queue, or by that server.  A report that cannot be written costs the message nothing: it is logged.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.delivery.router import RoutedDelivery, Router, Unreached
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, Results
from twisted_mail.message.dsn import Action, RecipientReport, Report
from twisted_mail.message.identifier import message_id
from twisted_mail.notices import send_report
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient, RecipientOptions
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.wrapping import FilterDelivery

_DONE = Reply(250, "0.0", "")


@implementer(IDeliveryTarget)
class Receipted:
    """The router, with reports of what became of a message at once."""

    log = Logger()

    def __init__(self, router: Router, hostname: str, clock: IReactorTime) -> None:
        """*clock* gives Unix time, as a reactor does; *hostname* names who reports."""
        self._router = router
        self._hostname = hostname
        self._clock = clock

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        inner = await self._router.begin(origin, sender, options)
        if sender is None:  # nobody to be told
            return inner
        return _ReceiptedDelivery(inner, self, Transaction(sender, options, origin.session))

    async def action(self, recipient: Recipient) -> Action | None:
        """What there is to be reported of *recipient*, who is taken, to a sender who wants to hear of success."""
        expansion = await self._router.expand(recipient.address)
        owned = any(way.owner is not None for way in expansion.ways.values())
        if owned or len(expansion.mailboxes) + len(expansion.outside) > 1:
            return Action.EXPANDED
        return Action.DELIVERED if expansion.mailboxes else None

    async def report(self, transaction: Transaction, recipients: Sequence[RecipientReport], message: Message) -> None:
        """*message* is on disk for all who can be reached."""
        seconds = self._clock.seconds()
        now = datetime.fromtimestamp(seconds, UTC)
        report = Report(
            id=message_id(int(seconds * 1000), os.urandom(10)),
            hostname=self._hostname,
            sender=transaction.sender,
            now=now,
            arrival=now,
            recipients=recipients,
            header=message.header,
            envelope_id=transaction.options.envelope_id,
        )
        fields = {"id": message.id, "sender": transaction.sender}
        try:
            await send_report(self._router, report, transaction.session, require_tls=transaction.options.require_tls)
        except SMTPError as error:
            self.log.warn("{id}: no report to <{sender}>: {error!s}", **fields, error=error)
        else:
            self.log.info("{id}: reported to <{sender}>", **fields)


@dataclass(frozen=True, slots=True)
class Transaction:
    """Whose message it is."""

    sender: Address
    options: MailOptions
    session: str

    def for_(self, person: Address) -> Transaction:
        """The same, to be reported to *person*: the owner of a list knows no ENVID of the sender's."""
        if person == self.sender:
            return self
        return replace(self, sender=person, options=replace(self.options, envelope_id=None))


class _ReceiptedDelivery(FilterDelivery):
    def __init__(self, inner: RoutedDelivery, target: Receipted, transaction: Transaction) -> None:
        super().__init__(inner)
        self._routed = inner
        self._target = target
        self._transaction = transaction
        self._actions: dict[Recipient, Action] = {}
        self._prepared: Message | None = None

    async def add_recipient(self, recipient: Recipient) -> None:
        await self._routed.add_recipient(recipient)
        if recipient.options.wants_success and (action := await self._target.action(recipient)) is not None:
            self._actions[recipient] = action

    async def prepare(self, message: Message) -> Results:
        self._prepared = message
        return await super().prepare(message)

    async def commit(self) -> None:
        await super().commit()
        assert self._prepared is not None
        await self._report(self._prepared)

    async def deliver(self, message: Message) -> Results:
        results = await super().deliver(message)
        if not any(results.values()):
            await self._report(message)
        return results

    async def _report(self, message: Message) -> None:
        if not (self._actions or self._routed.unreached):
            return
        told: dict[Address, list[RecipientReport]] = {}
        for recipient, action in self._actions.items():
            told.setdefault(self._transaction.sender, []).append(_described(recipient, action))
        for missed in self._routed.unreached:
            if missed.owner is not None or missed.alias.options.wants_failure:
                told.setdefault(missed.owner or self._transaction.sender, []).append(_missed(missed))
        for person, reports in told.items():
            await self._target.report(self._transaction.for_(person), reports, message)


def _missed(missed: Unreached) -> RecipientReport:
    options = missed.alias.options if missed.owner is None else RecipientOptions()
    return RecipientReport(
        address=missed.member,
        action=Action.FAILED,
        reply=missed.refusal,
        original_recipient=options.original_recipient,
    )


def _described(recipient: Recipient, action: Action) -> RecipientReport:
    return RecipientReport(
        address=recipient.address,
        action=action,
        reply=_DONE,
        original_recipient=recipient.options.original_recipient,
    )
