"""What a dialogue cannot show: TLS in between, limits, questions left open, the server's own end of a session."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.pop3.events import Authenticate, Backlog, Closed, Event, Refused, Retrieve, StartTLS, Update, Wait
from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.server import MAX_BACKLOG, AtHand, ServerSession, SessionOptions
from twisted_mail.sasl import PasswordCredentials

OPTIONS = SessionOptions("mx.example", tls_available=True)
LISTING = Listing([120, 200], ["first", "second"])


def new_session(tls: bool = True, options: SessionOptions = OPTIONS) -> ServerSession:
    session = ServerSession(options, tls=tls)
    session.greet()
    session.data_to_send()
    return session


def logged_in(listing: Listing = LISTING, at_hand: AtHand | None = None) -> ServerSession:
    session = new_session()
    session.receive_data(b"USER alice\r\nPASS secret\r\n")
    session.next_event()
    session.logged_in(listing, at_hand=at_hand)
    session.data_to_send()
    return session


def said(session: ServerSession, octets: bytes) -> Event | Wait:
    session.receive_data(octets)
    return session.next_event()


class AuthorizationTests(TestCase):
    def test_password_with_spaces_is_taken_whole(self) -> None:
        event = said(new_session(), b"USER alice\r\nPASS  two  words \r\n")
        self.assertEqual(Authenticate(PasswordCredentials("alice", " two  words ")), event)

    def test_name_and_password_in_utf8_are_taken(self) -> None:
        event = said(new_session(), "USER jürgen\r\nPASS grün\r\n".encode())
        self.assertEqual(Authenticate(PasswordCredentials("jürgen", "grün")), event)

    def test_name_with_control_characters_is_refused(self) -> None:
        session = new_session()
        self.assertIsInstance(said(session, b"USER al\x1b[2Jice\r\n"), Refused)
        self.assertIn(b"-ERR Control characters", session.data_to_send())

    def test_octets_that_are_not_utf8_are_refused(self) -> None:
        session = new_session()
        self.assertIsInstance(said(session, b"USER j\xfcrgen\r\n"), Refused)

    def test_open_question_holds_back_what_is_pipelined(self) -> None:
        session = new_session()
        self.assertIsInstance(said(session, b"USER alice\r\nPASS secret\r\nSTAT\r\n"), Authenticate)
        self.assertIs(Wait.PAUSED, session.next_event())
        self.assertEqual(b"+OK Send the password\r\n", session.data_to_send())
        session.logged_in(LISTING)
        self.assertIs(Wait.NEED_DATA, session.next_event())
        self.assertEqual(b"+OK Logged in; messages: 2, octets: 320\r\n+OK 2 320\r\n", session.data_to_send())

    def test_what_was_sent_is_never_in_a_refusal(self) -> None:
        """A client that does not wait sends its password where a command is due."""
        session = new_session(tls=False)
        self.assertIsInstance(said(session, b"AUTH PLAIN\r\n"), Refused)
        event = said(session, b"AGFsaWNlAHNlY3JldA==\r\n")
        self.assertEqual(Refused("", "-ERR Unknown command; CAPA lists what this server can do"), event)
        self.assertNotIn(b"AGFs", session.data_to_send())

    def test_command_limit_is_255_octets(self) -> None:
        for octets, answer in (
            (b"NOOP".ljust(253) + b"\r\n", b"+OK"),
            (b"NOOP".ljust(254) + b"\r\n", b"-ERR The line"),
        ):
            session = logged_in()
            said(session, octets)
            self.assertEqual(answer, session.data_to_send()[: len(answer)], len(octets))

    def test_user_limit_is_512_octets(self) -> None:
        for size, answer in ((512, b"+OK"), (513, b"-ERR The line is too long")):
            session = new_session()
            said(session, b"USER ".ljust(size - 2, b"u") + b"\r\n")
            self.assertEqual(answer, session.data_to_send()[: len(answer)], size)

    def test_auth_limit_is_12288_octets(self) -> None:
        response = b"AGEA" + b"YWFh" * 3067  # NUL a NUL aaa...: with the rest of the line, the most that fits
        self.assertIsInstance(said(new_session(), b"AUTH PLAIN " + response + b"\r\n"), Authenticate)
        session = new_session()
        self.assertIsInstance(said(session, b"AUTH PLAIN YWFh" + response + b"\r\n"), Refused)
        self.assertEqual(b"-ERR The line is too long\r\n", session.data_to_send())

    def test_line_too_long_in_an_exchange_ends_the_exchange(self) -> None:
        session = new_session()
        said(session, b"AUTH PLAIN\r\n")
        self.assertIsInstance(said(session, b"A" * 20_000 + b"\r\n"), Refused)
        session.data_to_send()
        said(session, b"CAPA\r\n")
        self.assertTrue(session.data_to_send().startswith(b"+OK Capabilities"))

    def test_endless_line_holds_no_memory(self) -> None:
        session = new_session()
        for _ in range(100):
            self.assertIs(Wait.NEED_DATA, said(session, b"A" * 10_000))
        self.assertLess(len(session._lines), 30_000)

    def test_refused_lock_is_no_error_of_the_client(self) -> None:
        session = new_session(options=SessionOptions("mx.example", max_errors=2))
        for _ in range(5):
            self.assertIsInstance(said(session, b"USER alice\r\nPASS secret\r\n"), Authenticate)
            session.refuse("Another program is fetching this mail", "IN-USE")
            self.assertIs(Wait.NEED_DATA, session.next_event())
        self.assertEqual(5, session.data_to_send().count(b"-ERR [IN-USE] "))


class TLSTests(TestCase):
    def test_stls_stops_the_session_until_tls_is_up(self) -> None:
        session = new_session(tls=False)
        self.assertIsInstance(said(session, b"STLS\r\n"), StartTLS)
        self.assertIs(Wait.PAUSED, said(session, b"USER mallory\r\n"))
        self.assertEqual(b"+OK Begin TLS now\r\n", session.data_to_send())
        session.tls_started()
        self.assertIs(Wait.NEED_DATA, session.next_event())
        self.assertEqual(b"", session.data_to_send())

    def test_octets_behind_stls_are_dropped_and_tls_does_not_start(self) -> None:
        session = new_session(tls=False)
        event = said(session, b"STLS\r\nUSER mallory\r\nPASS secret\r\n")
        self.assertIsInstance(event, Refused)
        self.assertIs(Wait.NEED_DATA, session.next_event())
        self.assertEqual(1, session.data_to_send().count(b"\r\n"))

    def test_name_from_before_tls_is_forgotten(self) -> None:
        session = new_session(tls=False, options=SessionOptions("mx.example", tls_available=True, plaintext_auth=True))
        self.assertIsInstance(said(session, b"USER mallory\r\n"), Wait)
        self.assertIsInstance(said(session, b"STLS\r\n"), StartTLS)
        session.tls_started()
        event = said(session, b"PASS secret\r\n")
        self.assertEqual(Refused("PASS", "-ERR Send the name with USER before the password"), event)


class TransactionTests(TestCase):
    def test_listing_without_deletions_is_sent_as_it_was_made(self) -> None:
        session = logged_in()
        said(session, b"LIST\r\n")
        self.assertEqual(b"+OK Messages: 2, octets: 320\r\n1 120\r\n2 200\r\n.\r\n", session.data_to_send())

    def test_top_of_all_lines_is_a_retrieval(self) -> None:
        """fetchmail sends TOP n 99999999 in place of RETR: no lines are counted then."""
        session = logged_in()
        self.assertEqual(Retrieve(0, 99_999_999), said(session, b"TOP 1 99999999\r\n"))
        session.start_message()
        self.assertEqual("WholeEncoder", type(session._transfer._encoder).__name__)

    def test_quit_without_deletions_asks_all_the_same(self) -> None:
        self.assertEqual(Update(frozenset()), said(logged_in(), b"QUIT\r\n"))

    def test_cut_off_quit_deletes_nothing(self) -> None:
        session = logged_in()
        self.assertIs(Wait.NEED_DATA, said(session, b"DELE 1\r\nQUIT\r"))

    def test_replies_that_nobody_reads_are_not_piled_up(self) -> None:
        session = logged_in(Listing([100] * 12_000, ["u"] * 12_000))
        session.receive_data(b"LIST\r\n" * 50)
        for _ in range(50):
            self.assertIsInstance(session.next_event(), Backlog)
            self.assertLess(len(session.data_to_send()), MAX_BACKLOG * 3)
        self.assertIs(Wait.NEED_DATA, session.next_event())

    def test_messages_at_hand_that_nobody_reads_are_not_piled_up(self) -> None:
        asked: list[int] = []

        def at_hand(index: int) -> bytes:
            asked.append(index)
            return b"x" * 60_000

        session = logged_in(Listing([60_002] * 10, ["u"] * 10), at_hand)
        session.receive_data(b"".join(b"RETR %d\r\n" % number for number in range(1, 11)))
        for number in range(1, 6):
            self.assertIsInstance(session.next_event(), Backlog)
            self.assertEqual(2 * number, len(asked))
            session.data_to_send()
        self.assertIs(Wait.NEED_DATA, session.next_event())
        self.assertEqual(list(range(10)), asked)


class CloseTests(TestCase):
    def test_server_ends_the_session_with_a_temporary_error(self) -> None:
        session = logged_in()
        session.close("The server is shutting down", reason="shutdown")
        self.assertEqual(Closed("shutdown"), session.next_event())
        self.assertEqual(b"-ERR [SYS/TEMP] The server is shutting down\r\n", session.data_to_send())
        self.assertIs(Wait.NEED_DATA, said(session, b"STAT\r\n"))
        self.assertEqual(b"", session.data_to_send())

    def test_close_within_a_message_says_nothing(self) -> None:
        session = logged_in()
        said(session, b"RETR 1\r\n")
        session.start_message()
        session.message_piece(b"Subject: x\n")
        session.close("The server is shutting down")
        self.assertEqual(b"+OK 120 octets\r\nSubject: x\r\n", session.data_to_send())

    def test_close_while_a_question_is_open_ends_the_session(self) -> None:
        session = logged_in()
        said(session, b"RETR 1\r\n")
        session.close("The server is shutting down", reason="shutdown")
        self.assertEqual(Closed("shutdown"), session.next_event())

    def test_close_twice_says_it_once(self) -> None:
        session = logged_in()
        session.close("once")
        session.close("twice")
        self.assertEqual(b"-ERR [SYS/TEMP] once\r\n", session.data_to_send())

    def test_answer_without_its_question_is_our_bug(self) -> None:
        session = logged_in()
        self.assertRaises(AssertionError, session.updated, 0)
        said(session, b"RETR 1\r\n")
        self.assertRaises(AssertionError, session.logged_in, LISTING)
