"""What the owners of mailboxes want done with new mail: a target around their mailboxes.

At the end of data each account's rules say where the message goes (rules/ruleset.py).  Accounts for which that is the
same share one delivery; what is sent on is prepared with them, and nothing is committed before all is prepared.  Rules
that cannot be read, and mail that cannot be sent on, leave the message in the inbox; the log says why.  Answers come
last, when the message is on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, Results
from twisted_mail.mailbox.answering import Answers
from twisted_mail.mailbox.wishes import NONE, WishReader
from twisted_mail.message.header import visited
from twisted_mail.message.place import INBOX, Place
from twisted_mail.rules.letter import Letter
from twisted_mail.rules.ruleset import Decision, decide
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient, Transaction
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import prepare_all

MAX_VISITED = 5
"""Delivered-To fields with which a message goes on; each account that sends on adds one."""


class Forward(Protocol):
    """How a message goes on from an account."""

    async def prepare(self, account: Address, to: Recipient, message: Message, transaction: Transaction) -> IDelivery:
        """Ready to be committed or aborted.  Raises SMTPError: nobody takes it."""


@implementer(IDeliveryTarget)
class RuledMailboxes:
    """Recipients are accounts in their canonical spelling."""

    log = Logger()

    def __init__(
        self,
        mailboxes: IDeliveryTarget,
        wishes: WishReader,
        forward: Forward,
        answers: Answers,
    ) -> None:
        self.mailboxes = mailboxes
        self._wishes = wishes
        self.forward = forward
        self.answers = answers

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        first = await self.mailboxes.begin(origin, sender, options)
        return _RuledDelivery(self, first, Transaction(origin, sender, options))

    def consider(self, recipient: Recipient, message: Message, transaction: Transaction) -> _Outcome | None:
        """What is to become of *message* in the mailbox of *recipient*; None: what becomes of mail without rules."""
        wishes = self._wishes.of(recipient.address)
        if wishes is NONE:
            return None
        outcome = _Outcome(recipient, _NO_RULES, wishes.is_away)
        if wishes.problem:
            self.keep(outcome, message, transaction, wishes.problem)
        elif wishes.rules:
            letter = Letter(message.header, transaction.sender, recipient.as_named, message.size, message.junk)
            outcome.decision = decide(wishes.rules, letter)
        return outcome

    def keep(self, outcome: _Outcome, message: Message, transaction: Transaction, problem: str) -> None:
        """In the inbox after all, and say why."""
        places = outcome.decision.places
        if not any(place.folder in (None, "") for place in places):
            outcome.decision = replace(outcome.decision, places=(*places, Place()))
        self.log.warn(
            "{id}: the rules of {account} could not be followed, the message is kept: {problem}",
            event="rules.failed",
            id=message.id,
            session=transaction.origin.session,
            account=outcome.recipient.address,
            problem=problem,
        )

    def tell(self, outcome: _Outcome, message: Message, transaction: Transaction) -> None:
        """What the rules did, if one held."""
        if outcome.decision.rules:
            self.log.info(
                "{id}: rules of {account} ({rules}): {done}",
                event="message.ruled",
                id=message.id,
                session=transaction.origin.session,
                account=outcome.recipient.address,
                rules=list(outcome.decision.rules),
                done=", ".join(done_in_words(outcome.decision, message.junk)),
            )


_NO_RULES = Decision()


@dataclass(slots=True)
class _Outcome:
    """What becomes of a message for one of its recipients."""

    recipient: Recipient
    decision: Decision
    is_away: bool


def done_in_words(decision: Decision, junk: bool) -> list[str]:
    """Each deed, with a message that is *junk* or not; at least one."""
    if decision.discards:
        return ["thrown away"]
    kept = {None: "kept with the junk" if junk else "kept in the inbox", "": "kept in the inbox"}
    deeds = [kept.get(place.folder) or f"put into {str(place.folder)[1:]}" for place in decision.places]
    return [*deeds, *(f"sent on to {address}" for address in decision.forward)]


@implementer(IDelivery)
class _RuledDelivery:
    def __init__(self, target: RuledMailboxes, first: IDelivery, transaction: Transaction) -> None:
        self._target = target
        self._first = first
        self._transaction = transaction
        self._recipients: list[Recipient] = []
        self._message: Message | None = None
        self._outcomes: list[_Outcome] = []
        """Of those who wanted something."""
        self._content: list[Recipient] = []
        """Those for whom nothing is to be delivered."""
        self._deliveries: dict[tuple[Place, ...], IDelivery] = {}
        self._sent_on: list[IDelivery] = []

    async def add_recipient(self, recipient: Recipient) -> None:
        self._recipients.append(recipient)

    async def prepare(self, message: Message) -> Results:
        await self._plan(message)
        return await self._prepare(message)

    async def commit(self) -> None:
        for delivery in (*self._deliveries.values(), *self._sent_on):
            await delivery.commit()
        await self._finish()

    async def deliver(self, message: Message) -> Results:
        await self._plan(message)
        if len(self._deliveries) == 1 and not self._sent_on:
            ((places, only),) = self._deliveries.items()
            results = {**dict.fromkeys(self._content), **await only.deliver(message.placed(places))}
            if not any(results.values()):
                await self._finish()
            return results
        results = await self._prepare(message)
        if not any(results.values()):
            await self.commit()
        return results

    def abort(self) -> None:
        for delivery in {self._first, *self._deliveries.values(), *self._sent_on}:
            delivery.abort()

    async def _plan(self, message: Message) -> None:
        """Decide, prepare what is sent on, and open a delivery for each set of places."""
        self._message = message
        usual: list[Recipient] = []
        kept: dict[tuple[Place, ...], list[Recipient]] = {INBOX: usual}
        for recipient in self._recipients:
            outcome = self._target.consider(recipient, message, self._transaction)
            if outcome is None:
                usual.append(recipient)
            else:
                kept.setdefault(await self._places(outcome, message), []).append(recipient)
        self._content = kept.pop((), [])
        for places, recipients in kept.items():
            if recipients:
                await self._begin(places, recipients)
        if not self._deliveries:
            self._first.abort()

    async def _places(self, outcome: _Outcome, message: Message) -> tuple[Place, ...]:
        """Where it is kept, once it is clear who takes what is sent on."""
        self._outcomes.append(outcome)
        if outcome.decision.forward:
            await self._send_on(outcome, message)
        return outcome.decision.places

    async def _send_on(self, outcome: _Outcome, message: Message) -> None:
        """Prepare that; what nobody takes is not sent on."""
        account, addresses = outcome.recipient.address, outcome.decision.forward
        outcome.decision = replace(outcome.decision, forward=())
        been = visited(message.header)
        if account in been or len(been) >= MAX_VISITED:
            problem = "it was here before, or has been sent on too often"
            self._target.keep(outcome, message, self._transaction, problem)
            return
        for address in addresses:
            to = Recipient(address, outcome.recipient.options.of_members())
            try:
                self._sent_on.append(await self._target.forward.prepare(account, to, message, self._transaction))
            except SMTPError as error:
                self._target.keep(outcome, message, self._transaction, f"<{address}> cannot get it: {error}")
            else:
                outcome.decision = replace(outcome.decision, forward=(*outcome.decision.forward, address))

    async def _begin(self, places: tuple[Place, ...], recipients: Sequence[Recipient]) -> None:
        """Open the delivery for those who keep it in *places*."""
        delivery = self._first
        if self._deliveries:
            transaction = self._transaction
            delivery = await self._target.mailboxes.begin(transaction.origin, transaction.sender, transaction.options)
        self._deliveries[places] = delivery
        for recipient in recipients:
            await delivery.add_recipient(recipient)

    async def _prepare(self, message: Message) -> dict[Recipient, SMTPError | None]:
        """Those for whom nothing is delivered have what they wanted."""
        parts = [(delivery, message.placed(places)) for places, delivery in self._deliveries.items()]
        return {**dict.fromkeys(self._content), **await prepare_all(parts)}

    async def _finish(self) -> None:
        """It has come."""
        message, transaction = self._message, self._transaction
        assert message is not None
        for outcome in self._outcomes:
            self._target.tell(outcome, message, transaction)
        if transaction.sender is None:
            return
        for outcome in self._outcomes:
            reply = outcome.decision.reply
            if reply is not None or (outcome.is_away and not outcome.decision.discards):
                account = outcome.recipient.address
                await self._target.answers.consider(
                    account, transaction.sender, message, transaction.origin.session, reply
                )
