"""The client on a transport: time-outs, back-pressure, the connection's end, and what is kept for the next message."""

from __future__ import annotations

import tempfile
from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.peers import DROP, HANG, Network, Peer, client_options
from tests.smtp.clientdialogue import outgoing
from tests.targets import message
from twisted_mail.content import Message
from twisted_mail.filecontents import MEMORY_BOUND, SpilledBody
from twisted_mail.protocols.destination import Destination, TLSUse, parse_destination
from twisted_mail.protocols.peererrors import PeerDeclined, PeerError, PeerLost, TLSFailed, Unreachable
from twisted_mail.protocols.smtpclient import TIMEOUTS, SMTPClient, connect
from twisted_mail.protocols.smtppool import IDLE_SECONDS, MAX_TRANSACTIONS, ConnectionPool
from twisted_mail.sasl import PasswordCredentials
from twisted_mail.smtp.client_events import Stage
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.tlsoutcome import Flaw, Published, TLSFailure, TLSOutcome

THERE = Destination("mx.there.example", "192.0.2.1")
ENVELOPE = outgoing("a@us.example to b@there.example c@there.example")


class ClientCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network()
        self.peer = Peer()
        self.network.peers["192.0.2.1", 25] = self.peer
        self.options = client_options(self.network)

    def connect(self, destination: Destination = THERE, patience: float = 0.0) -> SMTPClient:
        return self.network.run(connect(self.options, destination), patience)

    def send(self, client: SMTPClient, patience: float = 0.0) -> dict[str, str]:
        replies = self.network.run(client.send(ENVELOPE, message()), patience)
        return {recipient.address.local_part: str(reply) for recipient, reply in replies.items()}


class ConversationTests(ClientCase):
    def test_message_arrives_and_both_recipients_are_answered(self) -> None:
        client = self.connect()
        self.assertEqual({"b": "250 2.0.0 Taken", "c": "250 2.0.0 Taken"}, self.send(client))
        text = b"Subject: hello\r\n\r\nHello\r\n"
        self.assertEqual([("a@us.example", ["b@there.example", "c@there.example"], text)], self.peer.messages)
        self.network.run(client.quit())
        self.assertEqual("QUIT", self.peer.heard[-1])
        self.assertEqual([], self.network.getDelayedCalls())

    def test_each_recipient_has_an_answer_of_its_own(self) -> None:
        self.peer.replies = {"RCPT TO:<c": "550 5.1.1 Nobody"}
        self.assertEqual({"b": "250 2.0.0 Taken", "c": "550 5.1.1 Nobody"}, self.send(self.connect()))

    def test_message_that_must_not_go_is_refused_and_the_connection_still_good(self) -> None:
        client = self.connect()
        large = replace(ENVELOPE, content=replace(ENVELOPE.content, wire_size=10**9))
        with self.assertRaises(SMTPError):
            self.network.run(client.send(large, message()))
        self.assertEqual("250 2.0.0 Taken", self.send(client)["b"])

    def test_refusals_before_the_first_message_are_told_with_their_stage(self) -> None:
        for command, stage in (("BANNER", Stage.GREETING), ("EHLO", Stage.HELLO), ("AUTH", Stage.LOGIN)):
            self.peer.offers = ("AUTH PLAIN",)
            self.peer.replies = {command: "454 4.7.0 not now"}
            here = replace(THERE, address="127.0.0.1", login=PasswordCredentials("user", "secret"))
            self.network.peers["127.0.0.1", 25] = self.peer
            with self.assertRaises(PeerDeclined) as caught:
                self.connect(here)
            self.assertIs(stage, caught.exception.stage)
            self.assertIn("S: 454 4.7.0 not now", caught.exception.dialogue)
            self.assertNotIn("AHVzZXIAc2VjcmV0", caught.exception.dialogue)

    def test_password_is_not_sent_without_verified_tls(self) -> None:
        self.peer.offers = ("AUTH PLAIN",)
        with self.assertRaisesRegex(PeerDeclined, "verified TLS only"):
            self.connect(replace(THERE, login=PasswordCredentials("user", "secret")))
        self.assertEqual(["EHLO us.example"], self.peer.heard)

    def test_without_starttls_a_verified_connection_is_none(self) -> None:
        with self.assertRaisesRegex(TLSFailed, "does not offer TLS"):
            self.connect(replace(THERE, tls=TLSUse.VERIFIED))
        self.assertEqual(["EHLO us.example"], self.peer.heard)

    def test_starttls_declined_is_no_obstacle_where_anything_will_do(self) -> None:
        self.peer.offers = ("STARTTLS",)
        self.peer.replies = {"STARTTLS": "454 4.7.0 not now"}
        self.assertEqual("250 2.0.0 Taken", self.send(self.connect())["b"])

    def test_nobody_there_is_unreachable(self) -> None:
        with self.assertRaises(Unreachable):
            self.connect(replace(THERE, address="192.0.2.99"))
        self.network.silent.add("192.0.2.2")
        with self.assertRaises(Unreachable):
            self.connect(replace(THERE, address="192.0.2.2"), patience=60)

    def test_cancelled_attempt_leaves_no_connection(self) -> None:
        self.peer.replies = {"BANNER": HANG}
        attempt = self.network.begin(connect(self.options, THERE))
        self.network.settle()
        attempt.cancel()
        self.failureResultOf(attempt, CancelledError)
        self.network.settle()
        self.assertEqual([], self.network.getDelayedCalls())


class TimeOutTests(ClientCase):
    def test_every_stage_has_its_own_patience(self) -> None:
        stages = {"BANNER": Stage.GREETING, "EHLO": Stage.HELLO, "MAIL": Stage.MAIL, "RCPT": Stage.RCPT}
        for pipelining in (("PIPELINING",), ()):
            for command, stage in (stages | {"DATA": Stage.DATA, "DOT": Stage.END}).items():
                self.peer.offers = pipelining
                self.peer.replies = {command: HANG}
                started = self.network.seconds()
                with self.assertRaises(PeerLost) as caught:
                    self.send(self.connect(patience=1000), patience=1000)
                self.assertIn(stage.name, str(caught.exception))
                self.assertAlmostEqual(TIMEOUTS[stage], self.network.seconds() - started, delta=10)
                self.assertEqual(stage is Stage.END, caught.exception.in_doubt)

    def test_octets_that_make_no_reply_do_not_buy_time(self) -> None:
        client, _ = self.client_alone()
        opening = self.network.begin(client.open())
        for _ in range(299):
            client.dataReceived(b"2")
            self.network.advance(1)
        self.assertNoResult(opening)
        self.network.advance(1)
        self.failureResultOf(opening, PeerLost)

    def test_end_of_the_connection_is_told_and_no_timer_stays(self) -> None:
        for command in ("BANNER", "EHLO", "MAIL", "RCPT", "DATA", "DOT"):
            self.peer.replies = {command: DROP}
            with self.assertRaises(PeerLost) as caught:
                self.send(self.connect())
            self.assertEqual(command == "DOT", caught.exception.in_doubt)
            self.network.settle()
            self.assertEqual([], self.network.getDelayedCalls())

    def client_alone(self) -> tuple[SMTPClient, StringTransport]:
        client, transport = SMTPClient(self.options, THERE), StringTransport()
        client.makeConnection(transport)
        return client, transport


class LargeMessageTests(ClientCase):
    """The transport says when it is full; the disk is read no faster."""

    def setUp(self) -> None:
        super().setUp()
        self.reads: list[Deferred[object]] = []

        def blocking(call: object) -> Deferred[object]:
            self.reads.append(Deferred())
            self.reads[-1].addCallback(lambda _: call())  # type: ignore[operator]
            return self.reads[-1]

        self.options = client_options(self.network, blocking=blocking)
        self.client, self.transport = SMTPClient(self.options, THERE), StringTransport()
        self.client.makeConnection(self.transport)
        opening = self.network.begin(self.client.open())
        self.hear("220 mx", "250-mx", "250 PIPELINING")
        self.successResultOf(opening)

    def hear(self, *lines: str) -> None:
        self.client.dataReceived("".join(f"{line}\r\n" for line in lines).encode())

    def large_message(self, pieces: int) -> Message:
        body = b"x" * (MEMORY_BOUND - 1) + b"\n"
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (the message owns it)
        file.write(body * pieces)
        return Message("01" * 16, b"Subject: x\n\n", SpilledBody(file, 0, len(body) * pieces), pieces + 2)

    def begin(self, pieces: int = 3) -> Deferred[object]:
        sending = self.network.begin(self.client.send(ENVELOPE, self.large_message(pieces)))
        self.transport.clear()
        self.hear("250 ok", "250 ok", "250 ok", "354 go")
        return sending  # type: ignore[return-value]

    def read(self) -> None:
        self.reads.pop(0).callback(None)

    def test_full_transport_stops_the_reading_until_it_has_room(self) -> None:
        sending = self.begin()
        self.read()  # the header
        self.client.pauseProducing()
        self.read()
        self.assertEqual([], self.reads)
        self.assertGreater(len(self.transport.value()), MEMORY_BOUND)
        self.client.resumeProducing()
        for _ in range(3):
            self.read()
        self.assertEqual(3 * MEMORY_BOUND + 12 + 2 + 3 + 3, len(self.transport.value()))
        self.hear("250 ok")
        self.assertEqual(2, len(self.successResultOf(sending)))  # type: ignore[arg-type]

    def test_peer_that_stops_reading_is_given_up(self) -> None:
        sending = self.begin()
        self.read()
        self.client.pauseProducing()
        self.read()
        self.network.advance(TIMEOUTS[Stage.TEXT])
        self.failureResultOf(sending, PeerLost)

    def test_answer_before_the_end_stops_the_text_and_ends_the_connection(self) -> None:
        sending = self.begin()
        self.read()
        self.hear("552 5.3.4 too large")
        self.read()
        replies = self.successResultOf(sending)
        self.assertEqual({"552 5.3.4 too large"}, {str(reply) for reply in replies.values()})  # type: ignore[attr-defined]
        self.assertEqual([], self.reads)
        self.assertFalse(self.client.is_usable)

    def test_disk_that_fails_sends_no_final_dot(self) -> None:
        sending = self.begin()
        self.reads.pop(0).errback(OSError("broken"))
        self.failureResultOf(sending, OSError)
        self.assertEqual(b"", self.transport.value())


class PoolTests(ClientCase):
    def setUp(self) -> None:
        super().setUp()
        self.pool = ConnectionPool(self.options)

    def take(self, destination: Destination = THERE) -> SMTPClient:
        return self.network.run(self.pool.take(destination))

    def test_connection_is_used_again_for_the_same_destination_only(self) -> None:
        client = self.take()
        self.send(client)
        self.pool.give_back(client)
        self.assertIs(client, self.take())
        self.pool.give_back(client)
        self.assertIsNot(client, self.take(replace(THERE, tls=TLSUse.NEVER)))
        self.assertEqual(2, self.peer.connections)

    def test_idle_connection_ends_in_order_after_some_seconds(self) -> None:
        self.pool.give_back(self.take())
        self.network.advance(IDLE_SECONDS)
        self.network.settle()
        self.assertEqual("QUIT", self.peer.heard[-1])
        self.take()
        self.assertEqual(2, self.peer.connections)

    def test_connection_that_the_server_ended_is_not_handed_out(self) -> None:
        for words in (b"421 4.4.2 idle\r\n", b"250 what?\r\n"):
            client = self.take()
            self.pool.give_back(client)
            client.dataReceived(words)
            self.assertIsNot(client, self.take())
            self.assertFalse(client.is_usable)

    def test_connection_has_its_fill_of_messages(self) -> None:
        for most, offers in ((MAX_TRANSACTIONS, ()), (2, ("LIMITS MAILMAX=2",))):
            self.peer.offers = offers
            self.peer.connections = 0
            for _ in range(most + 1):
                client = self.take(replace(THERE, name=str(most)))
                self.send(client)
                self.pool.give_back(client)
                self.network.settle()
            self.assertEqual(2, self.peer.connections)

    def test_close_ends_what_is_idle(self) -> None:
        self.pool.give_back(self.take())
        self.network.run(self.pool.close())
        self.assertEqual("QUIT", self.peer.heard[-1])
        self.network.settle()
        self.assertEqual([], self.network.getDelayedCalls())

    def test_each_new_connection_is_told_how_tls_went(self) -> None:
        outcomes: list[TLSOutcome] = []
        self.pool = ConnectionPool(self.options, outcomes.append)
        named = replace(THERE, domain="there.example", published=Published("sts"))
        client = self.take(named)
        self.pool.give_back(client)
        self.take(named)  # the same one
        self.take()  # no domain names it
        flaw = Flaw(TLSFailure.NO_STARTTLS, "TLS is not offered")
        expected = TLSOutcome("there.example", Published("sts"), THERE.name, THERE.address, client.own_address, flaw)
        self.assertEqual([expected], outcomes)
        with self.assertRaises(TLSFailed):
            self.take(replace(named, tls=TLSUse.VERIFIED))
        self.assertEqual(TLSFailure.NO_STARTTLS, outcomes[-1].flaw and outcomes[-1].flaw.failure)
        with self.assertRaises(Unreachable):
            self.take(replace(named, address="192.0.2.99"))
        self.assertEqual(2, len(outcomes))  # who cannot be reached has no TLS to speak of

    def test_failure_to_connect_is_told(self) -> None:
        with self.assertRaises(PeerError):
            self.take(replace(THERE, address="192.0.2.99"))


class DestinationTests(SynchronousTestCase):
    def test_endpoints_become_destinations(self) -> None:
        for text, expected in {
            "tcp:smtp.example.net:587": Destination("smtp.example.net", "smtp.example.net", 587),
            "tcp:SMTP.example.net.": Destination("smtp.example.net", "smtp.example.net", 25),
            "tcp:host=192.0.2.1:port=26": Destination("192.0.2.1", "192.0.2.1", 26),
            r"tcp:2001\:db8\:\:1:25": Destination("2001:db8::1", "2001:db8::1", 25),
            "tls:smtp.example.net": Destination("smtp.example.net", "smtp.example.net", 465, tls=TLSUse.AT_ONCE),
            "lmtp:tcp:localhost:24": Destination("localhost", "localhost", 24, lmtp=True),
            "lmtp:unix:/run/lmtp": Destination("/run/lmtp", "/run/lmtp", None, lmtp=True, tls=TLSUse.NEVER),
        }.items():
            self.assertEqual(expected, parse_destination(text), text)

    def test_what_is_no_endpoint_is_refused_with_a_remedy(self) -> None:
        for text, remedy in {
            "smtp.example.net": '"tcp:smtp.example.net:587"',
            "smtp.example.net:587": '"tcp:smtp.example.net:587"',
            "tcp:smtp.example.net:many": "from 1 to 65535",
            "tcp:smtp.example.net:0": "from 1 to 65535",
            "tcp:smtp.example.net:70000": "from 1 to 65535",
            "tcp:smtp example net:25": "host name",
            "lmtp:unix:run/lmtp": "full path",
            "http:smtp.example.net:80": '"tcp:',
            "": '"tcp:',
        }.items():
            with self.assertRaises(ValueError, msg=text) as caught:
                parse_destination(text)
            self.assertIn(remedy, str(caught.exception))

    def test_only_this_machine_is_here(self) -> None:
        for address in ("127.0.0.1", "::1", "localhost"):
            self.assertTrue(Destination("x", address).is_here)
        for address in ("192.0.2.1", "localhost.example", "10.0.0.1"):
            self.assertFalse(Destination("x", address).is_here)

    def test_password_is_not_shown(self) -> None:
        self.assertNotIn("secret", repr(replace(THERE, login=PasswordCredentials("user", "secret"))))
