"""The message comes first, whatever becomes of an answer."""

from __future__ import annotations

from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.mailbox.disk import MaildirTestCase
from tests.targets import ORIGIN, UnreliableTarget, message, recipients
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.mailbox.absence import TEXT_FILE
from twisted_mail.mailbox.answering import Answering
from twisted_mail.message.evidence import ENOUGH, Evidence
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import MailOptions
from twisted_mail.smtp.reply import SMTPError

BOB = parse_address("bob@else.example")
TEXT = b"To: Alice <alice+x@example.org>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nHello\n"


class AnsweringTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.put(TEXT_FILE, b"Away.\n")
        self.mailboxes = UnreliableTarget()
        self.answers = UnreliableTarget()

    def deliver(self, text: bytes = TEXT, sender: Address | None = BOB, *evidence: Evidence) -> list[SMTPError | None]:
        async def is_own(account: Address, address: Address) -> bool:
            return address == parse_address("alice+x@example.org")

        target = Answering(self.mailboxes, lambda _: self.path, is_own, lambda: self.answers, "mx.example", Clock())
        verifyObject(IDeliveryTarget, target)
        delivery = self.result(target.begin(ORIGIN, sender, MailOptions()))
        self.result(delivery.add_recipient(recipients("alice@example.org")[0]))
        return list(self.result(delivery.deliver(message(text).with_evidence(*evidence))).values())

    def test_answer_goes_to_the_sender_without_a_return_path(self) -> None:
        self.assertEqual([None], self.deliver())
        [(sender, to, text)] = self.answers.taken
        self.assertEqual((None, recipients("bob@else.example")), (sender, to))
        self.assertIn(b"\nSubject: Auto: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n", text)
        self.assertEqual([TEXT], [text for _, _, text in self.mailboxes.taken])

    def test_who_wrote_to_somebody_else_and_reports_are_not_answered(self) -> None:
        self.deliver(b"To: list@example.org\n\n")
        self.deliver(sender=None)
        self.assertEqual([], self.answers.steps)

    def test_junk_is_not_answered(self) -> None:
        self.deliver(TEXT, BOB, Evidence(ENOUGH, "forged"))
        self.assertEqual([], self.answers.steps)
        self.deliver(TEXT, BOB, Evidence(ENOUGH - 1, "odd"))
        self.assertEqual(1, len(self.answers.taken))

    def test_answer_that_nobody_takes_costs_the_message_nothing(self) -> None:
        for fails_at in ("begin", "add", "deliver"):
            self.answers.fails_at = fails_at
            self.assertEqual([None], self.deliver(sender=parse_address(f"{fails_at}@else.example")))
        self.assertEqual(3, len(self.mailboxes.taken))

    def test_message_that_did_not_come_is_not_answered(self) -> None:
        self.mailboxes.fails_at = "deliver"
        self.assertNotEqual([None], self.deliver())
        self.assertEqual([], self.answers.steps)
