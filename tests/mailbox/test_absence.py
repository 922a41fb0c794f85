"""Who is answered, and with what."""

from __future__ import annotations

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.mailbox.absence import DAY, answer, take_turn, wants_answer, written_to
from twisted_mail.rules.ruleset import Reply
from twisted_mail.smtp.address import Address, parse_address

ALICE = Address("alice", "example.org")
BOB = Address("bob", "else.example")
AWAY = Reply("Away.\r\nBack soon.")


class AbsenceTests(MaildirTestCase):
    def test_a_person_is_answered(self) -> None:
        self.assertTrue(wants_answer(BOB, ALICE, b"From: bob\nAuto-Submitted: no\nSubject: hello\n\n"))

    def test_lists_and_programs_are_not(self) -> None:
        for line in ("List-Id: <x>", "List-Unsubscribe: <x>", "Auto-Submitted: auto-replied", "Precedence: Bulk"):
            self.assertFalse(wants_answer(BOB, ALICE, f"From: bob\n{line}\n\n".encode()), line)
        for local in ("owner-list", "list-request", "MAILER-DAEMON", "noreply", "no-reply+5"):
            self.assertFalse(wants_answer(Address(local, "else.example"), ALICE, b"\n"), local)
        self.assertFalse(wants_answer(None, ALICE, b"\n"))
        self.assertFalse(wants_answer(Address("Alice", "example.org"), ALICE, b"\n"))

    def test_addresses_of_to_and_cc_are_found(self) -> None:
        header = b'To: "A, B" <a@x.example>,\n b@x.example\nCc: broken, c@x.example\nBcc: d@x.example\n\n'
        self.assertEqual([parse_address(f"{c}@x.example") for c in "abc"], written_to(header))

    def test_one_sender_has_one_answer_in_a_week(self) -> None:
        again = 7 * DAY
        turns = [take_turn(self.path, BOB, AWAY, now) for now in (1e9, 1e9 + 5, 1e9 + again - 1, 1e9 + again)]
        self.assertEqual([True, False, False, True], turns)
        self.assertFalse(take_turn(self.path, Address("BOB", "else.example"), AWAY, 1e9 + again))
        self.assertTrue(take_turn(self.path, ALICE, AWAY, 1e9 + again))

    def test_replies_of_rules_have_days_of_their_own(self) -> None:
        short, long = Reply("a", days=1), Reply("b", days=30)
        for day, expected in ((0, (True, True)), (1, (True, False)), (30, (True, True)), (30.5, (False, False))):
            now = 1e9 + day * DAY
            turns = tuple(take_turn(self.path, BOB, reply, now, by_rule=True) for reply in (short, long))
            self.assertEqual(expected, turns, day)
        self.assertTrue(take_turn(self.path, BOB, AWAY, 1e9))

    def test_an_answer_says_that_it_is_one(self) -> None:
        header = b"Message-ID: <1@else.example>\nSubject: Gr\xc3\xbc\xc3\x9fe\n\n"
        reply = answer("01" * 16, ALICE, BOB, header, AWAY, "mx.example")
        for line in (b"In-Reply-To: <1@else.example>\n", b"Auto-Submitted: auto-replied (vacation)\n"):
            self.assertIn(line, reply.header)
        self.assertIn(b"Subject: =?utf-8?", reply.header)
        self.assertEqual(b"Away.\nBack soon.\n", reply.body)
