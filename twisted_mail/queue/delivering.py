"""One attempt: a queued message goes to the target for the recipients of one destination, and each has its answer.

Whatever the target does, it ends in an answer a recipient.  The message is sent at least once: where a server took it
and the end of the connection took its reply, nobody knows, and it is sent again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import Enum, auto

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IRelayDelivery, RemoteRefusal, Results
from twisted_mail.queue.entry import NO_ANSWER, LastAttempt, QueueEntry
from twisted_mail.smtp.envelope import MailOptions, Overdue, Recipient
from twisted_mail.smtp.reply import SMTPError

_log = Logger()

OUR_FAULT = SMTPError.of(451, "3.0", "This server could not make the attempt, it will try again")


class Contact(Enum):
    """What an attempt says about the destination's server."""

    ANSWERED = auto()
    SILENT = auto()
    """It could not be reached, or broke off, or sent us away."""
    NONE = auto()
    """Nothing: the attempt ended for a reason of our own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt."""

    results: Results
    """Has every recipient."""
    reports_success: AbstractSet[Recipient] = frozenset()
    """See IRelayDelivery."""

    @classmethod
    def same_for_all(cls, recipients: Sequence[Recipient], error: SMTPError) -> Outcome:
        return cls(dict.fromkeys(recipients, error))

    @classmethod
    def too_late(cls, entry: QueueEntry, recipients: Sequence[Recipient]) -> Outcome:
        """See `is_too_late`; with what was said at each one's last attempt."""
        last = {each.recipient: each.last for each in entry.recipients}
        return cls({recipient: _late(last[recipient]) for recipient in recipients})

    @property
    def contact(self) -> Contact:
        found = {_contact(error) for error in self.results.values()}
        return next((contact for contact in (Contact.ANSWERED, Contact.SILENT) if contact in found), Contact.NONE)

    @property
    def is_news(self) -> bool:
        """Something is over for good: it must be on disk soon."""
        return any(error is None or not error.reply.is_temporary for error in self.results.values())

    @property
    def trouble(self) -> SMTPError:
        """Why the contact is SILENT."""
        return next(error for error in self.results.values() if error is not None and _contact(error) is Contact.SILENT)


def _late(last: LastAttempt | None) -> SMTPError:
    text = "It was not delivered within the time that the sender set"
    if last is not None:
        text += f"; at the last attempt: {' '.join(str(last.reply).split())}"
    return SMTPError.of(554, "4.7", text)


def _contact(error: SMTPError | None) -> Contact:
    match error:
        case None:
            return Contact.ANSWERED
        case RemoteRefusal(reply=reply, by_remote=by_remote) if reply.is_temporary:
            if reply.code == 421 or (not by_remote and reply.detail.startswith("4.")):  # RFC 3463 §3.5: the network
                return Contact.SILENT
            return Contact.ANSWERED if by_remote else Contact.NONE
        case RemoteRefusal():
            return Contact.ANSWERED
        case _:
            return Contact.NONE


async def deliver(
    target: IDeliveryTarget, entry: QueueEntry, recipients: Sequence[Recipient], message: Message, now: float
) -> Outcome:
    """Raises CancelledError only."""
    if is_too_late(entry, now):
        return Outcome.too_late(entry, recipients)
    answers: dict[Recipient, SMTPError | None] = {}
    delivery: IDelivery | None = None
    try:
        origin = replace(entry.origin, session=entry.id)
        delivery = await target.begin(origin, entry.sender, options_at(entry, now))
        taken = await _add(delivery, recipients, answers)
        if taken:
            answered = await delivery.deliver(message)
            answers.update({each: answered.get(each, NO_ANSWER) for each in taken})
            done, delivery = delivery, None
            return Outcome(answers, _reports_success(done, taken))
        return Outcome(answers)
    except SMTPError as error:
        rest = [each for each in recipients if each not in answers]
        return Outcome({**answers, **dict.fromkeys(rest, error)})
    except CancelledError:
        raise
    except Exception:  # noqa: BLE001 (our bug, or the target's: this message waits, and nothing else does)
        _log.failure("an attempt failed", id=entry.id)
        return Outcome.same_for_all(recipients, OUR_FAULT)
    finally:
        if delivery is not None:
            delivery.abort()


def is_too_late(entry: QueueEntry, now: float) -> bool:
    """*entry* is not sent any more: it was to return if it had not arrived by now (RFC 2852 §4)."""
    by = options_at(entry, now).deliver_by
    return by is not None and by.overdue is Overdue.RETURN and by.seconds <= 0


def options_at(entry: QueueEntry, now: float) -> MailOptions:
    """The parameters of MAIL as they are by now: what was to wait has waited, less time is left (RFC 2852 §4)."""
    by = entry.options.deliver_by
    if by is not None:
        by = replace(by, seconds=round(by.seconds - (now - entry.created)))
    return replace(entry.options, deliver_by=by, release=None)


async def _add(
    delivery: IDelivery, recipients: Sequence[Recipient], answers: dict[Recipient, SMTPError | None]
) -> list[Recipient]:
    taken = []
    for recipient in recipients:
        try:
            await delivery.add_recipient(recipient)
            taken.append(recipient)
        except SMTPError as error:
            answers[recipient] = error
    return taken


def _reports_success(delivery: IDelivery, taken: Collection[Recipient]) -> AbstractSet[Recipient]:
    return delivery.reports_success & set(taken) if IRelayDelivery.providedBy(delivery) else frozenset()
