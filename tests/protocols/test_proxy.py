"""Connections behind a proxy: who they are from, and what is turned away."""

from __future__ import annotations

import ssl

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import TestCase

from tests.certificates import Issuer
from twisted_mail.networks import Networks, parse_network
from twisted_mail.protocols.connection import Connection, ConnectionFactory, Farewell, Listener
from twisted_mail.protocols.limits import ConnectionLimits
from twisted_mail.protocols.proxy import HEADER_WITHIN, ProxiedConnection, ProxyFactory
from twisted_mail.protocols.tls import Certificates, TLSMaterial

ISSUER = Issuer()

PROXY = IPv4Address("TCP", "10.0.0.1", 40_000)
HEADER = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n"


class Transport(StringTransport):
    """As a TCP transport: it hands what arrives to whatever protocol it has now, TLS or not."""

    aborted = False

    def __init__(self, peer: IAddress) -> None:
        super().__init__(peerAddress=peer)
        self.protocol: ProxiedConnection | Connection | TLSMemoryBIOProtocol

    def receive(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def abortConnection(self) -> None:
        self.aborted = True
        self.disconnecting = True


class EchoSession:
    """The pure session of a connection that sends back what it is sent."""

    def __init__(self) -> None:
        self._pending = b""

    def greet(self) -> None:
        self._pending += b"hello\r\n"

    def receive_data(self, data: bytes) -> None:
        self._pending += data

    def data_to_send(self) -> bytes:
        pending, self._pending = self._pending, b""
        return pending

    def tls_started(self) -> None:
        raise NotImplementedError


class Echo(Connection):
    def __init__(self, listener: Listener, gone: object) -> None:
        super().__init__(listener, gone, "ECHO")  # type: ignore[arg-type]  # as the factory gives it
        self._session = EchoSession()

    async def converse(self) -> None:
        while True:
            await self.more_data()

    def farewell(self, why: Farewell, text: str) -> None:
        self._session.receive_data(why.value.encode())

    def cleanup(self) -> None:
        pass


class ProxyTests(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.limits = ConnectionLimits(10, 2)
        self.made: list[Connection] = []

    def connect(self, peer: IAddress = PROXY, tls: bool = False) -> Transport:
        certificates = Certificates(TLSMaterial(ISSUER.identity("mail.example.org"))) if tls else None
        listener = Listener(self.limits, self.clock, certificates, tls_at_once=tls)

        def make(*wire: object) -> Connection:
            self.made.append(Echo(*wire))  # type: ignore[arg-type]  # as the factory gives them
            return self.made[-1]

        trusted = Networks((parse_network("10.0.0.0/8"),))
        self.factory = ProxyFactory(ConnectionFactory(listener, make), trusted, self.clock)
        self.factory.doStart()
        self.addCleanup(self.factory.doStop)
        transport = Transport(peer)
        transport.protocol = self.factory.buildProtocol(peer)
        transport.protocol.makeConnection(transport)
        return transport

    def test_nothing_is_said_before_the_header_is_complete(self) -> None:
        transport = self.connect()
        for position in range(len(HEADER)):
            self.assertEqual((b"", []), (transport.value(), self.made))
            transport.receive(HEADER[position : position + 1])
        self.assertEqual(b"hello\r\n", transport.value())

    def test_client_counts_as_the_peer(self) -> None:
        for header, peer in ((HEADER, "192.0.2.1"), (b"PROXY UNKNOWN\r\n", "10.0.0.1")):
            self.connect().receive(header)
            self.assertEqual(peer, self.made[-1].origin.peer)
        transport = self.connect()
        transport.receive(b"PROXY TCP6 2001:db8::1 ::1 1 25\r\n")
        self.assertEqual(IPv6Address("TCP", "2001:db8::1", 1), transport.getPeer())

    def test_limits_are_those_of_the_client(self) -> None:
        transports = [self.connect() for _ in range(3)]
        for transport in transports:
            transport.receive(HEADER)
        self.assertEqual([b"hello\r\n"] * 2 + [b"too many connections"], [t.value() for t in transports])

    def test_octets_behind_the_header_are_the_clients(self) -> None:
        transport = self.connect()
        transport.receive(HEADER + b"PROXY x")
        transport.receive(b"yz")
        self.assertEqual(b"hello\r\nPROXY xyz", transport.value())

    def test_tls_begins_behind_the_header(self) -> None:
        transport = self.connect(tls=True)
        answers, questions = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ISSUER.client_context().wrap_bio(answers, questions, server_hostname="mail.example.org")
        self.assertRaises(ssl.SSLWantReadError, client.do_handshake)
        hello = questions.read()
        transport.receive(HEADER + hello[:2])
        self.assertEqual(b"", transport.value())
        transport.receive(hello[2:])
        answers.write(transport.value())
        client.do_handshake()

    def test_anybody_else_is_turned_away_without_a_word(self) -> None:
        transport = self.connect(IPv4Address("TCP", "192.0.2.66", 40_000))
        self.assertTrue(transport.aborted)
        transport.receive(HEADER)
        self.assertEqual((b"", []), (transport.value(), self.made))

    def test_unix_socket_is_trusted(self) -> None:
        transport = self.connect(UNIXAddress(b""))
        transport.receive(HEADER)
        self.assertEqual("192.0.2.1", self.made[-1].origin.peer)

    def test_proxy_without_a_header_is_turned_away(self) -> None:
        transport = self.connect()
        transport.receive(b"EHLO client.example\r\n")
        self.assertEqual((True, b"", []), (transport.aborted, transport.value(), self.made))

    def test_header_that_does_not_come_is_not_waited_for(self) -> None:
        transport = self.connect()
        transport.receive(HEADER[:-1])
        self.clock.advance(HEADER_WITHIN - 1)
        self.assertFalse(transport.aborted)
        self.clock.advance(1)
        self.assertTrue(transport.aborted)

    def test_shutdown_ends_connections_that_have_no_header_yet(self) -> None:
        transport = self.connect()
        done = self.factory.finish(1.0)
        self.assertRaises(StopIteration, done.send, None)
        self.assertTrue(transport.aborted)

    def test_connection_that_is_lost_leaves_no_timer_behind(self) -> None:
        transport = self.connect()
        transport.protocol.connectionLost()
        self.assertEqual([], self.clock.getDelayedCalls()[1:])  # but for the sweep of idle connections
        self.assertEqual(set(), self.factory.waiting)
