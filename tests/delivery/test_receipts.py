"""Senders who want to know hear that a message has arrived, and nobody else hears anything."""

from __future__ import annotations

import email

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.targets import LATER, NEVER, ORIGIN, FixedUsers, UnreliableTarget, message, return_paths
from twisted_mail.delivery.receipts import Receipted
from twisted_mail.delivery.router import Refusing, Router
from twisted_mail.interfaces import IDelivery
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import MailOptions, Notify, Recipient, RecipientOptions

USERS = FixedUsers(
    {
        "alice@example.org": "alice@example.org",
        "bob@example.org": "bob@example.org",
        "info@example.org": "alice@example.org",
        "all@example.org": "alice@example.org bob@example.org carol@elsewhere.example",
        "away@example.org": "carol@elsewhere.example",
    }
)
THEM = parse_address("them@else.example")
ALL = Notify.SUCCESS | Notify.FAILURE | Notify.DELAY


def wanted(text: str, notify: Notify | None = Notify.SUCCESS, original: str | None = None) -> Recipient:
    return Recipient(parse_address(text), RecipientOptions(notify, original))


class ReceiptTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.local = UnreliableTarget()
        self.outside = UnreliableTarget()
        """Where reports go too: the sender is nobody of ours."""
        router = Router(USERS, self.local, self.outside, return_paths(USERS))
        self.target = Receipted(router, "mail.example.org", Clock())

    def begin(self, *recipients: Recipient, null: bool = False, options: MailOptions | None = None) -> IDelivery:
        begun = self.target.begin(ORIGIN, None if null else THEM, options or MailOptions())
        delivery = self.successResultOf(Deferred.fromCoroutine(begun))
        for recipient in recipients:
            self.successResultOf(Deferred.fromCoroutine(delivery.add_recipient(recipient)))
        return delivery

    def deliver(self, *recipients: Recipient, null: bool = False, options: MailOptions | None = None) -> list[str]:
        """The fields for programs, of all reports."""
        delivery = self.begin(*recipients, null=null, options=options)
        self.successResultOf(Deferred.fromCoroutine(delivery.deliver(message())))
        return self.reports()

    def reports(self) -> list[str]:
        texts = [text for sender, _, text in self.outside.taken if sender is None]
        for sender, recipients, _ in self.outside.taken:
            if sender is None:
                self.assertEqual([Recipient(THEM)], recipients)
        return [email.message_from_bytes(text).get_payload(1).as_string() for text in texts]  # type: ignore[union-attr]

    def test_mailbox_here_is_reported_as_delivered_with_what_the_sender_called_it(self) -> None:
        (report,) = self.deliver(
            wanted("info@example.org", original="rfc822;Info@example.org"), options=MailOptions(envelope_id="QQ 7")
        )
        self.assertIn("Original-Envelope-Id: QQ 7\n", report)
        self.assertIn("Original-Recipient: rfc822; Info@example.org\n", report)
        self.assertIn("Final-Recipient: rfc822; info@example.org\n", report)
        self.assertIn("Action: delivered\nStatus: 2.0.0\n", report)
        self.assertNotIn("alice", report)

    def test_recipients_of_one_message_share_a_report(self) -> None:
        (report,) = self.deliver(wanted("alice@example.org", ALL), wanted("bob@example.org"))
        self.assertEqual(2, report.count("Action: delivered"))

    def test_nobody_hears_who_did_not_ask(self) -> None:
        for notify in (None, Notify.NEVER, Notify.FAILURE, Notify.FAILURE | Notify.DELAY):
            self.assertEqual([], self.deliver(wanted("alice@example.org", notify)))
        self.assertEqual([], self.deliver(wanted("alice@example.org"), null=True))
        self.assertEqual(5, len(self.local.taken))

    def test_alias_of_several_is_expanded_and_its_members_report_no_success(self) -> None:
        (report,) = self.deliver(wanted("all@example.org", ALL))
        self.assertIn("Final-Recipient: rfc822; all@example.org\nAction: expanded", report)
        ((_, here, _),) = self.local.taken
        away = self.outside.taken[0][1]
        self.assertEqual({Notify.FAILURE | Notify.DELAY}, {each.options.notify for each in [*here, *away]})

    def test_one_alias_to_the_outside_leaves_the_report_to_whoever_delivers(self) -> None:
        self.assertEqual([], self.deliver(wanted("away@example.org"), wanted("carol@elsewhere.example")))
        options = {each.options.notify for each in self.outside.taken[0][1]}
        self.assertEqual({Notify.SUCCESS}, options)

    def test_message_that_was_not_taken_is_not_reported(self) -> None:
        self.local.fails_at = "deliver"
        self.assertEqual([], self.deliver(wanted("alice@example.org")))

    def test_report_that_cannot_be_written_costs_the_message_nothing(self) -> None:
        self.outside.fails_at, self.outside.error = "deliver", LATER
        delivery = self.begin(wanted("alice@example.org"))
        results = self.successResultOf(Deferred.fromCoroutine(delivery.deliver(message())))
        self.assertEqual([None], list(results.values()))
        self.assertEqual("abort", self.outside.steps[-1])

    def test_delivery_in_two_steps_reports_after_the_second(self) -> None:
        delivery = self.begin(wanted("alice@example.org"))
        self.successResultOf(Deferred.fromCoroutine(delivery.prepare(message())))
        self.assertEqual([], self.reports())
        self.successResultOf(Deferred.fromCoroutine(delivery.commit()))
        self.assertEqual(1, len(self.reports()))


class UnreachedTests(SynchronousTestCase):
    """Nothing may leave, and an alias has members here and elsewhere."""

    USERS = FixedUsers(
        {
            "alice@example.org": "alice@example.org",
            "bob@example.org": "bob@example.org",
            "all@example.org": "bob@example.org carol@elsewhere.example",
            "list@example.org": "bob@example.org carol@elsewhere.example",
        },
        owners={"list@example.org": "alice@example.org"},
    )

    def deliver(self, sender: str, *recipients: Recipient) -> list[tuple[list[Recipient], bytes]]:
        """The reports."""
        local = UnreliableTarget()
        router = Router(self.USERS, local, Refusing(NEVER.reply), return_paths(self.USERS))
        target = Receipted(router, "mail.example.org", Clock())
        begun = target.begin(ORIGIN, parse_address(sender) if sender else None, MailOptions(envelope_id="their-id"))
        delivery = self.successResultOf(Deferred.fromCoroutine(begun))
        for recipient in recipients:
            self.successResultOf(Deferred.fromCoroutine(delivery.add_recipient(recipient)))
        results = self.successResultOf(Deferred.fromCoroutine(delivery.deliver(message())))
        self.assertEqual([None] * len(recipients), list(results.values()))
        self.assertEqual([Recipient(parse_address("bob@example.org"))], _without_options(local.taken[0][1]))
        return [(taken, text) for sender_, taken, text in local.taken[1:] if sender_ is None]

    def test_sender_hears_of_members_to_whom_there_is_no_way(self) -> None:
        ((to, text),) = self.deliver("alice@example.org", wanted("all@example.org", None))
        self.assertEqual([Recipient(parse_address("alice@example.org"))], to)
        self.assertIn(b"Final-Recipient: rfc822; carol@elsewhere.example\nAction: failed\nStatus: 5.7.1", text)
        self.assertIn(b"their-id", text)

    def test_owner_of_a_list_hears_of_them_instead(self) -> None:
        ((to, text),) = self.deliver("bob@example.org", wanted("list@example.org", Notify.NEVER, "rfc822;list@x"))
        self.assertEqual([Recipient(parse_address("alice@example.org"))], to)
        self.assertIn(b"Final-Recipient: rfc822; carol@elsewhere.example\nAction: failed", text)
        self.assertNotIn(b"their-id", text)
        self.assertNotIn(b"list@x", text)

    def test_nobody_hears_who_does_not_want_to_or_cannot(self) -> None:
        self.assertEqual([], self.deliver("alice@example.org", wanted("all@example.org", Notify.NEVER)))
        self.assertEqual([], self.deliver("", wanted("all@example.org", None)))
        self.assertEqual([], self.deliver("them@else.example", wanted("all@example.org", None)))


def _without_options(recipients: list[Recipient]) -> list[Recipient]:
    return [Recipient(recipient.address) for recipient in recipients]
