"""What strangers and users may do, and what happens to their messages on the way."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.targets import ORIGIN, FixedUsers, UnreliableTarget, message, recipients
from twisted_mail.delivery.inbound import InboundPolicy, LoginRequired
from twisted_mail.delivery.submission import SubmissionPolicy
from twisted_mail.delivery.trace import Traced
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import MailOptions
from twisted_mail.smtp.reply import SMTPError

ALICE = parse_address("alice@example.org")
USERS = FixedUsers({"alice@example.org": "alice@example.org", "boss@example.org": "boss@example.org"})
WHOLE = b"From: alice@example.org\nDate: Sat, 21 Nov 2026 00:00:00 +0000\nMessage-ID: <1@example.org>\n\nHi\n"


class PolicyCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.inner = UnreliableTarget()
        self.options = MailOptions()
        self.clock = Clock()
        self.clock.advance(1_795_219_200)  # 2026-11-21 00:00:00 UTC

    def sending(self, target: IDeliveryTarget, text: bytes, sender: str, to: str) -> Deferred[None]:
        async def send() -> None:
            delivery = await target.begin(ORIGIN, parse_address(sender) if sender else None, self.options)
            for recipient in recipients(*to.split()):
                await delivery.add_recipient(recipient)
            await delivery.deliver(message(text))

        return Deferred.fromCoroutine(send())

    def send(
        self, target: IDeliveryTarget, text: bytes = WHOLE, sender: str = str(ALICE), to: str = "alice@example.org"
    ) -> bytes:
        """The text as the inner target took it."""
        self.successResultOf(self.sending(target, text, sender, to))
        return self.inner.taken[-1][2]

    def refusal(
        self, target: IDeliveryTarget, text: bytes = WHOLE, sender: str = str(ALICE), to: str = "alice@example.org"
    ) -> str:
        """The codes of the refusal."""
        error = self.failureResultOf(self.sending(target, text, sender, to), SMTPError).value
        self.assertEqual([], self.inner.taken)
        return str(error.reply)[:9]


class InboundTests(PolicyCase):
    def setUp(self) -> None:
        super().setUp()
        self.policy = InboundPolicy(USERS, self.inner)

    def test_local_recipient_from_anybody_is_taken(self) -> None:
        self.assertEqual(WHOLE, self.send(self.policy, sender="x@elsewhere.example"))

    def test_other_domain_is_refused(self) -> None:
        self.assertEqual("550 5.7.1", self.refusal(self.policy, to="x@elsewhere.example"))

    def test_nothing_goes_before_login_where_users_submit(self) -> None:
        self.assertEqual("530 5.7.0", self.refusal(LoginRequired()))


class SubmissionTests(PolicyCase):
    def setUp(self) -> None:
        super().setUp()
        self.policy = SubmissionPolicy(ALICE, USERS, self.inner, "mx.example.org", self.clock)

    def test_complete_message_is_left_alone(self) -> None:
        self.assertEqual(WHOLE, self.send(self.policy))

    def test_sender_that_is_somebody_else_is_refused(self) -> None:
        self.assertEqual("553 5.7.1", self.refusal(self.policy, sender="boss@example.org"))
        self.assertEqual("553 5.7.1", self.refusal(self.policy, sender="x@elsewhere.example"))

    def test_null_sender_of_a_read_receipt_is_taken(self) -> None:
        self.assertEqual(WHOLE, self.send(self.policy, sender=""))

    def test_author_that_is_somebody_else_here_is_refused(self) -> None:
        text = WHOLE.replace(b"From: alice@example.org", b"From: The Boss\n <boss@example.org>")
        self.assertEqual("550 5.7.1", self.refusal(self.policy, text))

    def test_author_that_is_somebody_else_here_is_refused_however_it_is_written(self) -> None:
        for author in (
            b"alice@example.org <boss@example.org>",
            b"carol@elsewhere.example <boss@example.org>",
            b"boss@example.org alice@example.org",
            b"boss@example.org.",
            b"alice@example.org\nFrom: a@b <boss@example.org>",
            b"boss@example.org\nFrom: a@b <carol@elsewhere.example>",
            b"(" * 3000 + b")" * 3000 + b" boss@example.org",
            b"a@b <\n boss@example.org>",
        ):
            text = WHOLE.replace(b"alice@example.org", author, 1)
            self.assertEqual("550 5.7.1", self.refusal(self.policy, text), author[:60])

    def test_own_address_as_a_display_name_without_quotes_is_taken(self) -> None:
        text = WHOLE.replace(b"alice@example.org", b"alice@example.org <alice@example.org>", 1)
        self.assertEqual(text, self.send(self.policy, text))

    def test_author_in_another_domain_is_passed_on(self) -> None:
        text = WHOLE.replace(b"From: alice@example.org", b"From: carol@elsewhere.example")
        self.assertEqual(text, self.send(self.policy, text))

    def test_missing_date_and_message_id_are_added_in_front(self) -> None:
        self.assertEqual(
            b"Date: Sat, 21 Nov 2026 00:00:00 +0000\n"
            b"Message-ID: <" + b"01" * 16 + b"@mx.example.org>\n"
            b"Subject: x\n\nHi\n",
            self.send(self.policy, b"Subject: x\n\nHi\n"),
        )

    def test_solicitation_stands_in_the_header_too(self) -> None:
        self.options = MailOptions(solicit=("org.example:ADV", "org.example:ADULT"))
        field = b"Solicitation: org.example:ADV,org.example:ADULT\n"
        self.assertEqual(field + WHOLE, self.send(self.policy))
        self.assertEqual(field + WHOLE, self.send(self.policy, field + WHOLE))

    def test_body_without_header_stays_a_body(self) -> None:
        text = self.send(self.policy, b"no header here at all\n")
        self.assertTrue(text.startswith(b"Date: "))
        self.assertTrue(text.endswith(b"@mx.example.org>\n\nno header here at all\n"), text)

    def test_bcc_is_taken_out_also_when_folded_and_twice(self) -> None:
        text = b"BCC: a@x.example,\n b@x.example\n" + WHOLE.replace(b"\n\n", b"\nBcc : c@x.example\n\n")
        self.assertEqual(WHOLE, self.send(self.policy, text))

    def test_resent_bcc_is_taken_out_of_a_message_that_is_sent_again(self) -> None:
        text = b"Resent-To: a@x.example\n" + WHOLE
        self.assertEqual(text, self.send(self.policy, b"Resent-Bcc: b@x.example,\n c@x.example\n" + text))


class TraceTests(PolicyCase):
    def setUp(self) -> None:
        super().setUp()
        self.target = Traced(self.inner, "mx.example.org", self.clock)

    def test_received_names_the_only_recipient(self) -> None:
        self.assertEqual(
            b"Received: from client.example ([192.0.2.1])\n"
            b" by mx.example.org with ESMTP id " + b"01" * 16 + b"\n"
            b" for <alice@example.org>;\n"
            b" Sat, 21 Nov 2026 00:00:00 +0000\n" + WHOLE,
            self.send(self.target),
        )

    def test_received_names_nobody_where_there_are_two(self) -> None:
        self.assertNotIn(b"for <", self.send(self.target, to="alice@example.org bob@example.org"))
