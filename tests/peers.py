"""Servers that misbehave on command, and a network without sockets that leads to them.

`Peer` is the brain of one server: a table of replies, which a test changes.  `Network` is the reactor of the code under
test: a Clock with connectTCP.  What a peer says arrives with the next turn of the clock, never inside a write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, execute
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail.interfaces import IMXResolver, MailHost, RemoteRefusal
from twisted_mail.protocols.smtpclient import ClientOptions
from twisted_mail.smtp.reply import Reply

T = TypeVar("T")

HANG = "hang"
"""In place of a reply: say nothing from now on."""
DROP = "drop"
"""In place of a reply: close the connection."""


@dataclass
class Peer:
    """One server, for any number of connections."""

    offers: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SIZE 1000000", "DSN")
    replies: dict[str, str] = field(default_factory=dict)
    """The beginning of a command -> the reply to it, lines separated by LF, HANG or DROP.  BANNER and DOT are those to
    no command.  A `*` in front: to the first such command only."""
    lmtp: bool = False
    cut_after: int | None = None
    """Octets that it says in all; then the connection breaks."""
    deaf_after: int | None = None
    """Octets that it hears in all; then the connection breaks."""
    heard: list[str] = field(default_factory=list)
    """All commands."""
    messages: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    """Sender, recipients and text, dot-stuffed, of each message that came to its end and was not refused."""
    connections: int = 0

    def reply(self, command: str, default: str) -> str:
        for pattern, reply in list(self.replies.items()):
            if command.upper().startswith(pattern.lstrip("*").upper()):
                if pattern.startswith("*"):
                    del self.replies[pattern]
                return reply
        return default


class _Conversation:
    """A peer on one connection."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._buffer = b""
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._text: bytes | None = None
        self._said = 0
        self._heard = 0
        self._mute = False
        self.closed = False
        peer.connections += 1

    def greet(self) -> bytes:
        return self._say(self._peer.reply("BANNER", "220 peer.example"))

    def hear(self, data: bytes) -> bytes:
        """What it says to *data*."""
        limit = self._peer.deaf_after
        if limit is not None and self._heard + len(data) >= limit:
            data = data[: limit - self._heard]
        self._heard += len(data)
        self._buffer += data
        said = b"".join(iter(self._step, None))
        self.closed |= self._heard == limit
        return said

    def _step(self) -> bytes | None:
        if self.closed:
            return None
        if self._text is not None:
            text, end, rest = (b"\r\n" + self._buffer).partition(b"\r\n.\r\n")
            if not end:
                return None
            self._buffer = rest
            return self._take(text[2:] + b"\r\n" * (len(text) > 1))
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return None
        self._buffer = rest
        return self._answer(line.decode())

    def _take(self, text: bytes) -> bytes:
        self._text = None
        said = []
        for recipient in self._recipients if self._peer.lmtp else [" ".join(self._recipients)]:
            reply = self._peer.reply(f"DOT {recipient}", "250 2.0.0 Taken")
            if not reply.startswith(("4", "5")):
                assert self._sender is not None
                self._peer.messages.append((self._sender, recipient.split(), text))
            said.append(self._say(reply))
        self._sender, self._recipients = None, []
        return b"".join(said)

    def _answer(self, line: str) -> bytes:
        self._peer.heard.append(line)
        verb = line[:4].upper()
        reply = self._peer.reply(line, self._default(verb))
        path = line.partition("<")[2].partition(">")[0]
        if reply.startswith("2") and verb == "MAIL":
            self._sender = path
        elif reply.startswith("2") and verb == "RCPT":
            self._recipients.append(path)
        elif reply.startswith("354"):
            self._text = b""
        elif verb == "RSET":
            self._sender, self._recipients = None, []
        said = self._say(reply)
        self.closed |= verb == "QUIT"
        return said

    def _default(self, verb: str) -> str:
        match verb:
            case "EHLO" | "LHLO":
                return "\n".join(["250-peer.example", *(f"250-{offer}" for offer in self._peer.offers), "250 HELP"])
            case "MAIL" if self._sender is not None:
                return "503 5.5.1 Nested"
            case "RCPT" if self._sender is None:
                return "503 5.5.1 Need MAIL"
            case "DATA":
                return "354 Go ahead" if self._recipients else "503 5.5.1 Need RCPT"
            case "QUIT":
                return "221 2.0.0 Bye"
        return "250 2.0.0 Ok"

    def _say(self, reply: str) -> bytes:
        if reply in (HANG, DROP):
            self.closed |= reply == DROP
            self._mute = True
        if self._mute:
            return b""
        octets = reply.replace("\n", "\r\n").encode() + b"\r\n"
        limit = self._peer.cut_after
        if limit is not None and self._said + len(octets) >= limit:
            octets = octets[: limit - self._said]
            self.closed = True
        self._said += len(octets)
        self.closed |= reply.startswith("421")
        return octets


class _Wire(StringTransport):
    """The client's transport."""

    def __init__(self, network: Network, conversation: _Conversation) -> None:
        super().__init__()
        self._network = network
        self._conversation = conversation
        self._client: Protocol | None = None
        self._done = False

    def attach(self, client: Protocol) -> None:
        self._client = client
        client.makeConnection(self)
        self._deliver(self._conversation.greet())

    def write(self, data: bytes) -> None:
        if not self._done:
            self._deliver(self._conversation.hear(data))

    def loseConnection(self) -> None:
        self._end(ConnectionDone())

    def abortConnection(self) -> None:
        self._end(ConnectionLost())

    def _deliver(self, data: bytes) -> None:
        if data:
            self._network.callLater(0, self._arrive, data)
        if self._conversation.closed:
            self._end(ConnectionDone())

    def _arrive(self, data: bytes) -> None:
        assert self._client is not None
        if not self.disconnected:
            self._client.dataReceived(data)

    def _end(self, reason: Exception) -> None:
        if not self._done:
            self._done = True
            self._network.callLater(0, self._lose, reason)

    def _lose(self, reason: Exception) -> None:
        assert self._client is not None
        self.disconnected = True
        self._client.connectionLost(Failure(reason))


@implementer(IReactorTCP)
class Network(Clock):
    """Hosts without a peer refuse connections; those in `silent` do not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.peers: dict[tuple[str, int], Peer] = {}
        self.silent: set[str] = set()
        self.dialled: list[str] = []

    def connectTCP(  # type: ignore[override]  # endpoints use no more of the connector
        self, host: str, port: int, factory: Factory, timeout: float = 30, bindAddress: object = None
    ) -> Any:
        self.dialled.append(host)
        connector = _Connector()
        factory.doStart()
        if host in self.silent:
            self.callLater(timeout, factory.clientConnectionFailed, connector, Failure(TimeoutError("silence")))
        elif (peer := self.peers.get((host, port))) is None:
            self.callLater(0, factory.clientConnectionFailed, connector, Failure(ConnectionRefusedError()))
        else:
            self.callLater(0, self._connect, factory, peer, host, port)
        return connector

    def _connect(self, factory: Factory, peer: Peer, host: str, port: int) -> None:
        client = factory.buildProtocol(IPv4Address("TCP", host, port))
        assert client is not None
        _Wire(self, _Conversation(peer)).attach(client)  # type: ignore[arg-type]  # an endpoint's wrapper

    def listenTCP(self, *args: object, **kwargs: object) -> Any:
        raise NotImplementedError("nobody listens here")

    def run(self, awaitable: Awaitable[T], patience: float = 0.0) -> T:
        """What comes of *awaitable*, with as many turns as it needs in *patience* seconds."""
        outcome: list[Any] = []
        self.begin(awaitable).addBoth(outcome.append)
        self.settle()
        waited = 0.0
        while not outcome and waited < patience:
            self.advance(10.0)
            waited += 10.0
            self.settle()
        assert outcome, "nothing came of it"
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        result: T = outcome[0]
        return result

    def begin(self, awaitable: Awaitable[T]) -> Deferred[T]:
        return Deferred.fromCoroutine(awaitable)  # type: ignore[arg-type]  # all of ours are coroutines

    def settle(self) -> None:
        """Turn after turn without time, until nothing is due."""
        while any(call.getTime() <= self.seconds() for call in self.getDelayedCalls()):
            self.advance(0)


class _Connector:
    def stopConnecting(self) -> None:
        pass

    def disconnect(self) -> None:
        pass


@implementer(IMXResolver)
class FixedHosts:
    """Domain -> its servers; others do not exist."""

    def __init__(self, table: dict[str, Sequence[MailHost]]) -> None:
        self.table = table

    async def hosts(self, domain: str) -> Sequence[MailHost]:
        if domain not in self.table:
            raise RemoteRefusal(Reply(550, "1.2", f"The domain {domain} does not exist"), by_remote=False)
        return self.table[domain]


def no_tls(name: str) -> Any:
    raise AssertionError(f"no TLS with {name} in this test")


def client_options(network: Network, **changes: Any) -> ClientOptions:
    def blocking(call: Callable[[], object]) -> Deferred[object]:
        return execute(call)

    values: dict[str, Any] = {"hostname": "us.example", "blocking": blocking, "verified": no_tls, "unverified": no_tls}
    return ClientOptions(reactor=network, **(values | changes))
