"""The connection that both servers share: flow control both ways, idle limits, and the end of the service."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_network

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Issuer
from twisted_mail.networks import Networks
from twisted_mail.protocols.connection import Connection, ConnectionFactory, Farewell, Listener, Silence
from twisted_mail.protocols.crowd import SWEEP_INTERVAL
from twisted_mail.protocols.limits import ConnectionLimits
from twisted_mail.protocols.tls import Certificates, TLSMaterial
from twisted_mail.transcript import Transcript


class LineSession:
    """Answers each line with itself; `=` is a question that the test answers, `q` ends."""

    def __init__(self) -> None:
        self.buffer = b""
        self.output = b""
        self.transcript = Transcript()

    def greet(self) -> None:
        self.output += b"hello\n"

    def receive_data(self, data: bytes) -> None:
        self.buffer += data

    def data_to_send(self) -> bytes:
        output, self.output = self.output, b""
        return output

    def tls_started(self) -> None:
        self.buffer = b""

    def next_line(self) -> bytes | None:
        line, end, rest = self.buffer.partition(b"\n")
        if not end:
            return None
        self.buffer = rest
        return line


class LineServer(Connection):
    def __init__(self, listener: Listener, gone: Callable[[Connection], None]) -> None:
        super().__init__(listener, gone, "SMTP")
        self._session: LineSession = LineSession()
        self.question: Deferred[None] | None = None
        self.cleaned_up = 0
        self.receiving = False

    async def converse(self) -> None:
        while True:
            match self._session.next_line():
                case None:
                    await self.more_data()
                case b"=":
                    self.question = Deferred()
                    await self.question
                    self._session.output += b"answer\n"
                case b"bug":
                    raise RuntimeError("a bug of ours")
                case b"q":
                    return
                case line:
                    self._session.output += line + b"\n"

    def farewell(self, why: Farewell, text: str) -> None:
        self._session.output += b"bye " + why.name.encode() + b"\n"

    def cleanup(self) -> None:
        self.cleaned_up += 1

    @property
    def in_message(self) -> bool:
        return self.receiving


class Transport(StringTransport):
    """As a TCP transport: it hands what arrives to whatever protocol it has now, TLS or not."""

    protocol: IProtocol


class ConnectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.limits = ConnectionLimits(connections=3, connections_per_host=2)
        self.factory = ConnectionFactory(Listener(self.limits, self.clock, idle_limit=100), LineServer)
        self.factory.doStart()
        self.addCleanup(self.factory.doStop)

    def connect(self) -> tuple[LineServer, Transport]:
        server = self.factory.buildProtocol(None)
        transport = Transport()
        transport.protocol = server
        server.makeConnection(transport)
        assert isinstance(server, LineServer)
        return server, transport

    def listen(self, silence: Silence) -> None:
        listener = Listener(self.limits, self.clock, idle_limit=100, silence=silence)
        self.factory = ConnectionFactory(listener, LineServer)

    def lose(self, server: Connection) -> None:
        server.connectionLost(Failure(ConnectionDone()))

    def test_replies_to_a_batch_are_one_write(self) -> None:
        server, transport = self.connect()
        transport.clear()
        writes: list[bytes] = []
        transport.write = writes.append  # type: ignore[method-assign]
        server.dataReceived(b"a\nb\nc\n")
        self.assertEqual([b"a\nb\nc\n"], writes)

    def test_reply_over_tls_does_not_wait_for_the_next_turn(self) -> None:
        issuer = Issuer()
        certificates = Certificates(TLSMaterial(issuer.identity("mail.example.org")))
        listener = Listener(self.limits, self.clock, certificates, tls_at_once=True)
        self.factory = ConnectionFactory(listener, LineServer)
        server, transport = self.connect()
        answers, questions = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = issuer.client_context().wrap_bio(answers, questions, server_hostname="mail.example.org")

        def exchange() -> None:
            transport.protocol.dataReceived(questions.read())
            answers.write(transport.value())
            transport.clear()

        self.assertRaises(ssl.SSLWantReadError, client.do_handshake)
        exchange()
        client.do_handshake()
        client.write(b"a\n")
        exchange()
        self.assertEqual(b"hello\n", client.read(100))
        self.assertEqual(b"a\n", client.read(100))
        client.write(b"q\n")
        exchange()
        self.assertEqual(b"", client.read(100), "TLS is ended")
        self.assertTrue(server.cleaned_up)

    def test_silent_client_is_greeted_after_the_delay(self) -> None:
        self.listen(Silence(2.0))
        server, transport = self.connect()
        self.clock.advance(1.9)
        self.assertEqual(b"", transport.value())
        self.clock.advance(0.1)
        server.dataReceived(b"a\n")
        self.assertEqual(b"hello\na\n", transport.value())

    def test_client_that_speaks_before_the_greeting_is_refused(self) -> None:
        self.listen(Silence(2.0))
        server, transport = self.connect()
        server.dataReceived(b"a\n")
        self.assertEqual(b"", transport.value())
        self.clock.advance(2.0)
        self.assertEqual((b"bye EARLY\n", True), (transport.value(), transport.disconnecting))
        self.lose(server)
        self.assertEqual((1, 0), (server.cleaned_up, self.limits.open))

    def test_client_that_may_speak_before_the_greeting_is_remembered_for_it(self) -> None:
        self.listen(Silence(2.0, refuses=False))
        server, transport = self.connect()
        server.dataReceived(b"a\n")
        self.clock.advance(2.0)
        server.dataReceived(b"b\n")
        self.assertEqual((b"hello\na\nb\n", True), (transport.value(), server.origin.early))

    def test_trusted_client_does_not_wait(self) -> None:
        self.listen(Silence(2.0, exempt=Networks((ip_network("192.168.1.1"),))))
        server, transport = self.connect()
        self.assertEqual((b"hello\n", False), (transport.value(), server.origin.early))

    def test_client_that_is_lost_before_the_greeting_leaves_nothing_behind(self) -> None:
        self.listen(Silence(2.0))
        server, transport = self.connect()
        self.lose(server)
        self.clock.advance(3.0)
        self.assertEqual((b"", 1, 0), (transport.value(), server.cleaned_up, self.limits.open))

    def test_without_a_delay_octets_that_are_there_already_are_noticed(self) -> None:
        for refuses, sent, said in (
            (True, b"", b"hello\n"),
            (True, b"EHLO bot\n", b"bye EARLY\n"),
            (False, b"", b"hello\n"),
            (False, b"EHLO bot\n", b"hello\nEHLO bot\n"),
        ):
            self.listen(Silence(refuses=refuses))
            client, accepted = socket.socketpair()
            self.addCleanup(client.close)
            self.addCleanup(accepted.close)
            client.sendall(sent)
            transport = StringTransport()
            transport.socket = accepted  # type: ignore[attr-defined]  # as a TCP transport has it
            server = self.factory.buildProtocol(None)
            server.makeConnection(transport)
            self.assertEqual(said, transport.value())
            server.connectionLost(Failure(ConnectionDone()))

    def test_octets_during_a_question_wait_and_reading_is_paused(self) -> None:
        server, transport = self.connect()
        server.dataReceived(b"=\n")
        self.assertEqual("producing", transport.producerState)
        server.dataReceived(b"a\n")
        self.assertEqual("paused", transport.producerState)
        assert server.question is not None
        server.question.callback(None)
        self.assertEqual(b"hello\nanswer\na\n", transport.value())
        self.assertEqual("producing", transport.producerState)

    def test_octets_while_the_client_does_not_read_are_answered_once_it_does(self) -> None:
        """They were forgotten once: the session had them, and nobody asked it."""
        server, transport = self.connect()
        server.pauseProducing()
        server.dataReceived(b"a\n")
        server.dataReceived(b"b\n")
        server.resumeProducing()
        self.assertEqual(b"hello\na\nb\n", transport.value())
        server.dataReceived(b"c\n")
        self.assertEqual(b"hello\na\nb\nc\n", transport.value())

    def test_end_of_the_conversation_closes_the_connection_and_cleans_up_once(self) -> None:
        server, transport = self.connect()
        server.dataReceived(b"q\n")
        self.assertTrue(transport.disconnecting)
        self.lose(server)
        self.assertEqual(1, server.cleaned_up)
        self.assertEqual(0, self.limits.open)

    def test_lost_connection_cancels_what_is_awaited(self) -> None:
        server, _ = self.connect()
        server.dataReceived(b"=\n")
        self.lose(server)
        self.assertEqual(1, server.cleaned_up)

    def test_bug_of_ours_is_logged_and_cuts_the_connection(self) -> None:
        server, transport = self.connect()
        server.dataReceived(b"bug\n")
        self.assertTrue(transport.disconnected)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_too_many_connections_are_told_so(self) -> None:
        first, _ = self.connect()
        self.connect()
        _, refused = self.connect()
        self.assertEqual(b"bye OVERLOAD\n", refused.value())
        self.assertTrue(refused.disconnecting)
        self.lose(first)
        _, welcome = self.connect()
        self.assertEqual(b"hello\n", welcome.value())

    def test_idle_client_is_told_so_and_a_busy_one_is_not(self) -> None:
        _, idle = self.connect()
        busy, active = self.connect()
        for _ in range(int(100 / SWEEP_INTERVAL) + 1):
            self.clock.advance(SWEEP_INTERVAL)
            busy.dataReceived(b".\n")
        self.assertIn(b"bye IDLE\n", idle.value())
        self.assertNotIn(b"bye", active.value())

    def test_client_that_does_not_read_is_cut_off_in_the_end(self) -> None:
        server, transport = self.connect()
        server.pauseProducing()
        server.dataReceived(b"a\n")
        for _ in range(int(100 / SWEEP_INTERVAL) + 1):
            self.clock.advance(SWEEP_INTERVAL)
        self.assertTrue(transport.disconnected)

    def test_end_of_service_says_goodbye_to_the_idle_and_waits_for_the_busy(self) -> None:
        idle, idle_transport = self.connect()
        busy, busy_transport = self.connect()
        busy.dataReceived(b"=\n")
        finished = Deferred.fromCoroutine(self.factory.finish(10))
        self.assertIn(b"bye SHUTDOWN\n", idle_transport.value())
        self.lose(idle)
        self.assertNoResult(finished)
        assert busy.question is not None
        busy.question.callback(None)
        self.assertIn(b"answer\nbye SHUTDOWN\n", busy_transport.value())
        self.lose(busy)
        self.successResultOf(finished)

    def test_end_of_service_lets_a_message_come_in_and_cuts_it_off_at_last(self) -> None:
        server, transport = self.connect()
        server.receiving = True
        finished = Deferred.fromCoroutine(self.factory.finish(10))
        server.dataReceived(b"more\n")
        self.assertIn(b"more\n", transport.value())
        self.assertNotIn(b"bye", transport.value())
        self.clock.advance(11)
        self.assertTrue(transport.disconnected)
        self.lose(server)
        self.successResultOf(finished)
