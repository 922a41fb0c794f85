"""HTTP as a server: that of twisted.web, with bounds on what a client may send and on how long it may take.

A request is at most 16 KiB of header and BODY octets of content.  Who has not sent one whole within REQUEST_WITHIN
seconds, or does not read an answer for ANSWER_WITHIN, is cut off; connections count with those of mail.  Every answer
has the headers of SECURITY, which a resource may replace.  Headers by which a proxy tells for whom it asks are believed
from trusted proxies only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from twisted_mail.networks import Networks
from twisted_mail.protocols.crowd import Crowd
from twisted_mail.protocols.limits import ConnectionLimits
from twisted_mail.protocols.tls import Certificates

BODY = 1024 * 1024
"""Octets."""
REQUEST_WITHIN = 30.0
"""Seconds from the connection, or from the answer before, to the end of a request."""
ANSWER_WITHIN = 120.0
"""Seconds in which a client must have read something of an answer."""

SECURITY = {
    "Server": "Twisted Mail",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer: nothing inline runs, nothing is framed, nothing is kept."""

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_TOO_LARGE = b"The request is too large.\n"
_TOO_MANY = b"Too many connections, try again later.\n"


class WebRequest(Request):
    """One request.  `client_host` and `isSecure` are about who really asks, also behind a trusted proxy."""

    channel: Any  # a WebChannel while the client is there
    content: Any  # what `getContentFile` gave, while there is something

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The target may be a whole address (RFC 9112 §3.2.2), whose host then counts."""
        if match := _ABSOLUTE.match(path):
            self.requestHeaders.setRawHeaders(b"host", [match[1]])
            path = path[match.end() :] if path[match.end() :].startswith(b"/") else b"/" + path[match.end() :]
        super().requestReceived(command, path, version)

    def handleContentChunk(self, data: bytes) -> None:
        """Content whose length was not announced, too, must end somewhere."""
        if self.content.tell() + len(data) > BODY:
            self.channel.refuse(b"413 Content Too Large", _TOO_LARGE)
        else:
            super().handleContentChunk(data)

    @property
    def client_host(self) -> str:
        """IP address; empty on a unix socket whose program does not tell."""
        host = self._peer_host
        forwarded = self.getHeader("X-Forwarded-For") or ""
        for hop in reversed([each.strip() for each in forwarded.split(",") if each.strip()]):
            if not self._is_trusted(host):
                break
            host = hop
        return host

    def isSecure(self) -> bool:
        """Whether the client speaks TLS, with us or with a trusted proxy."""
        if super().isSecure():
            return True
        return self._is_trusted(self._peer_host) and self.getHeader("X-Forwarded-Proto") == "https"

    @property
    def is_refresh(self) -> bool:
        """A script of ours asks by itself, for a page that somebody has open."""
        return bool(self.getHeader("X-Refresh") == "1")

    @property
    def _peer_host(self) -> str:
        return getattr(self.getClientAddress(), "host", "")

    def _is_trusted(self, host: str) -> bool:
        """Who may use a unix socket, its permissions say."""
        return not host or host in self.channel.site.trusted


class WebChannel(HTTPChannel):
    """One connection."""

    site: WebSite
    transport: Any  # ITCPTransport and ITLSTransport, which zope's types cannot join
    requestFactory = WebRequest
    totalHeadersSize = 16 * 1024

    def connectionMade(self) -> None:
        self._refused = False
        self._admitted = False
        self._peer = getattr(self.transport.getPeer(), "host", "")
        self.waits_since: float | None = self.site.clock.seconds()
        """When we began to wait for the client; None: it waits for us."""
        if self.site.certificates is not None:
            self.transport.startTLS(self.site.certificates)
        super().connectionMade()
        if refusal := self.site.limits.admit(self._peer, self.site.clock.seconds()):
            self.site.logger.info("refused {peer}: {refusal}", event="web.refused", peer=self._peer, refusal=refusal)
            self.refuse(b"503 Service Unavailable", _TOO_MANY)
        else:
            self._admitted = True

    def dataReceived(self, data: bytes) -> None:
        if not self._refused:
            super().dataReceived(data)

    def allHeadersReceived(self) -> None:
        if self.length is not None and self.length > BODY:
            self.refuse(b"413 Content Too Large", _TOO_LARGE)
        else:
            super().allHeadersReceived()

    def rawDataReceived(self, data: bytes) -> None:
        if not self._refused:
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        if not self._refused:
            self.waits_since = None
            super().allContentReceived()

    def requestDone(self, request: Request) -> None:
        self.waits_since = self.site.clock.seconds()
        super().requestDone(request)

    def resumeProducing(self) -> None:
        """The client has read all that was sent."""
        if self.waits_since is not None:
            self.waits_since = self.site.clock.seconds()
        super().resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._admitted:
            self.site.limits.leave(self._peer)
        super().connectionLost(reason)
        self.site.forget(self)

    def refuse(self, status: bytes, text: bytes) -> None:
        """Answer without having read everything, and end the connection."""
        if self._refused:
            return
        self._refused = True
        head = b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % (status, len(text)) + text)
        self.loseConnection()

    def finish(self) -> None:
        """The server shuts down: now, or after the answer that is under way."""
        self.persistent = False
        if self.waits_since is not None:
            self.loseConnection()

    def is_overdue(self, now: float) -> bool:
        patience = ANSWER_WITHIN if self._waitingForTransport else REQUEST_WITHIN
        return self.waits_since is not None and now - self.waits_since > patience

    def abort(self) -> None:
        self.transport.abortConnection()


@dataclass(frozen=True, slots=True)
class WebOptions:
    """What the web listeners share."""

    limits: ConnectionLimits
    trusted: Networks
    """Proxies that say by X-Forwarded-For and X-Forwarded-Proto for whom they ask."""
    clock: IReactorTime


class WebSite(Site):
    """The connections of one web listener; `finish` ends them."""

    logger = Logger()
    noisy = False
    protocol: Any = WebChannel  # HTTP/1.1 only; that of Twisted is a wrapper with a place for HTTP/2
    requestFactory = WebRequest

    def __init__(self, root: IResource, options: WebOptions, certificates: Certificates | None = None) -> None:
        """*certificates*: speak TLS from the first octet."""
        super().__init__(root, reactor=options.clock, timeout=None)
        self.limits = options.limits
        self.trusted = options.trusted
        self.clock = options.clock
        self.certificates = certificates
        self._crowd: Crowd[WebChannel] = Crowd(options.clock, self._sweep)

    def buildProtocol(self, addr: IAddress | None) -> WebChannel:  # type: ignore[override]  # see `protocol`
        channel: WebChannel = super().buildProtocol(addr)
        self._crowd.add(channel)
        return channel

    def startFactory(self) -> None:
        self._crowd.start()

    def stopFactory(self) -> None:
        self._crowd.stop()

    def getResourceFor(self, request: WebRequest) -> IResource:
        for name, value in SECURITY.items():
            request.setHeader(name, value)
        found: IResource = super().getResourceFor(request)
        return found

    def getContentFile(self, length: int | None) -> BytesIO:
        """Where the content of a request goes: it is small enough for memory."""
        return BytesIO()

    def log(self, request: HTTPRequest) -> None:
        """Without the query, in which there may be what nobody else should read.  What nobody asked for is no event."""
        if isinstance(request, WebRequest) and request.is_refresh and request.code < 500:
            return
        self.logger.info(
            "web {peer} {method} {path} {code}",
            event="web.answered",
            peer=request.client_host if isinstance(request, WebRequest) else "",
            method=_printable(request.method),
            path=_printable(request.path),
            code=request.code,
        )

    async def finish(self, seconds: float) -> None:
        """End all connections: those that wait for the client now, the others within *seconds*."""
        await self._crowd.finish(seconds)

    async def drain(self) -> None:
        """Wait until all connections have ended by themselves."""
        for channel in self._crowd:
            channel.persistent = False  # the next request goes to the service that has taken over
        await self._crowd.drain()

    def forget(self, channel: WebChannel) -> None:
        self._crowd.forget(channel)

    def _sweep(self, channels: Iterable[WebChannel]) -> None:
        now = self.clock.seconds()
        for channel in [each for each in channels if each.is_overdue(now)]:
            channel.abort()


def _printable(octets: bytes) -> str:
    return ascii(octets.decode("latin-1"))[1:-1]
