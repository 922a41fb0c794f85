"""Whose filter is asked, and what becomes of a message that two of them see differently."""

from __future__ import annotations

import os

from zope.interface.verify import verifyObject

from tests.mailbox.disk import MaildirTestCase
from tests.mailbox.junk.corpus import letters
from tests.targets import ORIGIN, UnreliableTarget, message, recipients
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.mailbox.junk import judging
from twisted_mail.mailbox.junk.judging import Filters, Judging
from twisted_mail.mailbox.junk.memory import opened_memory, path_in
from twisted_mail.mailbox.junk.opinion import MINIMUM
from twisted_mail.mailbox.junk.words import lesson_of
from twisted_mail.message.evidence import Evidence
from twisted_mail.smtp.envelope import MailOptions, Origin
from twisted_mail.smtp.reply import SMTPError

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"
[JUNK], [GOOD] = (letters(2, 1, junk=is_junk) for is_junk in (True, False))


class JudgingTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.root = self.mktemp()
        self.now = 100.0
        self.inner = UnreliableTarget()
        self.filters = Filters(lambda account: f"{self.root}/{account.local_part}", self.blocking, lambda: self.now)
        for name in ("alice", "bob", "carol"):
            os.makedirs(f"{self.root}/{name}")

    def teach(self, name: str, *, upside_down: bool = False, count: int = MINIMUM) -> None:
        with opened_memory(f"{self.root}/{name}") as memory:
            for is_junk in (True, False):
                for octets in letters(1, count, junk=is_junk):
                    memory.learn(lesson_of(octets), is_junk != upside_down, 0.0)

    def begin(self, *to: str, origin: Origin = ORIGIN) -> IDelivery:
        target = Judging(self.inner, self.filters)
        verifyObject(IDeliveryTarget, target)
        delivery = self.result(target.begin(origin, None, MailOptions()))
        for recipient in recipients(*to):
            self.result(delivery.add_recipient(recipient))
        return delivery

    def deliver(self, text: bytes, *to: str, evidence: tuple[Evidence, ...] = ()) -> list[SMTPError | None]:
        results = self.result(self.begin(*to).deliver(message(text).with_evidence(*evidence)))
        self.assertCountEqual(recipients(*to), results)
        return list(results.values())

    def taken(self) -> dict[tuple[str, ...], list[float]]:
        """Recipients of each delivery -> points of its evidence."""
        return {
            tuple(str(recipient.address) for recipient in to): [each.points for each in evidence]
            for (_, to, _), evidence in zip(self.inner.taken, self.inner.evidence, strict=True)
        }

    def test_filters_differ_and_who_has_none_shares_a_delivery(self) -> None:
        self.teach("alice")
        self.teach("bob", upside_down=True)
        self.assertEqual([None] * 4, self.deliver(JUNK, CAROL, ALICE, BOB, "dave@example.org"))
        shared = (CAROL, "dave@example.org")
        self.assertEqual({shared: [], (ALICE,): [5.0], (BOB,): [-3.0]}, self.taken())
        [evidence] = self.inner.evidence[1]
        self.assertEqual("looks like what alice@example.org calls junk (1.000)", evidence.reason)
        self.assertNotIn("abort", self.inner.steps)

    def test_delivery_to_one_is_one_step(self) -> None:
        self.teach("alice")
        for to in (ALICE, CAROL):
            self.deliver(JUNK, to)
        self.assertEqual(["begin", "add", "deliver"] * 2, self.inner.steps)

    def test_all_are_prepared_before_one_is_committed(self) -> None:
        self.teach("alice")
        self.deliver(JUNK, CAROL, ALICE)
        self.assertEqual(["prepare", "prepare", "commit", "commit"], self.inner.steps[-4:])

    def test_one_that_fails_leaves_nothing(self) -> None:
        self.teach("alice")
        self.inner.fails_at = "prepare"
        self.assertEqual([self.inner.error] * 2, self.deliver(JUNK, CAROL, ALICE))
        self.assertEqual(["abort", "abort"], self.inner.steps[-2:])
        self.assertEqual([], self.inner.taken)

    def test_delivery_that_is_given_up_leaves_nothing(self) -> None:
        self.teach("alice")
        for to in ((), (ALICE,), (ALICE, CAROL)):
            self.inner.steps.clear()
            self.begin(*to).abort()
            self.assertEqual(max(len(to), 1), self.inner.steps.count("abort"))
            self.assertEqual(self.inner.steps.count("begin"), self.inner.steps.count("abort"))

    def test_filter_that_knows_little_says_nothing_and_waits_for_no_thread(self) -> None:
        self.deliver(JUNK, ALICE)
        self.assertEqual(0, self.hops)
        self.teach("alice", count=MINIMUM - 1)
        self.now += judging.REMEMBERED
        for _ in range(10):
            self.deliver(JUNK, ALICE)
        self.assertEqual(1, self.hops)
        self.assertEqual([()] * 11, self.inner.evidence)
        with opened_memory(f"{self.root}/alice") as memory:
            memory.forget()
        self.teach("alice")
        self.deliver(JUNK, ALICE)
        self.assertEqual((), self.inner.evidence[-1])  # for a moment
        self.now += judging.REMEMBERED
        self.deliver(JUNK, ALICE)
        self.assertEqual([5.0], [each.points for each in self.inner.evidence[-1]])

    def test_own_messages_of_the_server_are_not_judged(self) -> None:
        self.teach("alice")
        delivery = self.begin(ALICE, origin=Origin(peer="", session="reports"))
        self.result(delivery.deliver(message(JUNK)))
        self.assertEqual([()], self.inner.evidence)

    def test_broken_memory_stops_no_mail(self) -> None:
        self.teach("alice")
        self.deliver(JUNK, ALICE)
        for written in (b"no database at all", b"x" * 8192):
            with open(path_in(f"{self.root}/alice"), "wb") as file:
                file.write(written)
            self.deliver(JUNK, ALICE)  # remembered as trained
            self.now += judging.REMEMBERED
            self.deliver(JUNK, ALICE)
        self.assertEqual([()] * 4, self.inner.evidence[1:])
        self.assertNotEqual([], self.flushLoggedErrors(OSError))
