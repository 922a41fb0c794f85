"""ClamAV as a filter: clamd gets the message over its socket (zINSTREAM) and says whether a virus is in it."""

from __future__ import annotations

import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime

from twisted_mail.content import Blocking, Message, disk_refusal
from twisted_mail.policy.filters.contract import FilterFailed, Inspection, Mail, in_time
from twisted_mail.protocols.stream import Stream
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError

MAX_ANSWER = 4096
"""Octets."""

_FOUND = re.compile(r"stream: (?P<name>.+) FOUND")


@dataclass(frozen=True, slots=True)
class ClamAVOptions:
    connect: Callable[[], Awaitable[Stream]]
    seconds: float
    """For each piece that it takes, and for its answer."""
    disk: Blocking
    clock: IReactorTime


class ClamAV:
    """Asked about whole messages only."""

    def __init__(self, options: ClamAVOptions) -> None:
        self._options = options

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> Inspection:
        return _Scan(self._options)


class _Scan:
    def __init__(self, options: ClamAVOptions) -> None:
        self._options = options
        self._stream: Stream | None = None

    async def recipient(self, recipient: Recipient) -> None:
        pass

    async def message(self, mail: Mail) -> Mail:
        try:
            answer = await self._answer(mail.message)
        finally:
            self.abort()
        if answer == "stream: OK":
            return mail
        if match := _FOUND.fullmatch(answer):
            raise SMTPError.of(554, "7.1", f"A virus is in this message: {match['name']}")
        raise FilterFailed(f"it says {answer[:200]!r}")

    def abort(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    async def _answer(self, message: Message) -> str:
        """Raises FilterFailed, or SMTPError where our disk is at fault."""
        seconds, clock = self._options.seconds, self._options.clock
        try:
            self._stream = stream = await in_time(seconds, self._connected(), clock)
        except (FilterFailed, CancelledError):
            raise
        except Exception as error:
            raise FilterFailed(f"it cannot be reached ({error})") from error
        try:
            await in_time(seconds, stream.write(b"zINSTREAM\0"), clock)
            async for piece in self._pieces(message):
                await in_time(seconds, stream.write(struct.pack(">I", len(piece)) + piece), clock)
            await in_time(seconds, stream.write(struct.pack(">I", 0)), clock)
        except ConnectionError:
            return await in_time(seconds, _line(stream), clock)  # why: as a rule, that it is too much
        return await in_time(seconds, _line(stream), clock)

    async def _pieces(self, message: Message) -> AsyncIterator[bytes]:
        """None is empty, which would be the end."""
        if message.header:
            yield message.header
        if isinstance(message.body, bytes):
            if message.body:
                yield message.body
            return
        pieces = message.body.pieces()
        while piece := await self._piece(pieces):
            yield piece

    async def _piece(self, pieces: Iterator[bytes]) -> bytes:
        try:
            piece = await self._options.disk(lambda: next(pieces, b""))
        except OSError as error:
            raise disk_refusal(error) from error
        assert isinstance(piece, bytes)
        return piece

    async def _connected(self) -> Stream:
        return await self._options.connect()


async def _line(stream: Stream) -> str:
    """What clamd says, up to its NUL.  Raises FilterFailed."""
    answer = b""
    while b"\0" not in answer:
        octets = await stream.read()
        answer += octets
        if not octets or len(answer) > MAX_ANSWER:
            raise FilterFailed("there is no end of its answer" if octets else "it closed the connection")
    return answer.partition(b"\0")[0].decode(errors="replace")
