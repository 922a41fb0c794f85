"""Rules and answers around mailboxes: what goes where, all or nothing, and the message comes first."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from zope.interface.verify import verifyObject

from tests.mailbox.disk import MaildirTestCase
from tests.targets import NEVER, ORIGIN, FixedUsers, UnreliableTarget, message, recipients
from twisted_mail.content import Message
from twisted_mail.delivery.forwarding import Forwarding, ReturnPaths
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.mailbox.absence import TEXT_FILE
from twisted_mail.mailbox.answering import Answers
from twisted_mail.mailbox.ruled import RuledMailboxes
from twisted_mail.mailbox.wishes import RULES_FILE, WishReader
from twisted_mail.message.evidence import ENOUGH, Evidence
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import MailOptions, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.smtp.srs import SenderRewriting

BOB = parse_address("bob@else.example")
TEXT = b"To: Alice <alice+x@example.org>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nHello\n"
JUNK = Evidence(ENOUGH, "it is")


async def is_own(account: Address, address: Address) -> bool:
    return address == parse_address("alice+x@example.org")


class RuledCase(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.mailboxes = UnreliableTarget()
        self.router = UnreliableTarget()
        users = FixedUsers({"alice@example.org": "alice@example.org"})
        paths = ReturnPaths(users, SenderRewriting(b"key"), Clock())
        forwarding = Forwarding(users, paths, lambda domain: True, lambda: self.router)
        answers = Answers(self.path_of, is_own, lambda: self.router, "mx.example", Clock())
        self.target = RuledMailboxes(self.mailboxes, WishReader(self.path_of), forwarding, answers)
        verifyObject(IDeliveryTarget, self.target)

    def path_of(self, account: Address) -> str:
        return self.path if account.local_part == "alice" else f"{self.path}/none"

    def begin(self, *to: str, sender: Address | None = BOB) -> IDelivery:
        delivery = self.result(self.target.begin(ORIGIN, sender, MailOptions()))
        for recipient in recipients(*(to or ("alice@example.org",))):
            self.result(delivery.add_recipient(recipient))
        return delivery

    def deliver(self, text: bytes | Message = TEXT, *to: str, sender: Address | None = BOB) -> list[SMTPError | None]:
        sent = text if isinstance(text, Message) else message(text)
        return list(self.result(self.begin(*to, sender=sender).deliver(sent)).values())

    def rules(self, *rules: str) -> None:
        self.put(RULES_FILE, "".join(f"[[rule]]\n{rule}\n" for rule in rules).encode())


class AnswerTests(RuledCase):
    def test_answer_goes_to_the_sender_without_a_return_path(self) -> None:
        self.put(TEXT_FILE, b"Away.\n")
        self.assertEqual([None], self.deliver())
        [(sender, to, text)] = self.router.taken
        self.assertEqual((None, recipients("bob@else.example")), (sender, to))
        self.assertIn(b"\nSubject: Auto: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n", text)
        self.assertEqual([TEXT], [text for _, _, text in self.mailboxes.taken])

    def test_who_wrote_to_somebody_else_and_reports_and_junk_are_not_answered(self) -> None:
        self.put(TEXT_FILE, b"Away.\n")
        self.deliver(b"To: list@example.org\n\n")
        self.deliver(sender=None)
        self.deliver(message(TEXT).with_evidence(JUNK))
        self.assertEqual([], self.router.steps)

    def test_answer_that_nobody_takes_costs_the_message_nothing(self) -> None:
        self.put(TEXT_FILE, b"Away.\n")
        for fails_at in ("begin", "add", "deliver"):
            self.router.fails_at = fails_at
            self.assertEqual([None], self.deliver(sender=parse_address(f"{fails_at}@else.example")))
        self.assertEqual(3, len(self.mailboxes.taken))

    def test_message_that_did_not_come_is_not_answered(self) -> None:
        self.put(TEXT_FILE, b"Away.\n")
        self.mailboxes.fails_at = "deliver"
        self.assertNotEqual([None], self.deliver())
        self.assertEqual([], self.router.steps)

    def test_reply_of_a_rule_comes_in_the_place_of_the_other(self) -> None:
        self.put(TEXT_FILE, b"Away.\n")
        self.rules('reply = { text = "Moved.", subject = "New address", from = "eve@example.org" }')
        self.deliver()
        self.deliver()
        [(_, _, text)] = self.router.taken
        self.assertIn(b"From: <alice@example.org>\n", text)  # eve's is not alice's own
        self.assertIn(b"\nSubject: New address\n", text)
        self.assertTrue(text.endswith(b"\n\nMoved.\n"))

    def test_who_is_away_does_not_answer_what_a_rule_throws_away(self) -> None:
        self.put(TEXT_FILE, b"Away.\n")
        self.rules('when = { address = "To", contains = "alice" }\ndiscard = true')
        self.assertEqual([None], self.deliver())
        self.assertEqual(([], []), (self.mailboxes.taken, self.router.taken))


class RuledTests(RuledCase):
    def test_what_an_account_thinks_of_a_message_does_not_go_on_with_it(self) -> None:
        known, dateless = Evidence(-1.0, "alice knows it", is_personal=True), Evidence(0.5, "has no date")
        self.rules('forward = "carol@elsewhere.example"\ncopy = true')
        self.assertEqual([None], self.deliver(message(TEXT).with_evidence(dateless, known)))
        self.assertEqual([(dateless, known)], self.mailboxes.evidence)
        self.assertEqual([(dateless,)], self.router.evidence)

    def test_message_goes_on_in_the_name_of_the_domain_and_says_where_it_was(self) -> None:
        self.rules('forward = "carol@elsewhere.example"')
        self.assertEqual([None], self.deliver())
        [(sender, to, text)] = self.router.taken
        assert sender is not None
        self.assertTrue(str(sender).startswith("SRS0="), sender)
        self.assertEqual((recipients("carol@elsewhere.example"), "example.org"), (to, sender.domain))
        self.assertTrue(text.startswith(b"Delivered-To: alice@example.org\nTo: Alice"))
        self.assertEqual([], self.mailboxes.taken)
        self.assertIn("abort", self.mailboxes.steps)

    def test_copies_are_prepared_before_anything_is_committed(self) -> None:
        self.rules('forward = "carol@elsewhere.example"\ncopy = true')
        steps: list[str] = []
        self.mailboxes.steps = self.router.steps = steps
        self.assertEqual([None], self.deliver())
        self.assertLess(max(i for i, step in enumerate(steps) if step == "prepare"), steps.index("commit"))
        self.assertEqual((1, 1), (len(self.mailboxes.taken), len(self.router.taken)))

    def test_message_that_cannot_go_on_is_kept(self) -> None:
        self.rules('forward = "carol@elsewhere.example"')
        self.router.error = NEVER
        for fails_at in ("begin", "add", "prepare"):
            self.router.fails_at = fails_at
            self.assertEqual([None], self.deliver())
        self.assertEqual([TEXT] * 3, [text for _, _, text in self.mailboxes.taken])
        self.assertEqual([], self.router.taken)

    def test_only_what_was_done_is_told(self) -> None:
        self.rules('name = "on"\nforward = "carol@elsewhere.example"', 'mark = "seen"')
        told: list[LogEvent] = []
        globalLogPublisher.addObserver(told.append)
        self.addCleanup(globalLogPublisher.removeObserver, told.append)
        self.deliver()
        self.router.fails_at = "add"
        self.deliver()
        done = [event["done"] for event in told if event.get("event") == "message.ruled"]
        self.assertEqual(["sent on to carol@elsewhere.example", "kept in the inbox"], done)
        [problem] = [event["problem"] for event in told if event.get("event") == "rules.failed"]
        self.assertEqual("<carol@elsewhere.example> cannot get it: 451 4.3.0 not now", problem)

    def test_message_that_was_here_before_or_too_often_elsewhere_is_kept(self) -> None:
        self.rules('forward = "carol@elsewhere.example"')
        self.deliver(b"Delivered-To: alice@example.org\n" + TEXT)
        self.deliver(b"".join(b"Delivered-To: a%d@b.example\n" % number for number in range(5)) + TEXT)
        self.assertEqual((2, []), (len(self.mailboxes.taken), self.router.steps))

    def test_failing_mailbox_takes_back_what_was_to_go_on(self) -> None:
        self.rules('forward = "carol@elsewhere.example"\ncopy = true')
        self.mailboxes.fails_at = "prepare"
        delivery = self.begin()
        self.assertNotEqual({None}, set(self.result(delivery.deliver(message(TEXT))).values()))
        delivery.abort()
        self.assertIn("abort", self.router.steps)
        self.assertEqual(([], []), (self.mailboxes.taken, self.router.taken))

    def test_recipients_with_the_same_outcome_share_a_delivery(self) -> None:
        self.rules('folder = "Work"')
        self.assertEqual([None] * 3, self.deliver(TEXT, "bob@example.org", "alice@example.org", "carol@example.org"))
        taken = [to for _, to, _ in self.mailboxes.taken]
        self.assertEqual([recipients("bob@example.org", "carol@example.org"), recipients("alice@example.org")], taken)
        self.mailboxes.taken.clear()
        self.mailboxes.steps.clear()
        self.deliver(TEXT, "bob@example.org", "carol@example.org")
        self.assertEqual(["begin", "add", "add", "deliver"], self.mailboxes.steps)

    def test_tag_that_the_sender_wrote_can_be_asked_for(self) -> None:
        self.rules('when = { envelope = "to", part = "detail", is = "shop" }\ndiscard = true')
        delivery = self.result(self.target.begin(ORIGIN, BOB, MailOptions()))
        named = Recipient(parse_address("alice@example.org"), named=parse_address("alice+Shop@example.org"))
        self.result(delivery.add_recipient(named))
        self.assertEqual([None], list(self.result(delivery.deliver(message(TEXT))).values()))
        self.assertEqual([], self.mailboxes.taken)

    def test_broken_rules_keep_the_message(self) -> None:
        self.put(RULES_FILE, b'[[rule]]\nwhen = { header = "To", contains = "" }\ndiscard = true\n')
        self.assertEqual([None], self.deliver())
        self.assertEqual([TEXT], [text for _, _, text in self.mailboxes.taken])
