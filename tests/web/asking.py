"""Requests to a site without a socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.resource import IResource

from twisted_mail.networks import Networks
from twisted_mail.protocols.http import WebOptions, WebSite
from twisted_mail.protocols.limits import ConnectionLimits


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    cookies: Sequence[str] = ()
    """As they are set."""

    @property
    def text(self) -> str:
        return self.body.decode()


def site_of(root: IResource) -> WebSite:
    return WebSite(root, WebOptions(ConnectionLimits(10, 10), Networks(()), Clock()))


def ask(
    site: WebSite,
    line: str,
    body: bytes = b"",
    host: str = "mail.example.org",
    headers: Sequence[str] = (),
    peer: str = "192.0.2.1",
) -> Reply:
    """*line*: method and path."""
    channel = site.buildProtocol(None)
    transport = StringTransport(peerAddress=IPv4Address("TCP", peer, 1))
    channel.makeConnection(transport)
    fields = "".join(f"{field}\r\n" for field in headers)
    head = f"{line} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
    channel.dataReceived(head.encode() + body)
    channel.connectionLost()
    lines, _, rest = transport.value().partition(b"\r\n\r\n")
    first, *answered = lines.decode().split("\r\n")
    pairs = [field.split(": ", 1) for field in answered]
    found = dict(pairs)
    assert int(found["Content-Length"]) == len(rest)
    return Reply(int(first.split()[1]), found, rest, [value for name, value in pairs if name == "Set-Cookie"])
