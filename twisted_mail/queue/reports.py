"""What a sender is told about a queued message, when, and how the report gets there.

NOTIFY says what is wanted (RFC 3461 §4.1); where it is silent: failures, and delays if the policy says so.  Nothing is
reported to the null reverse-path, so that a report never begets a report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from twisted.logger import Logger

from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.message.dsn import Action, RecipientReport, Report
from twisted_mail.notices import send_report
from twisted_mail.queue.delivering import OUR_FAULT
from twisted_mail.queue.entry import QueuedRecipient, QueueEntry, State
from twisted_mail.queue.retry import RetryPolicies
from twisted_mail.queue.spool import Spool
from twisted_mail.smtp.envelope import Notify, Overdue, Recipient, Return
from twisted_mail.smtp.reply import Reply, SMTPError

MAX_RETURNED = 1024 * 1024
"""Octets up to which a whole message is returned where RET=FULL asks for it; of a larger one the header is."""
ASKED_DELAY = 4 * 3600
"""Seconds after which a delay is reported to who asked for that, where the policy reports none by itself."""

News = Mapping[Recipient, Notify]
"""What the sender is to hear of each recipient: one flag each."""

_DONE = Reply(250, "0.0", "")


@dataclass(frozen=True, slots=True)
class ReportRules:
    """Decides what is reported."""

    policies: RetryPolicies

    def news(self, entry: QueueEntry, now: float) -> News:
        """What the sender has not heard yet and should hear now."""
        if entry.sender is None:
            return {}
        events = {each.recipient: self._event(entry, each, now) & ~each.told for each in entry.recipients}
        return {recipient: event for recipient, event in events.items() if event}

    def _event(self, entry: QueueEntry, each: QueuedRecipient, now: float) -> Notify:
        wanted = each.recipient.options.notify
        if wanted is Notify.NEVER:
            return Notify.NEVER
        match each.state:
            case State.FAILED:
                return Notify.FAILURE & (Notify.FAILURE if wanted is None else wanted)
            case State.RELAYED:
                by = entry.options.deliver_by
                # RFC 2852 §4: who has it where nobody watches the time, unless that server was left to tell
                traced = by is not None and (by.trace or by.overdue is Overdue.NOTIFY)
                return Notify.SUCCESS & (Notify.SUCCESS if traced else wanted or Notify.NEVER)
            case State.WAITING:
                late = self._late_from(entry, each)
                return Notify.DELAY if each.attempts and late is not None and now >= late else Notify.NEVER

    def _late_from(self, entry: QueueEntry, each: QueuedRecipient) -> float | None:
        """From when on a delay is reported; None: never."""
        wanted, by = each.recipient.options.notify, entry.options.deliver_by
        if by is not None and by.overdue is Overdue.NOTIFY:
            return entry.deadline
        after = self.policies.of(each.recipient.address.domain).delay_report_after
        if wanted is None:
            return None if after is None else entry.start + after
        return entry.start + (after or ASKED_DELAY) if Notify.DELAY & wanted else None

    def describe(self, entry: QueueEntry, each: QueuedRecipient, event: Notify) -> RecipientReport:
        """One recipient as the report shows it."""
        action, last = _ACTIONS[event], each.last
        expires = entry.expires(self.policies, each.recipient.address.domain)
        described = RecipientReport(
            address=each.recipient.address,
            action=action,
            reply=_DONE,
            original_recipient=each.recipient.options.original_recipient,
            until=_time(expires) if action is Action.DELAYED else None,
        )
        if last is None:
            return described
        return replace(
            described,
            reply=last.reply,
            host=last.host,
            by_remote=last.by_remote,
            dialogue=last.dialogue,
            last_attempt=_time(last.at),
        )


class Reporter:
    """Composes reports and hands them to a target, which is the way of every other message."""

    _log = Logger()

    def __init__(self, target: IDeliveryTarget, spool: Spool, hostname: str, rules: ReportRules) -> None:
        self._target = target
        self._spool = spool
        self._hostname = hostname
        self._rules = rules

    async def send(self, identifier: str, entry: QueueEntry, news: News, now: float) -> SMTPError | None:
        """Have the sender of *entry* told *news*, in a message of that id.  Why that failed, for now or for good."""
        try:
            report = await self._report(identifier, entry, news, now)
            await send_report(self._target, report, entry.id, require_tls=entry.options.require_tls)
        except SMTPError as error:
            return error
        except Exception:  # noqa: BLE001 (the disk, our bug or the target's: the report waits, and nothing else does)
            self._log.failure("a report could not be made", id=entry.id)
            return OUR_FAULT
        return None

    async def _report(self, identifier: str, entry: QueueEntry, news: News, now: float) -> Report:
        assert entry.sender is not None
        message = await self._spool.open(entry)
        original = None
        # the whole message only where something failed (RFC 3461 §6.2), and never one that asks for TLS (RFC 8689 §5)
        failed = any(event & Notify.FAILURE for event in news.values()) and not entry.options.require_tls
        if failed and entry.options.ret is Return.FULL and entry.size <= MAX_RETURNED:
            original = b"".join(message.pieces())
        return Report(
            id=identifier,
            hostname=self._hostname,
            sender=entry.sender,
            now=_time(now),
            arrival=_time(entry.created),
            recipients=[
                self._rules.describe(entry, each, news[each.recipient])
                for each in entry.recipients
                if each.recipient in news
            ],
            header=message.header,
            original=original,
            envelope_id=entry.options.envelope_id,
            deliver_by=None if entry.deadline is None else _time(entry.deadline),
        )


_ACTIONS = {Notify.FAILURE: Action.FAILED, Notify.DELAY: Action.DELAYED, Notify.SUCCESS: Action.RELAYED}


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
