"""Recipients go to their targets, and a message to all of them or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.targets import LATER, NEVER, ORIGIN, FixedUsers, UnreliableTarget, message, recipients, return_paths
from twisted_mail.delivery.router import Refusing, Router
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IRoom
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import MailOptions
from twisted_mail.smtp.reply import SMTPError

USERS = FixedUsers(
    {
        "alice@example.org": "alice@example.org",
        "bob@example.org": "bob@example.org",
        "all@example.org": "alice@example.org bob@example.org",
        "both@example.org": "alice@example.org carol@elsewhere.example",
        "erin@example.org": "erin@elsewhere.example",
    }
)


class RouterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.local = UnreliableTarget()
        self.outside = UnreliableTarget()

    def router(self) -> Router:
        return Router(USERS, self.local, self.outside, return_paths(USERS))

    def begin(self, target: IDeliveryTarget | None = None) -> IDelivery:
        target = target or self.router()
        begun = target.begin(ORIGIN, parse_address("x@sender.example"), MailOptions())
        return self.successResultOf(Deferred.fromCoroutine(begun))

    def add(self, delivery: IDelivery, *texts: str) -> None:
        for recipient in recipients(*texts):
            self.successResultOf(Deferred.fromCoroutine(delivery.add_recipient(recipient)))

    def deliver(self, delivery: IDelivery) -> list[SMTPError | None]:
        return list(self.successResultOf(Deferred.fromCoroutine(delivery.deliver(message()))).values())

    def test_local_recipients_only_are_delivered_in_one_step(self) -> None:
        delivery = self.begin()
        self.add(delivery, "alice@example.org", "bob@example.org")
        self.assertEqual([None, None], self.deliver(delivery))
        self.assertEqual(["begin", "add", "add", "deliver"], self.local.steps)
        self.assertEqual([], self.outside.steps)

    def test_mailbox_reached_twice_gets_one_copy(self) -> None:
        delivery = self.begin()
        self.add(delivery, "all@example.org", "alice@example.org")
        self.assertEqual([None, None], self.deliver(delivery))
        ((_, taken, _),) = self.local.taken
        self.assertEqual(recipients("alice@example.org", "bob@example.org"), taken)

    def test_only_what_an_alias_sends_out_says_where_it_was(self) -> None:
        delivery = self.begin()
        self.add(delivery, "both@example.org")
        self.assertEqual([None], self.deliver(delivery))
        self.assertEqual(b"Delivered-To: both@example.org\nSubject: hello\n\nHello\n", self.outside.taken[0][2])
        self.assertEqual(b"Subject: hello\n\nHello\n", self.local.taken[0][2])

    def test_what_goes_to_several_names_none_of_them(self) -> None:
        delivery = self.begin()
        self.add(delivery, "carol@elsewhere.example")
        self.assertEqual([None], self.deliver(delivery))
        self.assertEqual(b"Subject: hello\n\nHello\n", self.outside.taken.pop()[2])

    def test_each_alias_that_leads_out_is_named_on_its_own_way_only(self) -> None:
        delivery = self.begin()
        self.add(delivery, "both@example.org", "dave@elsewhere.example", "erin@example.org", "alice@example.org")
        self.assertEqual([None] * 4, self.deliver(delivery))
        named = {taken[0].address.local_part: text.partition(b"Subject")[0] for _, taken, text in self.outside.taken}
        expected = {
            "carol": b"Delivered-To: both@example.org\n",
            "dave": b"",
            "erin": b"Delivered-To: erin@example.org\n",
        }
        self.assertEqual(expected, named)
        ((_, _, text),) = self.local.taken
        self.assertEqual(b"Subject: hello\n\nHello\n", text)

    def test_unknown_user_is_refused_and_the_others_go_on(self) -> None:
        delivery = self.begin()
        (nobody,) = recipients("nobody@example.org")
        failure = self.failureResultOf(Deferred.fromCoroutine(delivery.add_recipient(nobody)), SMTPError)
        self.assertEqual("550 5.1.1", str(failure.value.reply)[:9])
        self.add(delivery, "alice@example.org")
        self.assertEqual([None], self.deliver(delivery))

    def test_two_targets_are_both_prepared_before_one_commits(self) -> None:
        delivery = self.begin()
        self.add(delivery, "both@example.org")
        self.assertEqual([None], self.deliver(delivery))
        self.assertEqual(["begin", "add", "prepare", "commit"], self.local.steps)
        self.assertEqual(["begin", "add", "prepare", "commit"], self.outside.steps)

    def test_target_that_cannot_prepare_keeps_the_message_from_the_other(self) -> None:
        for name in ("local", "outside"):
            self.setUp()
            getattr(self, name).fails_at = "prepare"
            delivery = self.begin()
            self.add(delivery, "both@example.org")
            self.assertEqual([LATER], self.deliver(delivery))
            self.assertEqual(([], []), (self.local.taken, self.outside.taken))
            self.assertIn("abort", self.local.steps)
            self.assertIn("abort", self.outside.steps)

    def test_outside_target_that_refuses_for_now_leaves_no_local_recipient_behind(self) -> None:
        delivery = self.begin(Router(USERS, self.local, Refusing(LATER.reply), return_paths(USERS)))
        (both,) = recipients("both@example.org")
        self.failureResultOf(Deferred.fromCoroutine(delivery.add_recipient(both)), SMTPError)
        self.assertEqual([], self.local.steps)

    def test_members_here_get_theirs_where_nothing_may_leave(self) -> None:
        delivery = self.begin(Router(USERS, self.local, Refusing(NEVER.reply), return_paths(USERS)))
        self.add(delivery, "both@example.org")
        for text in ("erin@example.org", "carol@elsewhere.example"):
            (recipient,) = recipients(text)
            failure = self.failureResultOf(Deferred.fromCoroutine(delivery.add_recipient(recipient)), SMTPError)
            self.assertEqual(NEVER.reply, failure.value.reply)
        self.assertEqual([None], self.deliver(delivery))
        ((_, taken, _),) = self.local.taken
        self.assertEqual(recipients("alice@example.org"), taken)

    def test_alias_with_a_full_member_is_refused_before_anybody_is_added(self) -> None:
        router = Router(
            USERS, self.local, self.outside, return_paths(USERS), _NoRoomFor(parse_address("bob@example.org"))
        )
        delivery = self.begin(router)
        self.add(delivery, "alice@example.org")
        for recipient in recipients("all@example.org", "bob@example.org"):
            added = Deferred.fromCoroutine(delivery.add_recipient(recipient))
            error = self.failureResultOf(added, SMTPError).value
            self.assertEqual(f"452 4.2.2 no room at {recipient.address}", str(error.reply))
        self.add(delivery, "carol@elsewhere.example")
        self.assertEqual([None, None], self.deliver(delivery))
        self.assertEqual(recipients("alice@example.org"), self.local.taken[0][1])


@implementer(IRoom)
@dataclass
class _NoRoomFor:
    full: Address

    async def check(self, named: Address, accounts: Sequence[Address], size: int | None) -> None:
        if self.full in accounts:
            raise SMTPError.of(452, "2.2", f"no room at {named}")
