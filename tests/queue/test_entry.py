"""What attempts make of recipients, and when a message is due, late or over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from twisted.trial.unittest import TestCase

from tests.queue.queueing import ALICE, BUSY, NO_USER, ORIGIN, SILENT, START, recipient
from twisted_mail.interfaces import RemoteRefusal
from twisted_mail.queue.entry import (
    MAX_DIALOGUE,
    NEVER,
    LastAttempt,
    PendingReport,
    QueuedRecipient,
    QueueEntry,
    Situation,
    State,
)
from twisted_mail.queue.retry import RetryPolicies
from twisted_mail.smtp.envelope import DeliverBy, MailOptions, Notify, Overdue, Recipient
from twisted_mail.smtp.reply import Reply, SMTPError

BOB, EVE = recipient("bob@example.net"), recipient("eve@example.net")
POLICIES = RetryPolicies()
DAY = 86_400


def entry(*recipients: Recipient, options: MailOptions | None = None) -> QueueEntry:
    queued = tuple(QueuedRecipient(each, START) for each in recipients or (BOB,))
    return QueueEntry("01-aa", START, ORIGIN, ALICE, options or MailOptions(), queued, 5, 10, 2)


def at(seconds: float) -> Situation:
    return Situation(START + seconds, POLICIES, 0.0)


class OutcomeTests(TestCase):
    def test_answer_decides_over_the_recipient(self) -> None:
        for error, when, state, due in (
            (None, 0, State.RELAYED, 0),
            (BUSY, 0, State.WAITING, 300),
            (SILENT, 0, State.WAITING, 300),
            (SMTPError.of(451, "3.0", "x"), 0, State.WAITING, 300),
            (NO_USER, 0, State.FAILED, 0),
            (BUSY, 5 * DAY - 1, State.WAITING, 5 * DAY),
            (BUSY, 5 * DAY, State.FAILED, 0),
        ):
            (after,) = entry().after_attempt({BOB: error}, at(when)).recipients
            self.assertEqual((state, START + due, 1), (after.state, after.due, after.attempts))

    def test_each_recipient_has_its_own_answer_and_who_is_done_keeps_it(self) -> None:
        after = entry(BOB, EVE).after_attempt({BOB: None}, at(0))
        self.assertEqual([State.RELAYED, State.WAITING], [each.state for each in after.recipients])
        again = after.after_attempt({BOB: NO_USER, EVE: BUSY}, at(10))
        self.assertEqual([State.RELAYED, State.WAITING], [each.state for each in again.recipients])
        self.assertEqual([EVE], [each.recipient for each in again.waiting])

    def test_last_words_are_kept_with_who_said_them(self) -> None:
        (after,) = entry().after_attempt({BOB: BUSY}, at(7)).recipients
        self.assertEqual(LastAttempt(START + 7, BUSY.reply, "mx.example.net", BUSY.dialogue, True), after.last)
        long = RemoteRefusal(Reply(550, "0.0", "x"), dialogue="y" * MAX_DIALOGUE + "end")
        self.assertEqual("y" * (MAX_DIALOGUE - 3) + "end", LastAttempt.of(long, 0.0).dialogue)


class TimeTests(TestCase):
    def test_due_is_when_the_first_thing_is_to_be_done(self) -> None:
        both = entry(BOB, EVE).after_attempt({BOB: BUSY}, at(0))
        self.assertEqual(START, both.due)
        later = both.after_attempt({EVE: BUSY}, at(100))
        self.assertEqual(START + 300, later.due)
        self.assertEqual(START + 5, replace(later, report=PendingReport("r", START + 5)).due)
        self.assertEqual(NEVER, later.hold().due)
        self.assertEqual(START + 50, later.hold().release(START + 50).due)

    def test_time_runs_from_the_release(self) -> None:
        until = datetime.fromtimestamp(START + DAY, UTC)
        for release in (timedelta(days=1), until):
            held = entry(options=MailOptions(release=release))
            self.assertEqual(START + DAY, held.start)
            self.assertEqual(START + 6 * DAY, held.expires(POLICIES, "example.net"))
        past = entry(options=MailOptions(release=datetime(2020, 1, 1, tzinfo=UTC)))
        self.assertEqual(START, past.start)

    def test_deliver_by_shortens_the_time_only_where_the_message_shall_return(self) -> None:
        for by, expires in (
            (DeliverBy(3600, Overdue.RETURN), 3600),
            (DeliverBy(10 * DAY, Overdue.RETURN), 5 * DAY),
            (DeliverBy(3600, Overdue.NOTIFY), 5 * DAY),
        ):
            late = entry(options=MailOptions(deliver_by=by))
            self.assertEqual(START + expires, late.expires(POLICIES, "example.net"))

    def test_bounce_fails_those_that_wait_and_no_others(self) -> None:
        bounced = entry(BOB, EVE).after_attempt({BOB: None}, at(0)).hold()
        bounced = bounced.bounced(Reply(554, "7.0", "no"), START + 9)
        self.assertEqual([State.RELAYED, State.FAILED], [each.state for each in bounced.recipients])
        self.assertEqual(START + 9, bounced.recipients[1].last and bounced.recipients[1].last.at)
        self.assertFalse(bounced.held)

    def test_told_ends_the_report_that_was_owed(self) -> None:
        told = replace(entry(BOB, EVE), report=PendingReport("r", 1.0)).told({EVE: Notify.DELAY})
        self.assertIsNone(told.report)
        self.assertEqual([Notify.NEVER, Notify.DELAY], [each.told for each in told.recipients])
