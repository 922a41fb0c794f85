"""A queued message's envelope, with what has become of each recipient so far.  Values only: every change is a new one.

A recipient is WAITING until the next server has the message (RELAYED) or it is given up (FAILED); the table of these
changes is `QueuedRecipient.after`.  What the sender has been told of it stands beside that, because a report may have
to be made again after a crash.  Times are Unix times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from twisted_mail.interfaces import RemoteRefusal, Results
from twisted_mail.queue.retry import RetryPolicies
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Notify, Origin, Overdue, Recipient
from twisted_mail.smtp.reply import Reply, SMTPError

NEVER = float(2**32)
"""Due time of what waits for a person (the year 2106)."""
MAX_DIALOGUE = 4096
"""Characters of a dialogue that are kept: its end."""
NO_ANSWER = SMTPError.of(451, "3.0", "The delivery did not say what became of this recipient")


class State(Enum):
    """What has become of a recipient."""

    WAITING = "waiting"
    RELAYED = "relayed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """What was said at the last attempt, and by whom (see RemoteRefusal)."""

    at: float
    reply: Reply
    host: str = ""
    dialogue: str = ""
    by_remote: bool = False

    @classmethod
    def of(cls, error: SMTPError, at: float) -> LastAttempt:
        if isinstance(error, RemoteRefusal):
            return cls(at, error.reply, error.host, error.dialogue[-MAX_DIALOGUE:], error.by_remote)
        return cls(at, error.reply)


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides over a recipient after an attempt that failed."""

    now: float
    policies: RetryPolicies
    chance: float
    """Random, from 0 up to 1: one for all recipients, who shall come back together."""


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """One recipient of one message."""

    recipient: Recipient
    due: float
    state: State = State.WAITING
    attempts: int = 0
    told: Notify = Notify.NEVER
    """What the sender has heard, or will hear from the next server."""
    last: LastAttempt | None = None
    """None: not tried yet, or nothing was said against it."""

    def after(self, error: SMTPError | None, expires: float, situation: Situation) -> QueuedRecipient:
        """What an attempt made of it.  *error*: None, 4yz or 5yz (IDelivery.deliver)."""
        attempts = self.attempts + 1
        if error is None:
            return replace(self, state=State.RELAYED, attempts=attempts, last=None)
        last = LastAttempt.of(error, situation.now)
        due = None
        if error.reply.is_temporary:
            policy = situation.policies.of(self.recipient.address.domain)
            due = policy.next_due(attempts, situation.now, expires, situation.chance)
        if due is None:
            return replace(self, state=State.FAILED, attempts=attempts, last=last)
        return replace(self, due=due, attempts=attempts, last=last)


@dataclass(frozen=True, slots=True)
class PendingReport:
    """A report to the sender that is owed.  It keeps its id when a crash has it made again."""

    id: str
    due: float


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """One message in the queue."""

    id: str
    """The name of its files: the message's id, and six hex digits that tell two envelopes of one message apart."""
    created: float
    origin: Origin
    sender: Address | None
    options: MailOptions
    recipients: tuple[QueuedRecipient, ...]
    header_size: int
    """Octets of its file that are the header block."""
    size: int
    """Octets of its file."""
    lines: int
    held: bool = False
    """A person wants it to wait."""
    report: PendingReport | None = None

    @property
    def message_id(self) -> str:
        return self.id.partition("-")[0]

    @property
    def start(self) -> float:
        """When its time began to run: when it was taken, or was to be released (RFC 4865 §4)."""
        return release_time(self.options, self.created)

    @property
    def deadline(self) -> float | None:
        """Until when the sender wants it delivered (RFC 2852)."""
        by = self.options.deliver_by
        return None if by is None else self.created + by.seconds

    def expires(self, policies: RetryPolicies, domain: str) -> float:
        """When it is given up for recipients in *domain*."""
        given_up = self.start + policies.of(domain).give_up_after
        by, deadline = self.options.deliver_by, self.deadline
        if by is not None and deadline is not None and by.overdue is Overdue.RETURN:
            return min(given_up, deadline)
        return given_up

    @property
    def waiting(self) -> list[QueuedRecipient]:
        return [each for each in self.recipients if each.state is State.WAITING]

    @property
    def due(self) -> float:
        """When something is to be done for it."""
        if self.held:
            return NEVER
        times = [each.due for each in self.waiting]
        if self.report is not None:
            times.append(self.report.due)
        return min(times, default=0.0)

    def after_attempt(self, results: Results, situation: Situation) -> QueueEntry:
        """With what became of the recipients that are keys of *results*."""
        deadline = self.deadline or 0.0

        def after(each: QueuedRecipient) -> QueuedRecipient:
            expires = self.expires(situation.policies, each.recipient.address.domain)
            tried = each.after(results[each.recipient], expires, situation)
            # whatever the policy: what comes of it at the deadline is news for the sender
            return replace(tried, due=deadline) if situation.now < deadline < tried.due else tried

        return self._with_each(after, lambda each: each.state is State.WAITING and each.recipient in results)

    def told(self, news: Mapping[Recipient, Notify]) -> QueueEntry:
        """The sender has heard of these."""
        changed = self._with_each(
            lambda each: replace(each, told=each.told | news[each.recipient]), lambda each: each.recipient in news
        )
        return replace(changed, report=None)

    def left_to_next_server(self, recipients: Collection[Recipient]) -> QueueEntry:
        """The server that has the message will report success itself (RFC 3461 §5.2.2)."""
        return self._with_each(
            lambda each: replace(each, told=each.told | Notify.SUCCESS), lambda each: each.recipient in recipients
        )

    def due_at(self, when: float) -> QueueEntry:
        """With its next attempt at that time, whenever it would have been."""
        return self._with_each(lambda each: replace(each, due=when), lambda each: each.state is State.WAITING)

    def hold(self) -> QueueEntry:
        return replace(self, held=True)

    def release(self, now: float) -> QueueEntry:
        return replace(self, held=False).due_at(now)

    def bounced(self, reply: Reply, now: float) -> QueueEntry:
        """Given up for all recipients that still wait."""
        last = LastAttempt(now, reply)
        changed = self._with_each(
            lambda each: replace(each, state=State.FAILED, last=last), lambda each: each.state is State.WAITING
        )
        return replace(changed, held=False)

    def _with_each(
        self, change: Callable[[QueuedRecipient], QueuedRecipient], chosen: Callable[[QueuedRecipient], bool]
    ) -> QueueEntry:
        return replace(self, recipients=tuple(change(each) if chosen(each) else each for each in self.recipients))


def release_time(options: MailOptions, created: float) -> float:
    """When the message may be sent for the first time (RFC 4865 §4)."""
    match options.release:
        case timedelta() as hold_for:
            return created + hold_for.total_seconds()
        case datetime() as hold_until:
            return max(created, hold_until.timestamp())
        case None:
            return created
