"""A connection to a program that is asked something, as a stream of octets: its protocol is elsewhere."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

READ_AHEAD = 256 * 1024
"""Octets that wait to be read before the other side must."""


@implementer(IPushProducer)
class Stream(Protocol):
    """Octets in both directions, one reader and one writer, both with back-pressure.  The end is an empty `read`."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._reading: Deferred[None] | None = None
        self._room: Deferred[None] | None = None
        """Fires when there is room to write again."""
        self._ended = False

    async def read(self) -> bytes:
        """What has come since the last time, at least one octet; empty: the connection is over."""
        while not self._received and not self._ended:
            self._reading = Deferred()
            await self._reading
        octets = bytes(self._received)
        self._received.clear()
        if not self._ended:
            self._transport.resumeProducing()
        return octets

    async def write(self, octets: bytes) -> None:
        """Returns when there is room for more.  Raises ConnectionError: the connection is over."""
        if self._ended:
            raise ConnectionError("the connection is over")
        self._transport.write(octets)
        if self._room is not None:
            await self._room

    def close(self, last: bytes = b"") -> None:
        """Say *last*, unless the other side does not read.  Safe more than once."""
        if self._ended:
            return
        if self._room is not None:
            self._transport.abortConnection()
            return
        self._transport.write(last)
        self._transport.unregisterProducer()
        self._transport.loseConnection()

    # ---- what Twisted calls

    def connectionMade(self) -> None:
        self._transport.registerProducer(self, True)

    @property
    def _transport(self) -> Any:  # no one interface has all that tcp and unix transports do
        return self.transport

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > READ_AHEAD:
            self._transport.pauseProducing()
        self._wake()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._ended = True
        self._wake()
        self.resumeProducing()

    def _wake(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.callback(None)

    def pauseProducing(self) -> None:
        if self._room is None:
            self._room = Deferred()

    def resumeProducing(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.callback(None)

    def stopProducing(self) -> None:
        self.resumeProducing()


class StreamFactory(Factory):
    protocol = Stream
    noisy = False
