"""The SMTP and LMTP client on a Twisted transport: one session, one connection, any number of messages.

`connect` gives a client that is ready for `send`: TLS is up and we are logged in, as the destination wants it.
Every reply has its time-out (RFC 5321 §4.5.3.2).  What a peer sends beyond a bounded reply, or without being asked,
ends the connection.  A coroutine that is cancelled leaves the client unusable: abort it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail.content import Blocking, Message
from twisted_mail.protocols import dane
from twisted_mail.protocols.clienttls import Creator, failure_of
from twisted_mail.protocols.destination import Destination, TLSUse
from twisted_mail.protocols.peererrors import PeerDeclined, PeerError, PeerLost, TLSFailed, Unreachable
from twisted_mail.protocols.tls import tls_info
from twisted_mail.sasl import PasswordCredentials
from twisted_mail.smtp.client import ClientSession
from twisted_mail.smtp.client_commands import Outgoing
from twisted_mail.smtp.client_events import Broken, ClientEvent, Declined, Finished, SendText, Stage
from twisted_mail.smtp.client_offer import PeerOffer
from twisted_mail.smtp.envelope import Recipient, TLSInfo
from twisted_mail.smtp.reply import Reply
from twisted_mail.tlsoutcome import TLSFailure

TIMEOUTS: Mapping[Stage, float] = {
    Stage.GREETING: 300.0,
    Stage.HELLO: 300.0,
    Stage.STARTTLS: 120.0,
    Stage.LOGIN: 300.0,
    Stage.RESET: 300.0,
    Stage.MAIL: 300.0,
    Stage.RCPT: 300.0,
    Stage.DATA: 120.0,
    Stage.TEXT: 180.0,
    Stage.END: 600.0,
    Stage.QUIT: 10.0,
}
"""Seconds (RFC 5321 §4.5.3.2); TEXT is for each time that the peer's window is full.  QUIT needs no reply."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """What all clients share."""

    reactor: Any  # IReactorTCP, IReactorTime and what Destination.endpoint needs, which zope's types cannot join
    hostname: str
    """Who we are, for EHLO."""
    blocking: Blocking
    """Reads large messages from the disk."""
    verified: Creator
    unverified: Creator
    timeouts: Mapping[Stage, float] = field(default_factory=lambda: TIMEOUTS)


@implementer(IPushProducer, IHandshakeListener)
class SMTPClient(Protocol):
    """One connection.  Its coroutines are awaited one at a time; all of them raise PeerError."""

    def __init__(self, options: ClientOptions, destination: Destination) -> None:
        self._options = options
        self._session = ClientSession(options.hostname, lmtp=destination.lmtp)
        self._waiting: Deferred[None] | None = None
        self._end = ""
        self._failure = TLSFailure.OTHER
        self._clogged = False
        self._handshaking = False
        self.destination = destination
        self.own_address = ""
        """Our IP address in the connection; empty where it has none."""
        self.tls: TLSInfo | None = None
        self.transactions = 0
        """Messages so far."""
        self.distrusted: TLSFailed | None = None
        """Why TLS is not as it should be, where mail goes all the same."""
        self.ended: Deferred[None] = Deferred()
        """Fires when the connection is over."""

    @property
    def offer(self) -> PeerOffer:
        return self._session.offer

    @property
    def is_usable(self) -> bool:
        """Another message may follow."""
        return self._session.is_usable and not self._end

    def __str__(self) -> str:
        tls = f" ({self.tls.version} {self.tls.cipher})" if self.tls else ""
        return f"{self.destination}{tls}"

    def dialogue(self, about: Recipient | None = None) -> str:
        """What was said, for a report on one recipient (smtp/client_dialogue.py)."""
        return self._session.dialogue.text(about)

    # ---- what Twisted calls

    def connectionMade(self) -> None:
        self.own_address = str(getattr(self._transport.getHost(), "host", ""))
        if hasattr(self._transport, "setTcpNoDelay"):
            self._transport.setTcpNoDelay(True)
        self._transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        if not self._session.receive_data(data):
            return
        self._flush()
        if self._waiting is not None:
            self._wake()
        elif self._session.is_over:
            self.abort()  # it spoke while idle: good-bye, or nonsense

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._failure = failure_of(reason.value)
        self._lose("the server closed the connection" if reason.check(ConnectionDone) else _words(reason))
        self.ended.callback(None)

    def handshakeCompleted(self) -> None:
        self._handshaking = False
        self._wake()

    def pauseProducing(self) -> None:
        """The peer does not read: the transport's buffer is full."""
        self._clogged = True

    def resumeProducing(self) -> None:
        self._clogged = False
        self._wake()

    def stopProducing(self) -> None:
        """The connection is lost: connectionLost follows."""

    # ---- the conversation

    async def open(self) -> None:
        """Greeting, EHLO, TLS and login, as the destination wants them."""
        destination = self.destination
        if destination.policy:
            self._session.dialogue.note(f"TLS is {destination.tls.value}: {destination.policy}")
        if destination.tls is TLSUse.AT_ONCE:
            await self._handshake(self._options.verified)
        await self._ready()
        if destination.tls in _VERIFIED:
            await self._start_tls(self._options.verified)
        elif destination.tls is TLSUse.DANE or (destination.tls is TLSUse.OPPORTUNISTIC and "STARTTLS" in self.offer):
            await self._start_tls(self._options.unverified)
        if destination.login is not None:
            await self._log_in(destination.login)

    async def send(self, outgoing: Outgoing, message: Message) -> Mapping[Recipient, Reply]:
        """The last word on each recipient; positive: the server has the message.

        Raises SMTPError, 5yz: it must not go to this server as it is, nothing was sent.  Raises OSError: the message
        cannot be read; abort the client then, the server has half of it.
        """
        self._session.begin(outgoing)
        self.transactions += 1
        event = await self._event()
        if isinstance(event, SendText):
            await self._send_text(message)
            event = await self._event()
        assert isinstance(event, Finished)
        return event.replies

    async def quit(self) -> None:
        """Say good-bye and close the connection; returns when it is closed."""
        if self.is_usable:
            self._session.quit()
            try:
                await self._event()
            except PeerLost:
                return
        self._transport.unregisterProducer()
        self._transport.loseConnection()
        # with TLS the peer has its part in closing
        overdue = self._options.reactor.callLater(self._options.timeouts[Stage.QUIT], self._transport.abortConnection)
        await self.ended
        if overdue.active():
            overdue.cancel()

    def abort(self) -> None:
        """Close the connection at once."""
        self._lose("closed")
        self._transport.abortConnection()

    async def _ready(self) -> None:
        match await self._event():
            case Declined(stage, reply):
                raise PeerDeclined(stage, reply)

    async def _start_tls(self, create: Creator) -> None:
        self._session.start_tls()
        match await self._event():
            case Declined(stage, reply):
                if self.destination.tls is not TLSUse.OPPORTUNISTIC:
                    raise TLSFailed(f"TLS is not to be had: {reply}", TLSFailure.NO_STARTTLS)
                if self._session.is_over:
                    raise PeerDeclined(stage, reply)
                return
        await self._handshake(create)
        self._session.tls_started()
        try:
            await self._ready()
        except PeerLost as error:  # in TLS 1.3 a server says only now that it does not like the handshake
            raise TLSFailed(str(error)) from error

    async def _handshake(self, create: Creator) -> None:
        self._handshaking = True
        self._transport.startTLS(create(self.destination.name))
        while self._handshaking:
            if self._end:
                raise TLSFailed(f"the TLS handshake failed: {self._end}", self._failure)
            await self._pause(Stage.STARTTLS)
        if self.destination.tlsa:
            try:
                dane.check(self._transport.getHandle(), self.destination.name, self.destination.tlsa)
            except dane.NotNamed as error:
                raise TLSFailed(str(error), error.failure) from error
        self.tls = tls_info(self._transport.getHandle())

    async def _log_in(self, login: PasswordCredentials) -> None:
        is_private = self.tls is not None and self.destination.tls is not TLSUse.OPPORTUNISTIC
        if not (is_private or self.destination.is_here):
            raise PeerDeclined(Stage.LOGIN, Reply(454, "7.0", "a password is sent over verified TLS only"))
        self._session.log_in(login, secrets.token_urlsafe(18))
        match await self._event():
            case Declined(stage, reply):
                raise PeerDeclined(stage, reply)

    async def _send_text(self, message: Message) -> None:
        """Hand the text to the transport, as fast as the peer takes it; to its end, or until the peer gives up."""
        pieces = message.pieces()
        while (piece := await self._next_piece(message, pieces)) is not None:
            self._session.text(piece)
            if len(piece) >= _WORTH_A_WRITE:
                self._flush()
            while self._clogged and not self._end and self._session.awaited is Stage.TEXT:
                await self._pause(Stage.TEXT)
            if self._end or self._session.awaited is not Stage.TEXT:
                return
        self._session.end_text()

    async def _next_piece(self, message: Message, pieces: Iterator[bytes]) -> bytes | None:
        if isinstance(message.body, bytes):
            return next(pieces, None)
        piece = await self._options.blocking(lambda: next(pieces, None))
        assert piece is None or isinstance(piece, bytes)
        return piece

    # ---- waiting

    async def _event(self) -> ClientEvent:
        """Send what is pending; what happens next."""
        self._flush()
        while (event := self._session.next_event()) is None:
            if self._end or self._session.awaited is None:
                raise self._lost(self._end or "the connection is over")
            await self._pause(self._session.awaited)
        if isinstance(event, Broken):
            error = self._lost(event.reason)
            self.abort()
            raise error
        return event

    async def _pause(self, stage: Stage) -> None:
        """Wait until something happened: a reply, room to send, the end of a handshake, of patience, of all."""
        seconds = self._options.timeouts[stage]
        timer = self._options.reactor.callLater(seconds, self._overdue, stage, seconds)
        self._waiting = Deferred()
        try:
            await self._waiting
        finally:
            self._waiting = None
            if timer.active():
                timer.cancel()

    def _overdue(self, stage: Stage, seconds: float) -> None:
        self._lose(f"no answer within {seconds:g} seconds ({stage.name})")
        self._transport.abortConnection()

    def _wake(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)

    def _flush(self) -> None:
        if (data := self._session.data_to_send()) and not self._end:
            self._transport.write(data)

    def _lose(self, reason: str) -> None:
        """Nothing more will be heard; the first reason counts."""
        if not self._end:
            self._end = reason
            self._session.dialogue.note(reason)
        self._wake()

    def _lost(self, reason: str) -> PeerLost:
        return PeerLost(reason, in_doubt=self._session.in_doubt, replies=self._session.replies)

    @property
    def _transport(self) -> Any:  # ITCPTransport and ITLSTransport, which zope's types cannot join
        return self.transport


_WORTH_A_WRITE = 16 * 1024
"""Octets; shorter pieces (a header) travel with what follows them."""


_VERIFIED = (TLSUse.VERIFIED, TLSUse.TESTED)
_MILDER = {TLSUse.TESTED: TLSUse.OPPORTUNISTIC, TLSUse.OPPORTUNISTIC: TLSUse.NEVER}
"""What is tried next where TLS fails."""


async def connect(options: ClientOptions, destination: Destination) -> SMTPClient:
    """A client that is ready for `send`.  Raises PeerError."""
    use: TLSUse | None = destination.tls
    first: TLSFailed | None = None
    while use is not None:
        try:
            client = await _connect(options, replace(destination, tls=use))
        except TLSFailed as error:
            first, use = first or error, _MILDER.get(use)
            continue
        client.destination = destination
        client.distrusted = first
        if first is None and client.tls is None and use is TLSUse.OPPORTUNISTIC:
            client.distrusted = TLSFailed("TLS is not offered", TLSFailure.NO_STARTTLS)
        return client
    assert first is not None
    raise first


async def _connect(options: ClientOptions, destination: Destination) -> SMTPClient:
    factory = Factory.forProtocol(lambda: SMTPClient(options, destination))
    factory.noisy = False
    try:
        client = await destination.endpoint(options.reactor).connect(factory)
    except (ConnectError, OSError) as error:
        raise Unreachable(str(error) or type(error).__name__) from error
    assert isinstance(client, SMTPClient)
    try:
        await client.open()
    except BaseException as error:
        if isinstance(error, PeerError):
            error.dialogue, error.own_address = client.dialogue(), client.own_address
        client.abort()
        raise
    return client


def _words(reason: Failure) -> str:
    """Why a connection ended, in one line."""
    return " ".join(reason.getErrorMessage().split()) or repr(reason.value)
