"""Who is answered, and with what."""

from __future__ import annotations

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.mailbox.absence import AGAIN, answer, take_turn, wants_answer, written_to
from twisted_mail.smtp.address import Address, parse_address

ALICE = Address("alice", "example.org")
BOB = Address("bob", "else.example")


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
        turns = [take_turn(self.path, BOB, now) for now in (1e9, 1e9 + 5, 1e9 + AGAIN - 1, 1e9 + AGAIN)]
        self.assertEqual([True, False, False, True], turns)
        self.assertFalse(take_turn(self.path, Address("BOB", "else.example"), 1e9 + AGAIN))
        self.assertTrue(take_turn(self.path, ALICE, 1e9 + AGAIN))

    def test_an_answer_says_that_it_is_one(self) -> None:
        header = b"Message-ID: <1@else.example>\nSubject: Gr\xc3\xbc\xc3\x9fe\n\n"
        reply = answer("01" * 16, ALICE, BOB, header, "Away.\r\nBack soon.", "mx.example")
        for line in (b"In-Reply-To: <1@else.example>\n", b"Auto-Submitted: auto-replied (vacation)\n"):
            self.assertIn(line, reply.header)
        self.assertIn(b"Subject: =?utf-8?", reply.header)
        self.assertEqual(b"Away.\nBack soon.\n", reply.body)
