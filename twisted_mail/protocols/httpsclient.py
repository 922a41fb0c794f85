"""HTTPS as a client, with bounds: a verified certificate, no redirection, so many octets, so many seconds.

The addresses come from who asks: what [dns] of the configuration says holds for these questions, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, FileBodyProducer, ResponseDone, ResponseFailed
from twisted.web.error import SchemeNotSupported
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from twisted_mail.protocols.clienttls import CertificateRefused, verified

CONNECT_WITHIN = 10.0
"""Seconds for one address."""
MAX_ADDRESSES = 4


class RequestFailed(Exception):
    """No answer; the text says why, in one line."""


class ServerUntrusted(RequestFailed):
    """The certificate is not good."""


@dataclass(frozen=True, slots=True)
class Response:
    code: int
    kind: str
    """The content type without its parameters, in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an answer may cost."""

    octets: int
    seconds: float


class HTTPSClient:
    """Each request has a connection of its own."""

    def __init__(self, reactor: Any, trust_root: Any = None) -> None:
        """*trust_root*: who certifies web servers; None: what the system trusts."""
        self._reactor = reactor
        self._trust_root = trust_root

    async def get(self, url: str, addresses: Sequence[str], bounds: Bounds) -> Response:
        """Raises RequestFailed."""
        return await self._ask(b"GET", url, addresses, bounds, Headers())

    async def post(
        self, url: str, addresses: Sequence[str], bounds: Bounds, body: bytes, headers: dict[str, str]
    ) -> Response:
        """Raises RequestFailed."""
        fields = Headers({name: [value] for name, value in headers.items()})
        return await self._ask(b"POST", url, addresses, bounds, fields, FileBodyProducer(BytesIO(body)))

    async def _ask(
        self, verb: bytes, url: str, addresses: Sequence[str], bounds: Bounds, headers: Headers, body: Any = None
    ) -> Response:
        headers.setRawHeaders("User-Agent", ["Twisted-Mail"])
        asking = Deferred.fromCoroutine(self._exchange(verb, url, addresses, bounds.octets, headers, body))
        try:
            return await asking.addTimeout(bounds.seconds, self._reactor)
        except DeferredTimeout as error:
            raise RequestFailed(f"no answer within {bounds.seconds:g} seconds") from error

    async def _exchange(
        self, verb: bytes, url: str, addresses: Sequence[str], octets: int, headers: Headers, body: Any
    ) -> Response:
        reason = "it has no address"
        for address in addresses[:MAX_ADDRESSES]:
            endpoints = _Endpoints(self._reactor, address, self._trust_root)
            agent = Agent.usingEndpointFactory(self._reactor, endpoints)
            try:
                response = await agent.request(verb, url.encode("ascii"), headers, body)
            except ConnectError as error:  # another address may do; once it has heard us, none may hear it again
                reason = f"[{address}] does not answer: {error}"
                continue
            except (ResponseFailed, ConnectionClosed, SchemeNotSupported, ValueError) as error:
                raise _failed(error) from error
            content = await _content(response, octets)
            kinds = response.headers.getRawHeaders("content-type", [""])
            return Response(response.code, kinds[-1].partition(";")[0].strip().lower(), content)
        raise RequestFailed(reason)


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """To one address, whatever the host is called; the certificate must be for the name."""

    def __init__(self, reactor: Any, address: str, trust_root: Any) -> None:
        self._reactor = reactor
        self._address = address
        self._trust_root = trust_root

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        if uri.scheme != b"https":
            raise SchemeNotSupported(uri.scheme)
        kind = TCP6ClientEndpoint if ":" in self._address else TCP4ClientEndpoint
        options = verified(self._trust_root)(uri.host.decode("ascii"))
        return wrapClientTLS(options, kind(self._reactor, self._address, uri.port, CONNECT_WITHIN))


def _content(response: Any, octets: int) -> Deferred[bytes]:
    """Errback: RequestFailed, it is longer, or was cut off."""
    done: Deferred[bytes] = Deferred(lambda _: body.transport.abortConnection())
    body = _Body(done, octets)
    response.deliverBody(body)
    return done


class _Body(Protocol):
    """Collects the content of an answer."""

    transport: Any  # what twisted.web has for who reads a body

    def __init__(self, done: Deferred[bytes], octets: int) -> None:
        self._done = done
        self._left = octets
        self._pieces: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left >= 0:
            self._pieces.append(data)
        elif not self._done.called:
            self._done.errback(RequestFailed("the answer is too long"))
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self._done.callback(b"".join(self._pieces))
        else:
            self._done.errback(RequestFailed(f"the answer was cut off: {reason.getErrorMessage()}"))


def _failed(error: Exception) -> RequestFailed:
    """Why, in one line."""
    reason = error.reasons[0].value if isinstance(error, ResponseFailed) and error.reasons else error
    kind = ServerUntrusted if isinstance(reason, CertificateRefused) else RequestFailed
    return kind(" ".join(str(reason).split()) or type(reason).__name__)
