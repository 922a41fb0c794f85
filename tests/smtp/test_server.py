"""What a dialogue cannot show: when the session waits, what it sends at once, and how the server drives it."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.dialogue import Dialogue
from tests.smtp.dialogue import NOW, Server
from twisted_mail.smtp import server
from twisted_mail.smtp.command import COMMANDS
from twisted_mail.smtp.events import Closed, DataChunk, EndOfData, Event, MailFrom, RcptTo, Refused, StartTLS, Wait
from twisted_mail.smtp.extensions import EXTENSIONS, OPTIONAL
from twisted_mail.smtp.reply import Reply
from twisted_mail.smtp.server import ServerSession, SessionOptions

OK = Reply(250, "0.0", "Ok")
NO = Reply(550, "1.1", "No")
TO_TEXT = b"EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nDATA\r\n"


class SessionTestCase(TestCase):
    def make(self, octets: bytes = b"", *, tls: bool = False, **options: object) -> ServerSession:
        """A session that has read *octets*, questions answered with yes, replies thrown away."""
        session = ServerSession(SessionOptions("mx.example", **options), tls=tls)  # type: ignore[arg-type]
        session.greet()
        session.receive_data(octets)
        self.answer_all(session)
        session.data_to_send()
        return session

    def answer_all(self, session: ServerSession) -> list[Event]:
        """All events up to the next wait or the end."""
        events = []
        while not isinstance(event := session.next_event(), (Wait, Closed)):
            events.append(event)
            if isinstance(event, (MailFrom, RcptTo, EndOfData)):
                session.answer(OK)
        return events

    def next(self, session: ServerSession, octets: bytes) -> Event | Wait:
        session.receive_data(octets)
        return session.next_event()


class WaitingTests(SessionTestCase):
    def test_nothing_is_read_before_the_question_is_answered(self) -> None:
        session = self.make(b"EHLO client.example\r\n")
        mail = self.next(session, b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nQUIT\r\n")
        self.assertIsInstance(mail, MailFrom)
        self.assertIs(Wait.PAUSED, session.next_event())
        self.assertEqual(b"", session.data_to_send())
        session.answer(OK)
        self.assertIsInstance(session.next_event(), RcptTo)
        self.assertIs(Wait.PAUSED, session.next_event())

    def test_all_replies_of_a_batch_go_out_in_one_piece(self) -> None:
        session = self.make(b"EHLO client.example\r\n")
        session.receive_data(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nNOOP\r\nDATA\r\n")
        self.answer_all(session)
        self.assertEqual([b"250", b"250", b"250", b"354"], [r[:3] for r in session.data_to_send().splitlines()])
        self.assertEqual(b"", session.data_to_send())

    def test_end_of_data_is_asked_only_after_its_last_chunk_was_given(self) -> None:
        session = self.make(TO_TEXT)
        self.assertEqual(DataChunk(b"x\n"), self.next(session, b"x\r\n.\r\nNOOP\r\n"))
        self.assertEqual(EndOfData(), session.next_event())
        self.assertIs(Wait.PAUSED, session.next_event())
        session.answer(OK)
        self.assertIs(Wait.NEED_DATA, session.next_event())

    def test_chunks_come_as_they_arrive(self) -> None:
        session = self.make(TO_TEXT)
        self.assertEqual(DataChunk(b"a" * 1000), self.next(session, b"a" * 1000))
        self.assertIs(Wait.NEED_DATA, session.next_event())
        self.assertEqual(DataChunk(b"b"), self.next(session, b"b"))

    def test_no_chunk_comes_once_the_text_is_refused(self) -> None:
        for bad in (b"\n", b"x" * 101):
            session = self.make(TO_TEXT, max_size=100)
            self.assertIs(Wait.NEED_DATA, self.next(session, bad))
            self.assertIs(Wait.NEED_DATA, self.next(session, b"more\r\n" * 10))
            self.assertEqual(b"", session.data_to_send())

    def test_tls_is_waited_for(self) -> None:
        session = self.make(b"EHLO client.example\r\n", tls_available=True)
        self.assertEqual(StartTLS(), self.next(session, b"STARTTLS\r\n"))
        self.assertIs(Wait.PAUSED, self.next(session, b"NOOP\r\n"))
        session.tls_started()
        self.assertTrue(session.tls)
        self.assertIs(Wait.NEED_DATA, session.next_event())
        self.assertEqual(b"220 2.0.0 Start TLS now\r\n", session.data_to_send())


class AnswerTests(SessionTestCase):
    def test_answer_without_a_question_is_our_bug(self) -> None:
        self.assertRaises(RuntimeError, self.make().answer, OK)

    def test_wrong_number_of_answers_is_our_bug_and_the_question_stays(self) -> None:
        session = self.make(TO_TEXT, lmtp=False)
        self.next(session, b".\r\n")
        self.assertRaises(RuntimeError, session.answer, OK, OK)
        self.assertRaises(RuntimeError, session.answer)
        session.answer(OK)
        self.assertFalse(session.in_transaction)

    def test_tls_that_nobody_asked_for_is_our_bug(self) -> None:
        self.assertRaises(RuntimeError, self.make().tls_started)

    def test_a_refused_sender_opens_no_transaction(self) -> None:
        session = self.make(b"EHLO client.example\r\n")
        self.next(session, b"MAIL FROM:<a@client.example>\r\n")
        session.answer(NO)
        self.assertFalse(session.in_transaction)

    def test_transaction_lasts_from_mail_to_the_answer_to_the_end_of_data(self) -> None:
        session = self.make(b"EHLO client.example\r\n")
        self.assertFalse(session.in_transaction)
        self.next(session, b"MAIL FROM:<a@client.example> SMTPUTF8\r\n")
        self.assertFalse(session.in_transaction)
        session.answer(OK)
        self.assertTrue(session.in_transaction)
        self.assertTrue(session.smtputf8)
        session.receive_data(b"RCPT TO:<b@mx.example>\r\nDATA\r\n")
        self.answer_all(session)
        self.next(session, b".\r\n")
        self.assertTrue(session.in_transaction)
        session.answer(NO)
        self.assertFalse(session.in_transaction)
        self.assertFalse(session.smtputf8)


class CloseTests(SessionTestCase):
    def test_server_may_end_the_session_at_any_time(self) -> None:
        reply = Reply(421, "4.2", "Idle for too long")
        for octets in (b"", b"EHLO client.example\r\nMAIL FROM:<a@client.example>\r\n", TO_TEXT, TO_TEXT + b"text"):
            session = self.make(octets)
            session.close(reply, "idle")
            self.assertEqual(Closed("idle"), session.next_event())
            self.assertEqual(Closed("idle"), self.next(session, b"NOOP\r\n"))
            self.assertEqual(b"421 4.4.2 Idle for too long\r\n", session.data_to_send())

    def test_close_withdraws_an_open_question_and_its_late_answer_is_dropped(self) -> None:
        session = self.make(b"EHLO client.example\r\n")
        self.next(session, b"MAIL FROM:<a@client.example>\r\nNOOP\r\n")
        session.close(Reply(421, "3.2", "Shutting down"), "shutdown")
        session.answer(OK)
        self.assertEqual(Closed("shutdown"), session.next_event())
        self.assertEqual(b"421 4.3.2 Shutting down\r\n", session.data_to_send())

    def test_nothing_is_kept_after_the_end(self) -> None:
        session = self.make(b"QUIT\r\n")
        session.receive_data(b"x" * 100_000)
        self.assertEqual(0, len(session._lines))


class LogTests(SessionTestCase):
    def refusals(self, octets: bytes, **options: object) -> list[str]:
        session = self.make(b"EHLO client.example\r\n", tls=True, **options)
        session.receive_data(octets)
        return [event.command for event in self.answer_all(session) if isinstance(event, Refused)]

    def test_refused_sender_and_recipient_are_named_with_their_octets_escaped(self) -> None:
        octets = b"MAIL FROM:<\xff\x1b>\r\nRCPT TO:<b@mx.example>\r\n"
        self.assertEqual(["MAIL FROM:<\\xff\x1b>", "RCPT TO:<b@mx.example>"], self.refusals(octets))

    def test_password_is_never_shown_also_when_the_client_is_out_of_step(self) -> None:
        octets = b"AUTH BOGUS c2VjcmV0\r\nYWxpY2U=\r\nc2VjcmV0\r\nAUTH PLAIN\r\n!c2VjcmV0\r\nAUTH PLAIN c2VjcmV0 x\r\n"
        refusals = self.refusals(octets, mechanisms=("PLAIN",))
        self.assertEqual(["AUTH", "unknown command", "unknown command", "AUTH", "AUTH"], refusals)


class BoundTests(SessionTestCase):
    def test_endless_line_is_not_kept(self) -> None:
        for prefix in (b"", b"EHLO client.example\r\nAUTH PLAIN\r\n"):
            session = self.make(prefix, tls=True, mechanisms=("PLAIN",))
            for _ in range(100):
                self.assertIs(Wait.NEED_DATA, self.next(session, b"x" * 10_000))
                self.assertLess(len(session._lines), 22_288)

    def test_any_command_in_any_state_is_answered_by_exactly_one_reply(self) -> None:
        begin = [b"", b"EHLO client.example\r\n"]
        begin += [begin[1] + b"MAIL FROM:<a@client.example>\r\n", TO_TEXT.removesuffix(b"DATA\r\n")]
        for octets in begin:
            for verb in [*COMMANDS, b"BOGUS", b"GET", b"ETRN", b""]:
                for argument in (b"", b" FROM:<a@client.example>", b" TO:<a@client.example>", b" x"):
                    playing = Server(Dialogue())
                    playing.say(octets)
                    replies = playing.say(verb + argument + b"\r\n").splitlines()
                    self.assertEqual(1, sum(reply[3:4] == b" " for reply in replies), verb + argument)


class TableTests(SessionTestCase):
    def test_every_command_has_its_action(self) -> None:
        self.assertEqual(sorted(row.verb for row in COMMANDS.values()), sorted(server._ACTIONS))


class OptionTests(SessionTestCase):
    def test_extension_that_there_is_not_is_refused_at_once(self) -> None:
        self.assertRaises(ValueError, self.make, extensions=("PIPELINING",))
        self.assertRaises(ValueError, self.make, extensions=("DSN", "BOGUS"))

    def test_holding_back_needs_the_time(self) -> None:
        self.assertRaises(ValueError, self.make, max_hold=60)

    def test_all_extensions_at_once_are_offered_each_once(self) -> None:
        options = SessionOptions(
            "mx.example",
            submission=True,
            mechanisms=("PLAIN",),
            chunking=True,
            xclient=True,
            extensions=tuple(OPTIONAL),
            max_hold=60,
            max_size=12345,
        )
        session = ServerSession(options, tls=True, now=NOW)
        self.next(session, b"EHLO client.example\r\n")
        words = [line[4:].split()[0] for line in session.data_to_send().decode().splitlines()[1:]]
        self.assertEqual([row.keyword for row in EXTENSIONS if row.keyword != "STARTTLS"], words)

    def test_longest_mail_and_rcpt_lines_that_the_extensions_allow_fit(self) -> None:
        session = self.make(b"EHLO client.example\r\n", chunking=True, extensions=("DSN", "NO-SOLICITING"))
        path = b"<" + b"a" * 64 + b"@" + b"b." * 93 + b"cc>"
        mail = (
            b"MAIL FROM:" + path + b" RET=FULL ENVID=" + b"e" * 100 + b" SOLICIT=" + b"s" * 1000 + b" BODY=8BITMIME\r\n"
        )
        self.assertIsInstance(self.next(session, mail), MailFrom)
        session.answer(OK)
        rcpt = b"RCPT TO:" + path + b" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;" + b"o" * 493 + b"\r\n"
        self.assertIsInstance(self.next(session, rcpt), RcptTo)

    def test_only_a_submission_may_be_normalised(self) -> None:
        self.assertRaises(ValueError, self.make, normalise=True)
