"""What an account may send: the ledger on a real file, and what the person hears."""

from __future__ import annotations

import os
import sqlite3

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.targets import ORIGIN, UnreliableTarget, message, recipients
from twisted_mail.delivery.ledger import DAY, FORGOTTEN_AFTER, HOUR, Excess, Ledger, SendingLimits
from twisted_mail.delivery.sending import LimitedSending, SendingRules, refusal
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import MailOptions
from twisted_mail.smtp.reply import SMTPError

ALICE = parse_address("alice@example.org")


class LedgerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = os.path.abspath(self.mktemp())
        self.ledger = Ledger(self.path)
        self.addCleanup(lambda: self.ledger.close())

    def take(self, limits: SendingLimits, at: float, *to: str, account: str = "alice") -> Excess | None:
        return self.ledger.take(account, to or ("bob",), limits, at)

    def test_messages_in_an_hour_and_when_there_is_room_again(self) -> None:
        limits = SendingLimits(messages_per_hour=2)
        self.assertIsNone(self.take(limits, 100))
        self.assertIsNone(self.take(limits, 200))
        self.assertEqual(Excess(2, "messages an hour", HOUR - 200), self.take(limits, 300))
        self.assertIsNone(self.take(limits, 300, account="eve"))
        self.assertIsNone(self.take(limits, 100 + HOUR))
        self.assertEqual(Excess(2, "messages an hour", 100), self.take(limits, 100 + HOUR))

    def test_each_limit_counts_its_own(self) -> None:
        for limits, sent, excess in (
            (SendingLimits(messages_per_day=1), [("a",)], "messages a day"),
            (SendingLimits(recipients_per_hour=3), [("a", "b")], "recipients an hour"),
            (SendingLimits(recipients_per_day=3), [("a",), ("a",)], "recipients a day"),
            (SendingLimits(new_recipients_per_day=3), [("a", "b")], "new recipients a day"),
        ):
            self.setUp()
            for each in sent:
                self.assertIsNone(self.take(limits, 0.0, *each), excess)
            found = self.take(limits, 60.0, "x", "y")
            self.assertEqual(excess, found and found.what)
            self.assertEqual((HOUR if "hour" in excess else DAY) - 60, found and found.wait)

    def test_whom_the_account_knows_is_not_new(self) -> None:
        limits = SendingLimits(new_recipients_per_day=2)
        self.assertIsNone(self.take(limits, 0, "a", "b"))
        for _ in range(5):
            self.assertIsNone(self.take(limits, 10, "a", "b", "a"))
        self.assertIsNotNone(self.take(limits, 20, "a", "c"))
        self.assertIsNone(self.take(limits, 20, "a", "c", account="eve"))
        self.assertIsNotNone(self.take(limits, 20, "x", account="eve"))
        self.assertIsNone(self.take(limits, DAY + 1, "a", "c"))

    def test_message_that_is_too_much_by_itself_need_not_wait(self) -> None:
        limits = SendingLimits(recipients_per_day=2)
        self.assertEqual(Excess(2, "recipients a day", None), self.take(limits, 0, "a", "b", "c"))
        self.assertIsNone(self.take(limits, 0, "a", "b", "b"))

    def test_what_was_refused_is_not_counted(self) -> None:
        limits = SendingLimits(recipients_per_hour=3)
        for _ in range(5):
            self.assertIsNotNone(self.take(limits, 0, "a", "b", "c", "d"))
        self.assertIsNone(self.take(limits, 0, "a", "b", "c"))

    def test_counts_survive_a_restart_and_are_shared(self) -> None:
        limits = SendingLimits(messages_per_day=2)
        other = Ledger(self.path)
        self.assertIsNone(self.take(limits, 0))
        self.assertIsNone(other.take("alice", ["bob"], limits, 1))
        other.close()
        self.ledger.close()
        self.ledger = Ledger(self.path)
        self.assertIsNotNone(self.take(limits, 2))

    def test_old_entries_are_swept(self) -> None:
        limits = SendingLimits(messages_per_day=2)
        self.take(limits, 0, "a")
        self.take(limits, FORGOTTEN_AFTER + 1, "b")
        database = sqlite3.connect(self.path)
        self.addCleanup(database.close)
        for table in ("message", "known"):
            self.assertEqual([(1,)], database.execute(f"SELECT count(*) FROM {table}").fetchall())

    def test_attributes_of_an_account_are_its_limits(self) -> None:
        attributes = {"expire": "1", "messages-per-hour": "5", "new-recipients-per-day": "7"}
        self.assertEqual(SendingLimits(messages_per_hour=5, new_recipients_per_day=7), SendingLimits.of(attributes))
        self.assertTrue(SendingLimits.of({}).is_empty)


class FilterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.inner = UnreliableTarget()
        self.limits = SendingLimits(messages_per_hour=1)
        self.ledger = Ledger(os.path.abspath(self.mktemp()))
        rules = SendingRules(self.ledger, lambda account: self.limits, execute, self.clock)
        self.target = LimitedSending(ALICE, self.inner, rules)

    def send(self, *to: str) -> SMTPError | None:
        async def send() -> None:
            delivery = await self.target.begin(ORIGIN, ALICE, MailOptions())
            for each in recipients(*(to or ("bob@example.net",))):
                await delivery.add_recipient(each)
            await delivery.deliver(message())

        sent = Deferred.fromCoroutine(send())
        if len(self.inner.taken) and self.inner.steps[-1] == "deliver":
            self.successResultOf(sent)
            return None
        error = self.failureResultOf(sent, SMTPError).value
        assert isinstance(error, SMTPError)
        return error

    def test_one_message_too_many_is_refused_with_words_that_help(self) -> None:
        self.assertIsNone(self.send())
        self.clock.advance(600)
        error = self.send()
        self.assertEqual(
            "451 4.7.1 You may send 1 message an hour: try again in 50 minutes, or ask the administrator for more",
            str(error),
        )
        self.clock.advance(3000)
        self.assertIsNone(self.send())
        self.assertEqual(2, len(self.inner.taken))

    def test_account_without_limits_has_none(self) -> None:
        self.limits = SendingLimits()
        for _ in range(5):
            self.assertIsNone(self.send())

    def test_broken_ledger_stops_nobody(self) -> None:
        self.ledger.close()
        for _ in range(3):
            self.assertIsNone(self.send())
        self.flushLoggedErrors(sqlite3.Error)

    def test_words(self) -> None:
        for excess, expected in (
            (
                Excess(5, "recipients a day", None),
                "550 5.5.3 You may send to 5 recipients a day: send this to fewer people, "
                "or ask the administrator for more",
            ),
            (
                Excess(5, "new recipients a day", 30.0),
                "451 4.7.1 You may send to 5 new recipients a day: try again in a minute, "
                "or ask the administrator for more",
            ),
            (
                Excess(5, "messages a day", 7201.0),
                "451 4.7.1 You may send 5 messages a day: try again in 3 hours, or ask the administrator for more",
            ),
        ):
            self.assertEqual(expected, str(refusal(excess)))
