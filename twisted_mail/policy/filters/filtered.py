"""A target around a target: each message passes the filters of a listener, one after another.

A filter that fails is not asked again about that message; what happens then was chosen for it.  Where a filter has
changed the envelope, the delivery is opened anew with what is left.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, Results
from twisted_mail.policy.filters.contract import Filter, FilterFailed, Inspection, Mail
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import Reply, SMTPError

NO_ANSWER = Reply(451, "3.0", "A filter of this server does not answer, try again later")

T = TypeVar("T")


class OnFailure(Enum):
    """What happens to a message where its filter does not answer."""

    ACCEPT = "accept"
    """It goes on without that filter."""
    TEMPFAIL = "tempfail"
    """The client may try again later."""


@dataclass(eq=False)
class Stage:
    """A filter in its place."""

    name: str
    filter: Filter
    on_failure: OnFailure
    failures: int = 0
    """Since the start."""


@dataclass(frozen=True, slots=True)
class _Transaction:
    """What `begin` is called with."""

    origin: Origin
    sender: Address | None
    options: MailOptions


@implementer(IDeliveryTarget)
class Filtered:
    """*target* for what has passed all *stages*."""

    def __init__(self, target: IDeliveryTarget, stages: Sequence[Stage]) -> None:
        self._target = target
        self._stages = stages

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        delivery = _FilteredDelivery(self._target, _Transaction(origin, sender, options))
        try:
            await delivery.open(self._stages)
        except BaseException:
            delivery.abort()
            raise
        return delivery


@implementer(IDelivery)
class _FilteredDelivery:
    log = Logger()

    def __init__(self, target: IDeliveryTarget, transaction: _Transaction) -> None:
        self._target = target
        self._transaction = transaction
        self._inner: IDelivery | None = None
        self._inspections: dict[Stage, Inspection] = {}
        """Of the filters that have not failed."""
        self._known: list[Recipient] = []
        """To the inner delivery."""
        self._recipients: list[Recipient] = []
        """Those that no filter refused."""

    async def open(self, stages: Sequence[Stage]) -> None:
        """Raises SMTPError."""
        t = self._transaction
        self._inner = await self._target.begin(t.origin, t.sender, t.options)
        for stage in stages:
            inspection = await self._ask(stage, stage.filter.begin(t.origin, t.sender, t.options), None)
            if inspection is not None:
                self._inspections[stage] = inspection

    async def add_recipient(self, recipient: Recipient) -> None:
        assert self._inner is not None
        await self._inner.add_recipient(recipient)
        self._known.append(recipient)
        for stage, inspection in list(self._inspections.items()):
            await self._ask(stage, inspection.recipient(recipient), None)
        self._recipients.append(recipient)

    async def prepare(self, message: Message) -> Results:
        inner, message = await self._passed(message)
        return self._answers({} if inner is None else await inner.prepare(message))

    async def commit(self) -> None:
        if self._inner is not None:
            await self._inner.commit()

    async def deliver(self, message: Message) -> Results:
        inner, message = await self._passed(message)
        return self._answers({} if inner is None else await inner.deliver(message))

    def abort(self) -> None:
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.abort()
        for inspection in self._inspections.values():
            inspection.abort()

    async def _passed(self, message: Message) -> tuple[IDelivery | None, Message]:
        """What is to be delivered, and how; None: it is not.  Raises SMTPError."""
        mail = Mail(self._transaction.sender, tuple(self._recipients), message)
        for stage, inspection in list(self._inspections.items()):
            before, mail = mail, await self._ask(stage, inspection.message(mail), mail)
            if mail is not before:
                self._note(stage, message, "changed" if mail.recipients else "thrown away")
            if not mail.recipients:
                self.abort()
                return None, message
        if mail.sender != self._transaction.sender or list(mail.recipients) != self._known:
            await self._open_again(mail)
        if mail.message.evidence[: len(message.evidence)] != message.evidence:  # a filter has made the message anew
            return self._inner, mail.message.with_evidence(*message.evidence)
        return self._inner, mail.message

    async def _open_again(self, mail: Mail) -> None:
        """With another envelope.  Raises SMTPError: it is refused, for what was there before as well."""
        if self._inner is not None:
            self._inner.abort()
        self._inner = None
        self._inner = await self._target.begin(self._transaction.origin, mail.sender, self._transaction.options)
        for recipient in mail.recipients:
            await self._inner.add_recipient(recipient)
        self._known = list(mail.recipients)

    def _answers(self, answers: Results) -> Results:
        """For the recipients that the client has named.  One whom a filter put in their place may refuse, too."""
        added = [error for recipient, error in answers.items() if recipient not in self._recipients and error]
        replaced = next(iter(added), None)
        return {recipient: answers.get(recipient, replaced) for recipient in self._recipients}

    async def _ask(self, stage: Stage, question: Coroutine[Any, Any, T], otherwise: T) -> T:
        """*otherwise*: it failed, and that does not matter.  Raises SMTPError."""
        try:
            return await question
        except SMTPError as error:
            self._note(stage, None, "refused", reply=str(error.reply))
            raise
        except FilterFailed as error:
            self._note_failure(stage, error)
            if (inspection := self._inspections.pop(stage, None)) is not None:
                inspection.abort()
            if stage.on_failure is OnFailure.TEMPFAIL:
                raise SMTPError(NO_ANSWER) from error
            return otherwise

    def _note(self, stage: Stage, message: Message | None, action: str, **about: object) -> None:
        self.log.info(
            "the filter {filter}: {action}",
            event="message.filtered",
            filter=stage.name,
            action=action,
            sender=str(self._transaction.sender or ""),
            session=self._transaction.origin.session,
            id=message.id if message is not None else "",
            **about,
        )

    def _note_failure(self, stage: Stage, error: FilterFailed) -> None:
        stage.failures += 1
        cause = error.__cause__
        is_fault = error.is_fault and cause is not None
        self.log.emit(
            LogLevel.error if is_fault else LogLevel.warn,
            "the filter {filter} failed: {problem}; {consequence}",
            event="filter.failed",
            filter=stage.name,
            problem=str(error),
            consequence="asked to try again" if stage.on_failure is OnFailure.TEMPFAIL else "going on without it",
            failures=stage.failures,
            session=self._transaction.origin.session,
            **({"log_failure": Failure(cause)} if is_fault else {}),
        )
