"""What an alias sends on, in whose name, and what becomes of a report that comes back."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.targets import ORIGIN, FixedUsers, RecordingTarget, message, recipients, return_paths
from twisted_mail.delivery.router import Router
from twisted_mail.interfaces import IDelivery
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import MailOptions, Notify, Recipient, RecipientOptions, Return
from twisted_mail.smtp.reply import SMTPError

DAY = 86_400.0
USERS = FixedUsers(
    {
        "alice@example.org": "alice@example.org",
        "bob@example.org": "bob@example.org",
        "info@example.org": "alice@example.org carol@elsewhere.example dave@elsewhere.example",
        "info@plain.example": "carol@elsewhere.example",
        "list@example.org": "bob@example.org carol@elsewhere.example",
    },
    owners={"list@example.org": "alice@example.org"},
    unchanged=frozenset({"plain.example"}),
)
ASKING = RecipientOptions(Notify.SUCCESS | Notify.FAILURE, "rfc822;somebody@example.org")


class ForwardingCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(20_000 * DAY)
        self.local = RecordingTarget()
        self.outside = RecordingTarget()
        self.router = Router(USERS, self.local, self.outside, return_paths(USERS, self.clock))

    def begin(self, sender: str, options: MailOptions | None = None) -> IDelivery:
        address = parse_address(sender) if sender else None
        begun = self.router.begin(ORIGIN, address, options or MailOptions())
        return self.successResultOf(Deferred.fromCoroutine(begun))

    def send(self, sender: str, *texts: str) -> None:
        delivery = self.begin(sender)
        for recipient in recipients(*texts):
            self.successResultOf(Deferred.fromCoroutine(delivery.add_recipient(recipient)))
        results = self.successResultOf(Deferred.fromCoroutine(delivery.deliver(message())))
        self.assertEqual([None] * len(texts), list(results.values()))

    def refusal(self, sender: str, recipient: Address) -> str:
        adding = self.begin(sender).add_recipient(Recipient(recipient))
        return str(self.failureResultOf(Deferred.fromCoroutine(adding), SMTPError).value.reply)


class SenderTests(ForwardingCase):
    def senders(self, target: RecordingTarget) -> dict[str, str]:
        return {str(recipient.address): str(sent.sender or "") for sent in target.sent for recipient in sent.recipients}

    def test_sender_stays_here_and_is_rewritten_where_mail_leaves(self) -> None:
        self.send("x@sender.example", "info@example.org")
        self.assertEqual({"alice@example.org": "x@sender.example"}, self.senders(self.local))
        there = self.senders(self.outside)
        self.assertEqual(["carol@elsewhere.example", "dave@elsewhere.example"], list(there))
        for sender in there.values():
            self.assertRegex(sender, r"^SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}=sender\.example=x@example\.org$")
        self.assertEqual(1, len(self.outside.sent))

    def test_sender_that_was_rewritten_elsewhere_is_rewritten_again(self) -> None:
        self.send("SRS0=abcd=TT=a.example=x@hop.example", "info@example.org")
        sender = self.senders(self.outside)["carol@elsewhere.example"]
        self.assertRegex(sender, r"^SRS1=[A-Z2-7]{6}=hop\.example==abcd=TT=a\.example=x@example\.org$")

    def test_senders_that_stay_as_they_are(self) -> None:
        for sender, alias, why in (
            ("", "info@example.org", "the null reverse-path"),
            ("bob@example.org", "info@example.org", "one of ours"),
            ("x@sender.example", "info@plain.example", "the domain wants it so"),
            (f"{'x' * 40}@sender.example", "info@example.org", "it would be too long"),
            ("x@sender.example", "carol@elsewhere.example", "no alias"),
            ("", "list@example.org", "the null reverse-path, to a list"),
        ):
            self.setUp()
            self.send(sender, alias)
            self.assertEqual(sender, self.senders(self.outside)["carol@elsewhere.example"], why)

    def test_owner_is_the_sender_of_all_copies_of_a_list(self) -> None:
        for sender in ("x@sender.example", "bob@example.org", "alice@example.org"):
            self.setUp()
            self.send(sender, "list@example.org")
            self.assertEqual({"bob@example.org": "alice@example.org"}, self.senders(self.local))
            self.assertEqual({"carol@elsewhere.example": "alice@example.org"}, self.senders(self.outside))

    def test_list_and_others_are_sent_in_their_own_names(self) -> None:
        self.send("x@sender.example", "alice@example.org", "list@example.org", "erin@elsewhere.example")
        self.assertEqual(
            {"alice@example.org": "x@sender.example", "bob@example.org": "alice@example.org"}, self.senders(self.local)
        )
        self.assertEqual(
            {"erin@elsewhere.example": "x@sender.example", "carol@elsewhere.example": "alice@example.org"},
            self.senders(self.outside),
        )

    def test_owner_is_not_asked_for_reports_that_another_wanted(self) -> None:
        for alias, ret, notify in (
            ("list@example.org", None, RecipientOptions()),
            ("info@plain.example", Return.FULL, ASKING),
        ):
            delivery = self.begin("x@sender.example", MailOptions(ret=Return.FULL, envelope_id="id"))
            adding = delivery.add_recipient(Recipient(parse_address(alias), ASKING))
            self.successResultOf(Deferred.fromCoroutine(adding))
            self.successResultOf(Deferred.fromCoroutine(delivery.deliver(message())))
            sent = self.outside.sent.pop()
            self.assertEqual((ret, "id" if ret else None), (sent.options.ret, sent.options.envelope_id), alias)
            self.assertEqual(notify, sent.recipients[0].options, alias)


class ReturnTests(ForwardingCase):
    def rewritten(self) -> Address:
        self.send("x@sender.example", "info@example.org")
        sender = self.outside.sent.pop().sender
        assert sender is not None
        return sender

    def test_report_goes_on_to_the_sender(self) -> None:
        for change in (str, str.lower):
            address = self.rewritten()
            self.send("", change(str(address)))
            (sent,) = self.outside.sent
            self.assertIsNone(sent.sender)
            self.assertEqual(recipients("x@sender.example"), sent.recipients)
            self.assertNotIn(b"Delivered-To", sent.text)
            self.outside.sent.clear()

    def test_only_reports_go_back(self) -> None:
        address = self.rewritten()
        self.assertRegex(self.refusal("spam@sender.example", address), "^550 5.7.1 .*delivery reports only")

    def test_return_path_is_over_after_three_weeks(self) -> None:
        address = self.rewritten()
        self.clock.advance(21 * DAY)
        self.send("", str(address))
        self.clock.advance(DAY)
        self.assertRegex(self.refusal("", address), "^550 5.1.1 .*21 days")

    def test_made_up_return_path_is_refused_and_no_catch_all_gets_it(self) -> None:
        address = parse_address("SRS0=ABCDEF=JH=victim.example=x@example.org")
        for sender in ("", "x@sender.example"):
            self.assertRegex(self.refusal(sender, address), "^550 5.1.1 .*not made here")
        self.assertEqual(([], []), (self.local.sent, self.outside.sent))

    def test_sender_that_is_ours_by_now_gets_the_report_here(self) -> None:
        elsewhere = FixedUsers({"info@example.org": "carol@elsewhere.example"})
        self.router = Router(elsewhere, self.local, self.outside, return_paths(elsewhere, self.clock))
        self.send("info@plain.example", "info@example.org")
        address = self.outside.sent.pop().sender
        self.router = Router(USERS, self.local, self.outside, return_paths(USERS, self.clock))
        self.send("", str(address))
        self.assertEqual(recipients("carol@elsewhere.example"), self.outside.sent[0].recipients)
