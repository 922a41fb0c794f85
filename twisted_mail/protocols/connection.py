"""What the SMTP and the POP3 server share: one session over one transport, driven by one coroutine.

The session is pure; here are its socket, its clock and its end.  `converse` of a subclass is the whole dispatch; it
waits for octets with `more_data` and for slow readers with `flush`.  While it waits for anything else, octets that
arrive stay with the session and reading is paused.  Losing the connection cancels the coroutine, but for what it does
`to_the_end`.
"""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IPushProducer, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.task import deferLater
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail.eventlog import EventLog
from twisted_mail.networks import NOBODY, Networks
from twisted_mail.protocols.conversation import Conversation, pause
from twisted_mail.protocols.crowd import Crowd
from twisted_mail.protocols.keepalive import ensure_options
from twisted_mail.protocols.limits import ConnectionLimits
from twisted_mail.protocols.outlet import Outlet, is_wrapped
from twisted_mail.protocols.tls import Certificates, TLSLayer, tls_info
from twisted_mail.smtp.envelope import Origin
from twisted_mail.transcript import Transcript

T = TypeVar("T")


class Farewell(Enum):
    """Why the server ends a session."""

    IDLE = "idle for too long"
    SHUTDOWN = "shutting down"
    OVERLOAD = "too many connections"
    EARLY = "spoke before the greeting"


class Session(Protocol):
    """What both pure sessions have."""

    @property
    def transcript(self) -> Transcript: ...
    def greet(self) -> None: ...
    def receive_data(self, data: bytes) -> None: ...
    def data_to_send(self) -> bytes: ...
    def tls_started(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Silence:
    """A client must not speak before it is greeted (RFC 5321 §3.1)."""

    seconds: float = 0.0
    """For so long it is not greeted; 0: only what it has said already shows."""
    refuses: bool = True
    """Those who speak; else `Origin.early` tells."""
    exempt: Networks = NOBODY
    """Clients that may speak at once."""


@dataclass(frozen=True, slots=True)
class Listener:
    """What all connections of one listening port share."""

    limits: ConnectionLimits
    clock: IReactorTime
    certificates: Certificates | None = None
    tls_at_once: bool = False
    """TLS from the first octet (ports 465 and 995)."""
    idle_limit: float = 300.0
    """Seconds without an octet in either direction after which a connection is closed."""
    service: str = ""
    """Which one of [listen] it is, for the log and the counters."""
    silence: Silence | None = None
    """None: the client may speak at once."""


@implementer(IPushProducer)
class Connection(ABC, TwistedProtocol):
    """One client.  Subclasses have `_session`, `converse`, `farewell` and `cleanup`."""

    log = EventLog()
    _session: Session

    def __init__(self, listener: Listener, gone: Callable[[Connection], None], protocol: str) -> None:
        self._listener = listener
        self._gone = gone
        self._admitted = False
        self._closing = False
        self._over = False
        self._clogged: Deferred[None] | None = None
        self._reading = True
        self._trouble = ""
        self._conversation: Conversation | None = None
        self.last_activity = listener.clock.seconds()
        self._protocol = protocol
        self.origin: Origin

    @abstractmethod
    async def converse(self) -> None:
        """Answer the session's questions until it is over."""

    @abstractmethod
    def farewell(self, why: Farewell, text: str) -> None:
        """Have the session say that the server ends it."""

    @abstractmethod
    def cleanup(self) -> None:
        """The connection is over: end what is open.  Called once."""

    # ---- what Twisted calls

    def connectionMade(self) -> None:
        transport: Any = self.transport
        peer = getattr(transport.getPeer(), "host", "")
        self.origin = Origin(peer, os.urandom(6).hex(), self._protocol)
        if hasattr(transport, "setTcpNoDelay"):
            ensure_options(transport.getHandle())
        self._outlet = Outlet(transport)
        self._write = self._outlet.write
        if self._listener.tls_at_once:
            self._put_tls_between()
        self._transport.registerProducer(self, True)
        if refusal := self._listener.limits.admit(peer, self._listener.clock.seconds()):
            self.note("refused {peer}: {reply}", "connection.refused", reply=refusal)
            self.say_goodbye(Farewell.OVERLOAD, refusal)
            return
        self._admitted = True
        self._conversation = Conversation(self._run())
        self._conversation.go_on()

    def dataReceived(self, data: bytes) -> None:
        self.last_activity = self._listener.clock.seconds()
        self._session.receive_data(data)
        if self._conversation is not None and self._conversation.is_paused:
            self._conversation.go_on()
        elif self._reading:
            self._reading = False
            self._transport.pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._admitted:
            self._listener.limits.leave(self.origin.peer)
        if self._conversation is not None:
            self._conversation.cancel()
        self._gone(self)

    def pauseProducing(self) -> None:
        """The client does not read: the transport's buffer is full."""
        if self._clogged is None:
            self._clogged = Deferred()

    def resumeProducing(self) -> None:
        self.last_activity = self._listener.clock.seconds()
        if self._clogged is not None:
            clogged, self._clogged = self._clogged, None
            clogged.callback(None)

    def stopProducing(self) -> None:
        """The connection is lost: connectionLost follows."""

    # ---- what converse() uses

    async def more_data(self) -> None:
        """Send what is pending, then wait for octets."""
        self._send_pending()
        if self._clogged is not None:
            await self._clogged
        if self._closing and not self.in_message:
            self.say_goodbye(Farewell.SHUTDOWN, "The server is shutting down, try again in a minute")
            raise CancelledError
        if not self._reading:
            self._reading = True
            self._transport.resumeProducing()
            return  # octets came while something else was awaited; the session may not have seen them yet
        await pause()

    async def flush(self) -> None:
        """Send what is pending; returns once the transport has room again."""
        self._send_pending()
        if self._clogged is not None:
            await self._clogged

    async def to_the_end(self, work: Awaitable[T]) -> T:
        """What *work* gives, which is not cancelled where the connection is lost meanwhile."""
        assert self._conversation is not None
        self._conversation.is_shielded = True
        try:
            return await work
        finally:
            self._conversation.is_shielded = False

    def _send_pending(self) -> None:
        if data := self._session.data_to_send():
            self._write(data)

    def change_peer(self, peer: str) -> str | None:
        """The client is somebody else, as a proxy has said: counted from now on, and refused where too many are.

        A refusal in words, or None.
        """
        limits = self._listener.limits
        limits.leave(self.origin.peer)
        self.origin = replace(self.origin, peer=peer)
        refusal = limits.admit(peer, self._listener.clock.seconds())
        self._admitted = refusal is None
        return refusal

    async def start_tls(self) -> None:
        """Send what is pending in the clear, then speak TLS."""
        await self.flush()
        self._transport.unregisterProducer()
        self._put_tls_between()
        self._transport.registerProducer(self, True)
        self._session.tls_started()

    def _put_tls_between(self) -> None:
        """Between the transport and us."""
        certificates = self._listener.certificates
        assert certificates is not None
        if is_wrapped(self._transport):  # it would go on giving what comes to us
            self._transport.startTLS(certificates)
            return
        layer = TLSLayer(certificates, self)
        self._transport.protocol = layer
        layer.makeConnection(self._outlet)
        self.transport, self._write = layer, layer.write

    def lose(self) -> None:
        """Close the connection once everything is sent.  (Over TLS the client has its part in that: see `say_idle`.)"""
        self._over = True
        if data := self._session.data_to_send():
            self._transport.write(data)
        self._transport.unregisterProducer()
        self._transport.loseConnection()

    def note(self, text: str, event: str = "", *, level: LogLevel = LogLevel.info, **fields: object) -> None:
        """Log *text*, a format string, with the session's own fields; {peer} and {user} are known.

        *event*: what has happened, as records/happenings.py names it.
        """
        origin, service = self.origin, self._listener.service
        about = {"session": origin.session, "service": service, "peer": origin.peer, "user": origin.user, **fields}
        self.log.emit(level, text, event=event, **about)

    def keep_dialogue(self, why: str) -> None:
        """Something went wrong: what was said goes into the journal, once the connection is over."""
        self._trouble = self._trouble or why

    # ---- what the factory uses

    @property
    def is_waiting(self) -> bool:
        """Nothing is under way: the server waits for the client."""
        return self._conversation is not None and self._conversation.is_paused

    def finish(self) -> None:
        """The server shuts down: now where nothing is under way, else after the command that is."""
        self._closing = True
        if self.is_waiting and not self.in_message:
            self.say_goodbye(Farewell.SHUTDOWN, "The server is shutting down, try again in a minute")

    @property
    def in_message(self) -> bool:
        """A message is being received: worth waiting for at shutdown."""
        return False

    def say_goodbye(self, why: Farewell, text: str) -> None:
        """Tell the client that the server ends the session, and end it."""
        self.farewell(why, text)
        self.lose()

    def say_idle(self) -> None:
        """No octet for too long.  A client that does not read what was sent, or does not end TLS, is cut off."""
        if self._over:
            self.abort()
        elif self.is_waiting:
            self.say_goodbye(Farewell.IDLE, "Nothing heard from you for too long, closing the connection")
        elif self._clogged is not None:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once, whatever is under way."""
        self._outlet.abortConnection()

    @property
    def _transport(self) -> Any:  # ITCPTransport and ITLSTransport, which zope's types cannot join
        return self.transport

    async def _run(self) -> None:
        try:
            if not await self._may_begin():
                return
            self._session.greet()
            await self.converse()
            self.lose()
        except CancelledError:
            pass
        except Exception:  # noqa: BLE001 (our bug, whatever it is: the client must not see it, the log must)
            self.log.failure("the conversation failed", session=self.origin.session)
            self.keep_dialogue("our fault")
            self.abort()
        finally:
            self.cleanup()
            if self._trouble:
                self._note_dialogue()

    def _note_dialogue(self) -> None:
        text, dialogue = "the dialogue is kept: {why}", self._session.transcript.text()
        self.note(text, "dialogue.kept", level=LogLevel.debug, why=self._trouble, dialogue=dialogue)

    async def _may_begin(self) -> bool:
        """Programs that only ever send, and never read, speak too early."""
        silence = self._listener.silence
        if silence is None or self.origin.peer in silence.exempt:
            return True
        if silence.seconds:
            await deferLater(self._listener.clock, silence.seconds)
        said = _taken_from(self._transport)
        self._session.receive_data(said)
        if not said and self._reading:
            return True
        self.origin = replace(self.origin, early=True)
        if silence.refuses:
            self.note("refused {peer}: {reply}", "connection.refused", reply="it spoke before the greeting")
            self.say_goodbye(Farewell.EARLY, "Wait for the greeting before you say something")
        return not silence.refuses

    def tls_established(self) -> None:
        """Note in `origin` what the handshake gave, if it was not noted yet."""
        if self.origin.tls is None and (info := tls_info(getattr(self._transport, "getHandle", lambda: None)())):
            self.origin = replace(self.origin, tls=info)


def _taken_from(transport: Any) -> bytes:
    """Octets that have arrived and that the reactor has not read."""
    connection = None if is_wrapped(transport) else getattr(transport, "socket", None)
    try:
        return b"" if connection is None else connection.recv(4096, socket.MSG_DONTWAIT)
    except OSError:  # nothing there, or lost: the reactor will find out
        return b""


class ConnectionFactory(Factory):
    """Makes the connections of one listener and looks after them: idle limits, and the end of the service."""

    noisy = False

    def __init__(
        self, listener: Listener, make: Callable[[Listener, Callable[[Connection], None]], Connection]
    ) -> None:
        """*make* is called with the listener and with what a connection calls when it is gone."""
        self._listener = listener
        self._make = make
        self._crowd: Crowd[Connection] = Crowd(listener.clock, self._sweep)

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        connection = self._make(self._listener, self._crowd.forget)
        self._crowd.add(connection)
        return connection

    def logPrefix(self) -> str:
        """How Twisted's log names it, as in `smtp starting on 25`."""
        return self._listener.service or type(self).__name__

    def startFactory(self) -> None:
        self._crowd.start()

    def stopFactory(self) -> None:
        self._crowd.stop()

    async def finish(self, seconds: float) -> None:
        """End all connections: those that do nothing now, the others within *seconds*."""
        await self._crowd.finish(seconds)

    async def drain(self) -> None:
        """Wait until all connections have ended by themselves."""
        await self._crowd.drain()

    def _sweep(self, connections: Iterable[Connection]) -> None:
        oldest = self._listener.clock.seconds() - self._listener.idle_limit
        for connection in [c for c in connections if c.last_activity < oldest]:
            connection.say_idle()
