"""Messages for later go to the queue, and what comes out of it finds its way home."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.targets import NEVER, ORIGIN, FixedUsers, UnreliableTarget, message, recipients, return_paths
from twisted_mail.delivery.holding import Holding
from twisted_mail.delivery.homeward import Homeward
from twisted_mail.delivery.router import Router
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IRelayDelivery
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import MailOptions, Recipient
from twisted_mail.smtp.reply import SMTPError

USERS = FixedUsers(
    {
        "alice@example.org": "alice@example.org",
        "both@example.org": "alice@example.org carol@elsewhere.example",
    }
)
HELD = MailOptions(release=timedelta(hours=1))
T = TypeVar("T")


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.local = UnreliableTarget()
        self.outside = UnreliableTarget()
        self.router = Router(USERS, self.local, self.outside, return_paths(USERS))

    def now(self, awaitable: Awaitable[T]) -> T:
        return self.successResultOf(Deferred.fromCoroutine(awaitable))  # type: ignore[arg-type,no-any-return]  # all of ours are coroutines

    def begin(self, target: IDeliveryTarget, options: MailOptions, *texts: str) -> IDelivery:
        delivery = self.now(target.begin(ORIGIN, parse_address("them@else.example"), options))
        for recipient in recipients(*texts):
            self.now(delivery.add_recipient(recipient))
        return delivery


class HoldingTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.queue = UnreliableTarget()
        self.target = Holding(self.router, self.router, self.queue)

    def test_message_for_later_waits_in_the_queue_as_it_was_addressed(self) -> None:
        texts = ("both@example.org", "dave@elsewhere.example")
        self.now(self.begin(self.target, HELD, *texts).deliver(message()))
        ((_, taken, _),) = self.queue.taken
        self.assertEqual(recipients(*texts), taken)
        self.assertEqual([], self.local.steps + self.outside.steps)

    def test_message_for_now_does_not(self) -> None:
        self.now(self.begin(self.target, MailOptions(), "alice@example.org").deliver(message()))
        self.assertEqual((1, []), (len(self.local.taken), self.queue.steps))

    def test_unknown_user_is_refused_at_once(self) -> None:
        delivery = self.begin(self.target, HELD)
        (nobody,) = recipients("nobody@example.org")
        self.failureResultOf(Deferred.fromCoroutine(delivery.add_recipient(nobody)), SMTPError)  # type: ignore[arg-type]
        self.assertEqual(["begin"], self.queue.steps)


class HomewardTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.relay = UnreliableTarget()
        self.target = Homeward(USERS, self.router, self.relay)

    def deliver(self, *texts: str) -> tuple[list[SMTPError | None], set[Recipient]]:
        delivery = self.begin(self.target, MailOptions(), *texts)
        results = self.now(delivery.deliver(message()))
        self.assertEqual(list(results), recipients(*texts))
        assert IRelayDelivery.providedBy(delivery)
        return list(results.values()), set(delivery.reports_success)  # type: ignore[attr-defined]

    def test_each_goes_its_way_and_home_reports_for_itself(self) -> None:
        answers, reported = self.deliver("both@example.org", "dave@elsewhere.example")
        self.assertEqual([None, None], answers)
        self.assertEqual(recipients("both@example.org"), list(reported))
        self.assertEqual(recipients("alice@example.org"), self.local.taken[0][1])
        self.assertEqual(recipients("carol@elsewhere.example"), self.outside.taken[0][1])
        self.assertEqual(recipients("dave@elsewhere.example"), self.relay.taken[0][1])

    def test_trouble_at_home_is_none_of_the_others(self) -> None:
        self.local.fails_at, self.local.error = "deliver", NEVER
        answers, _ = self.deliver("alice@example.org", "dave@elsewhere.example")
        self.assertEqual([NEVER, None], answers)

    def test_both_steps_reach_both(self) -> None:
        delivery = self.begin(self.target, MailOptions(), "alice@example.org", "dave@elsewhere.example")
        self.assertEqual(2, len(self.now(delivery.prepare(message()))))
        self.now(delivery.commit())
        self.assertEqual((1, 1), (len(self.local.taken), len(self.relay.taken)))

    def test_abort_reaches_both(self) -> None:
        self.begin(self.target, MailOptions(), "alice@example.org", "dave@elsewhere.example").abort()
        self.assertEqual(("abort", "abort"), (self.local.steps[-1], self.relay.steps[-1]))
