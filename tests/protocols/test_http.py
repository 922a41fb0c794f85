"""HTTP with bounds: what a client may send, how long it may take, whom a proxy speaks for, and the end."""

from __future__ import annotations

import ipaddress

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from twisted_mail.networks import Networks
from twisted_mail.protocols.crowd import SWEEP_INTERVAL
from twisted_mail.protocols.http import (
    ANSWER_WITHIN,
    BODY,
    REQUEST_WITHIN,
    SECURITY,
    WebChannel,
    WebOptions,
    WebRequest,
    WebSite,
)
from twisted_mail.protocols.limits import ConnectionLimits

GET = b"GET /some?secret=1 HTTP/1.1\r\nHost: mail.example.org\r\n"


class Telling(Resource):
    """Answers with what it sees of the client; `/slow` only when it is told to."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[WebRequest] = []
        self.seen: list[WebRequest] = []

    def render(self, request: WebRequest) -> bytes | int:
        self.seen.append(request)
        if request.path == b"/slow":
            self.waiting.append(request)
            return NOT_DONE_YET
        return f"{request.client_host} {request.isSecure()} {len(request.content.read())}".encode()


class SiteTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.root = Telling()
        self.limits = ConnectionLimits(3, 2)
        trusted = Networks((ipaddress.ip_network("10.0.0.0/8"),))
        self.site = WebSite(self.root, WebOptions(self.limits, trusted, self.clock))
        self.site.doStart()
        self.addCleanup(self.site.doStop)

    def connect(self, host: str = "192.0.2.1") -> tuple[WebChannel, StringTransport]:
        channel = self.site.buildProtocol(None)
        transport = StringTransport(peerAddress=IPv4Address("TCP", host, 1))
        if not host:
            transport.getPeer = lambda: UNIXAddress(None)
        channel.makeConnection(transport)
        return channel, transport

    def ask(self, octets: bytes, host: str = "192.0.2.1") -> bytes:
        channel, transport = self.connect(host)
        channel.dataReceived(octets)
        channel.connectionLost()
        return transport.value()

    def body(self, octets: bytes, host: str = "192.0.2.1") -> str:
        return self.ask(octets, host).partition(b"\r\n\r\n")[2].decode()

    def test_every_answer_has_the_security_headers(self) -> None:
        head = self.ask(GET + b"\r\n").partition(b"\r\n\r\n")[0].decode().split("\r\n")
        self.assertEqual("HTTP/1.1 200 OK", head[0])
        self.assertEqual([], [name for name, value in SECURITY.items() if f"{name}: {value}" not in head])

    def test_the_target_may_be_a_whole_address_whose_host_counts(self) -> None:
        for target, seen in (
            (b"http://Other.example:80/some?x=1", "/some other.example 1"),
            (b"HTTP://other.example", "/ other.example "),
            (b"https://other.example?x=2", "/ other.example 2"),
            (b"/http://other.example", "/http://other.example mail.example.org "),
        ):
            self.ask(b"GET %b HTTP/1.1\r\nHost: mail.example.org\r\n\r\n" % target)
            request = self.root.seen[-1]
            host = request.getRequestHostname().decode().lower()
            said = f"{request.path.decode()} {host} {request.args.get(b'x', [b''])[0].decode()}"
            self.assertEqual(seen, said)

    def test_a_client_may_not_say_who_it_is(self) -> None:
        forged = GET + b"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\r\n"
        self.assertEqual("192.0.2.1 False 0", self.body(forged))

    def test_a_trusted_proxy_says_for_whom_it_asks(self) -> None:
        forwarded = GET + b"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\r\n"
        self.assertEqual("198.51.100.7 True 0", self.body(forwarded, "10.1.2.3"))
        self.assertEqual("198.51.100.7 True 0", self.body(forwarded, ""))

    def test_of_several_hops_the_last_that_is_not_trusted_is_the_client(self) -> None:
        chain = GET + b"X-Forwarded-For: 203.0.113.9, 198.51.100.7, 10.9.9.9\r\n\r\n"
        self.assertEqual("198.51.100.7 False 0", self.body(chain, "10.1.2.3"))

    def test_a_body_up_to_the_limit_is_taken(self) -> None:
        post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BODY
        self.assertEqual(f"192.0.2.1 False {BODY}", self.body(post + b"x" * BODY))

    def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(self) -> None:
        post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nmuch" % (BODY + 1)
        self.assertTrue(self.ask(post).startswith(b"HTTP/1.1 413 Content Too Large\r\n"))

    def test_a_body_that_turns_out_too_large_is_refused_once(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(70):
            channel.dataReceived(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        self.assertEqual(1, transport.value().count(b"HTTP/1.1 413"))
        self.assertTrue(transport.disconnecting)

    def test_an_endless_header_is_refused(self) -> None:
        answer = self.ask(GET + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in range(20)) + b"\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 "))

    def test_who_sends_a_request_drop_by_drop_is_cut_off(self) -> None:
        channel, transport = self.connect()
        for _ in range(int((REQUEST_WITHIN + SWEEP_INTERVAL) / 5)):
            channel.dataReceived(b"G")
            self.clock.advance(5)
        self.assertTrue(transport.disconnected)

    def test_who_does_not_read_the_answer_is_cut_off(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(GET + b"\r\n")
        channel.pauseProducing()
        self.clock.pump([5] * int(ANSWER_WITHIN / 5))
        self.assertFalse(transport.disconnected)
        self.clock.pump([5] * 2)
        self.assertTrue(transport.disconnected)

    def test_an_answer_that_takes_long_is_waited_for(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        self.clock.pump([5] * 100)
        self.assertFalse(transport.disconnected)

    def test_too_many_connections_of_one_host_are_refused_and_counted_down_again(self) -> None:
        opened = [self.connect() for _ in range(3)]
        self.assertEqual(b"", opened[1][1].value())
        self.assertTrue(opened[2][1].value().startswith(b"HTTP/1.1 503 "))
        for channel, _ in opened:
            channel.connectionLost()
        self.assertEqual(0, self.limits.open)

    def test_the_end_waits_for_the_answer_under_way_only(self) -> None:
        (idle, idle_transport), (busy, busy_transport) = self.connect(), self.connect()
        busy.dataReceived(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        finished = Deferred.fromCoroutine(self.site.finish(10))
        self.assertTrue(idle_transport.disconnecting)
        self.assertFalse(busy_transport.disconnecting)
        idle.connectionLost()
        (request,) = self.root.waiting
        request.write(b"done")
        request.finish()
        self.assertTrue(busy_transport.disconnecting)
        busy.connectionLost()
        self.successResultOf(finished)

    def test_the_end_does_not_wait_for_ever(self) -> None:
        busy, transport = self.connect()
        busy.dataReceived(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        finished = Deferred.fromCoroutine(self.site.finish(10))
        self.assertNoResult(finished)
        self.clock.advance(10)
        self.assertTrue(transport.disconnected)
        busy.connectionLost()
        self.successResultOf(finished)
