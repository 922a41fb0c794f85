"""What is kept of a conversation: bounded, and never a secret or a message."""

from __future__ import annotations

import sys

from twisted.trial.unittest import TestCase

from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.server import ServerSession as POP3Session
from twisted_mail.pop3.server import SessionOptions as POP3Options
from twisted_mail.sasl import PasswordCredentials
from twisted_mail.session import Authenticate, Closed, Question, Wait
from twisted_mail.smtp.events import EndOfData
from twisted_mail.smtp.reply import Reply
from twisted_mail.smtp.server import ServerSession, SessionOptions
from twisted_mail.transcript import MAX_SIZE, Transcript

SECRETS = ("hunter2", "AGFsaWNlAGh1bnRlcjI=", "aHVudGVyMg==", "kumquat")


class TranscriptTests(TestCase):
    def test_lines_have_their_speaker(self) -> None:
        transcript = Transcript()
        transcript.keep(b"220 mail.example.org ESMTP\r\n")
        transcript.keep(b"EHLO \xffclient")
        transcript.keep(b"250-one\r\n250 two\r\n")
        transcript.keep(b"[the message]")
        expected = "S: 220 mail.example.org ESMTP\nC: EHLO \ufffdclient\nS: 250-one\nS: 250 two\n[the message]\n"
        self.assertEqual(expected, transcript.text())

    def test_only_the_last_of_it_is_kept_however_short_the_lines(self) -> None:
        for line in (b"NOOP", b"x" * 500, b"y" * 3 * MAX_SIZE):
            transcript = Transcript()
            for _ in range(20_000 if len(line) < 10 else 1000):
                transcript.keep(line)
            kept = transcript._lines
            octets = sum(map(sys.getsizeof, kept)) + sys.getsizeof(kept)
            self.assertLess(octets, max(MAX_SIZE, len(line)) * 1.3)
            self.assertIn("[what was said before is left out]\n", transcript.text())

    def test_a_silent_connection_costs_next_to_nothing(self) -> None:
        transcript = Transcript()
        self.assertLess(sys.getsizeof(transcript) + sys.getsizeof(transcript._lines), 200)


class SMTPTranscriptTests(TestCase):
    def said(self, *lines: bytes) -> str:
        """What the session keeps, whoever may log in and send."""
        mechanisms = ("PLAIN", "LOGIN")
        session = ServerSession(
            SessionOptions("mail.example.org", plaintext_auth=True, mechanisms=mechanisms, chunking=True)
        )
        session.greet()
        for line in lines:
            session.receive_data(line + b"\r\n")
            while not isinstance(event := session.next_event(), (Wait, Closed)):
                if isinstance(event, Authenticate):
                    assert isinstance(event.credentials, PasswordCredentials)
                    session.answer(Reply(235, "7.0", "Welcome"))
                elif isinstance(event, EndOfData):
                    session.answer(Reply(250, "0.0", "Stored"))
                elif isinstance(event, Question):
                    session.answer(Reply(250, "1.0", "Ok"))
        text = session.transcript.text()
        for secret in SECRETS:
            self.assertNotIn(secret, text)
        return text

    def test_passwords_are_struck_out_however_they_come(self) -> None:
        text = self.said(b"EHLO c.example", b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=")
        self.assertIn("C: AUTH PLAIN [struck out]\nS: 235 2.7.0 Welcome\n", text)
        text = self.said(b"EHLO c.example", b"AUTH LOGIN", b"YWxpY2U=", b"aHVudGVyMg==")
        self.assertIn("C: AUTH LOGIN [struck out]\nS: 334 ", text)
        self.assertEqual(3, text.count("[struck out]"))
        for line in (b"hunter2", b"AUTHPLAIN AGFsaWNlAGh1bnRlcjI=", b"PASS hunter2", b"aHVudGVyMg=="):
            self.assertIn("[a command that is not known, ", self.said(b"EHLO c.example", line))

    def test_messages_are_left_out(self) -> None:
        begin = (b"EHLO c.example", b"MAIL FROM:<a@b.example>", b"RCPT TO:<c@d.example>")
        for text in (
            self.said(*begin, b"DATA", b"Subject: kumquat", b"", b"kumquat", b".", b"QUIT"),
            self.said(*begin, b"BDAT 9 LAST\r\nkumquat", b"QUIT"),
        ):
            self.assertIn("C: RCPT TO:<c@d.example>\nS: 250 2.1.0 Ok\n", text)
            self.assertIn("[the message]\nS: 250 2.0.0 Stored\nC: QUIT\n", text)


class POP3TranscriptTests(TestCase):
    def said(self, *lines: bytes) -> str:
        options = POP3Options("mail.example.org", plaintext_auth=True, mechanisms=("PLAIN", "LOGIN"))
        session = POP3Session(options)
        session.greet()
        for line in lines:
            session.receive_data(line + b"\r\n")
            while not isinstance(event := session.next_event(), (Wait, Closed)):
                if isinstance(event, Authenticate):
                    session.logged_in(Listing((9,), ("uid1",)))
                elif isinstance(event, Question):
                    session.start_message()
                    session.message_piece(b"kumquat\n")
                    session.end_message()
        text = session.transcript.text()
        for secret in SECRETS:
            self.assertNotIn(secret, text)
        return text

    def test_passwords_are_struck_out_however_they_come(self) -> None:
        text = self.said(b"USER alice", b"PASS hunter2", b"PASS hunter2", b"STAT")
        self.assertIn("C: USER alice\n", text)
        self.assertEqual(2, text.count("C: PASS [struck out]\n"))
        self.assertIn("C: STAT\nS: +OK 1 9\n", text)
        self.assertIn("C: AUTH PLAIN [struck out]\n", self.said(b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI="))
        self.assertEqual(3, self.said(b"AUTH LOGIN", b"YWxpY2U=", b"aHVudGVyMg==").count("[struck out]"))
        self.assertIn("[a command that is not known, 7 octets]", self.said(b"USER alice", b"hunter2"))

    def test_messages_and_listings_are_left_out(self) -> None:
        text = self.said(b"USER alice", b"PASS hunter2", b"UIDL", b"RETR 1", b"LIST")
        self.assertIn("C: RETR 1\nS: +OK ", text)
        self.assertIn("[the message]\n", text)
        self.assertNotIn("uid1", text)
