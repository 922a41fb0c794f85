"""Connections that come through a proxy: its header is read before anything else happens, also before TLS.

From a host that is not trusted nothing is read: the connection is closed without a word.  Once the header is complete
the connection goes on as if the client had made it, also for limits and logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail.networks import Networks
from twisted_mail.protocols.connection import ConnectionFactory
from twisted_mail.proxyheader import Client, HeaderReader, ProxyError

if TYPE_CHECKING:
    from twisted_mail.protocols.http import WebSite

HEADER_WITHIN = 10.0
"""Seconds for the whole header: a proxy sends it at once."""


class ProxiedConnection(Protocol):
    """The time before the header is complete; then the transport is another protocol's."""

    log = Logger()

    def __init__(self, factory: ProxyFactory) -> None:
        self._factory = factory
        self._reader = HeaderReader()
        self._overdue: IDelayedCall | None = None

    def connectionMade(self) -> None:
        host = getattr(self._transport.getPeer(), "host", "")
        if host and host not in self._factory.trusted:  # who may use a unix socket, its permissions say
            self._refuse(f"{host} is not one of the trusted proxies")
            return
        self._overdue = self._factory.clock.callLater(HEADER_WITHIN, self._refuse, "no PROXY header for too long")

    def dataReceived(self, data: bytes) -> None:
        if self._overdue is None:
            return
        try:
            rest = self._reader.feed(data)
        except ProxyError as error:
            self._refuse(str(error))
            return
        if self._reader.finished:
            self._go_on(rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._forget_timer()
        self._factory.waiting.discard(self)

    def abort(self) -> None:
        self._transport.abortConnection()

    def _go_on(self, rest: bytes) -> None:
        self._forget_timer()
        self._factory.waiting.discard(self)
        transport = self._transport
        if self._reader.client is not None:
            address = _address(self._reader.client)
            transport.getPeer = lambda: address
        connection = self._factory.connections.buildProtocol(transport.getPeer())
        transport.protocol = connection
        connection.makeConnection(transport)  # type: ignore[no-untyped-call]  # Twisted has not annotated it
        if rest:  # to TLS, where it has begun meanwhile
            transport.protocol.dataReceived(rest)

    def _refuse(self, reason: str) -> None:
        self.log.info("refused {peer}: {reason}", peer=getattr(self._transport.getPeer(), "host", ""), reason=reason)
        self._forget_timer()
        self.abort()

    def _forget_timer(self) -> None:
        overdue, self._overdue = self._overdue, None
        if overdue is not None and overdue.active():
            overdue.cancel()

    @property
    def _transport(self) -> Any:  # an ITCPTransport whose protocol and peer are changed, which zope's types cannot say
        return self.transport


class ProxyFactory(Factory):
    """Around the factory of the connections proper; starts, stops and finishes with it."""

    noisy = False

    def __init__(self, connections: ConnectionFactory | WebSite, trusted: Networks, clock: IReactorTime) -> None:
        self.connections = connections
        self.trusted = trusted
        self.clock = clock
        self.waiting: set[ProxiedConnection] = set()

    def buildProtocol(self, addr: IAddress | None) -> ProxiedConnection:
        connection = ProxiedConnection(self)
        self.waiting.add(connection)
        return connection

    def startFactory(self) -> None:
        self.connections.doStart()  # type: ignore[no-untyped-call]  # as above

    def stopFactory(self) -> None:
        self.connections.doStop()  # type: ignore[no-untyped-call]  # as above

    async def finish(self, seconds: float) -> None:
        """As ConnectionFactory.finish."""
        for connection in list(self.waiting):
            connection.abort()
        await self.connections.finish(seconds)

    async def drain(self) -> None:
        """As ConnectionFactory.drain; who has not said yet for whom it speaks must come again."""
        for connection in list(self.waiting):
            connection.abort()
        await self.connections.drain()


def _address(client: Client) -> IPv4Address | IPv6Address:
    kind = IPv6Address if ":" in client.host else IPv4Address
    return kind("TCP", client.host, client.port)
