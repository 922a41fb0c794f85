"""DNS as a client of one validating resolver: what it says, and whether it vouches for that (AD, RFC 4035 §3.2.3).

Only for a resolver that nobody can speak for: on this machine, or at the end of a way that is safe.  A question goes
out by UDP from a port of its own, again after a while, and by TCP where the answer is too long.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.internet.error import CannotListenError, ConnectError
from twisted.internet.protocol import DatagramProtocol, Protocol, connectionDone
from twisted.python.failure import Failure

TIMEOUTS = (2.0, 5.0)
"""Seconds before a question is asked again, and before it is given up."""
PAYLOAD = 4096
"""Octets of an answer by UDP."""


class NoSecureAnswer(Exception):
    """The resolver does not answer, or says that it cannot know: also where signatures are wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    records: tuple[Any, ...]
    """Of the type that was asked for, aliases followed; dnspython's."""
    is_secure: bool
    """The resolver has checked the signatures, also on there being none."""


class SecureDNS:
    def __init__(self, address: str, port: int, reactor: Any) -> None:
        self._server = (address, port)
        self._reactor = reactor

    async def ask(self, name: str, kind: str) -> Answer:
        """Raises NoSecureAnswer."""
        try:
            query = dns.message.make_query(name + ".", kind, use_edns=0, payload=PAYLOAD)
        except (dns.exception.DNSException, UnicodeError) as error:
            raise NoSecureAnswer(f"{name} is no name") from error
        query.flags |= dns.flags.AD  # RFC 6840 §5.7: we understand it
        try:
            response = await self._by_udp(query)
            if response.flags & dns.flags.TC:
                response = await self._by_tcp(query)
        except (OSError, ConnectError, CannotListenError, dns.exception.DNSException) as error:
            raise NoSecureAnswer(f"the resolver does not answer about {name} ({type(error).__name__})") from error
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise NoSecureAnswer(f"{name}: {dns.rcode.to_text(response.rcode())}")
        wanted = dns.rdatatype.from_text(kind)
        records = tuple(record for rrset in response.answer if rrset.rdtype == wanted for record in rrset)
        return Answer(records, bool(response.flags & dns.flags.AD))

    async def _by_udp(self, query: dns.message.QueryMessage) -> dns.message.Message:
        for seconds in TIMEOUTS:
            question = _Question(self._server, query)
            port = self._reactor.listenUDP(0, question, "::" if ":" in self._server[0] else "", PAYLOAD)
            try:
                return await question.answer.addTimeout(seconds, self._reactor)
            except DeferredTimeout:
                continue
            finally:
                port.stopListening()
        raise NoSecureAnswer("the resolver does not answer in time")

    async def _by_tcp(self, query: dns.message.QueryMessage) -> dns.message.Message:
        kind = TCP6ClientEndpoint if ":" in self._server[0] else TCP4ClientEndpoint
        stream = _Stream(query)
        await connectProtocol(kind(self._reactor, *self._server, TIMEOUTS[-1]), stream)
        try:
            return await stream.answer.addTimeout(TIMEOUTS[-1], self._reactor)
        except DeferredTimeout as error:
            raise NoSecureAnswer("the resolver does not answer in time") from error
        finally:
            stream.transport.abortConnection()


class _Question(DatagramProtocol):
    """One question; what is not its answer is not heard."""

    transport: Any  # IUDPTransport, which typeshed's DatagramProtocol does not name

    def __init__(self, server: tuple[str, int], query: dns.message.QueryMessage) -> None:
        self._server = server
        self._query = query
        self.answer: Deferred[dns.message.Message] = Deferred()

    def startProtocol(self) -> None:
        self.transport.connect(*self._server)
        self.transport.write(self._query.to_wire())

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        try:
            response = dns.message.from_wire(datagram, ignore_trailing=True)
        except (dns.exception.DNSException, ValueError):
            return
        if self._query.is_response(response) and not self.answer.called:
            self.answer.callback(response)

    def connectionRefused(self) -> None:
        if not self.answer.called:
            self.answer.errback(ConnectError())


class _Stream(Protocol):
    """One question on a connection (RFC 7766)."""

    transport: Any  # ITCPTransport

    def __init__(self, query: dns.message.QueryMessage) -> None:
        self._query = query
        self._received = b""
        self.answer: Deferred[dns.message.Message] = Deferred()

    def connectionMade(self) -> None:
        wire = self._query.to_wire()
        self.transport.write(struct.pack("!H", len(wire)) + wire)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if self.answer.called or len(self._received) < 2:
            return
        (size,) = struct.unpack_from("!H", self._received)
        if len(self._received) < 2 + size:
            return
        try:
            response = dns.message.from_wire(self._received[2 : 2 + size], ignore_trailing=True)
        except (dns.exception.DNSException, ValueError):
            self.answer.errback(NoSecureAnswer("the resolver's answer cannot be read"))
            return
        if self._query.is_response(response):
            self.answer.callback(response)
        else:
            self.answer.errback(NoSecureAnswer("the resolver answers another question"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.answer.called:
            self.answer.errback(NoSecureAnswer("the resolver ends the connection"))
