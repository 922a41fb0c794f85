"""A message's octets: in memory, above a bound in a temporary file; immutable once complete.

Lines end in LF here, as on disk (framing.py converts at the wire).  The temporary file has no name: when the server
dies, or the message is dropped, nothing is left behind.  A message is made once, by a `MessageBuilder`, and shared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from twisted.internet.defer import Deferred

from twisted_mail.durable import NO_ROOM
from twisted_mail.filecontents import MEMORY_BOUND, Contents, Octets, SpilledBody, write_all
from twisted_mail.framing import line_ends
from twisted_mail.message.evidence import Evidence, is_junk
from twisted_mail.message.header import header_size
from twisted_mail.message.place import INBOX, Place
from twisted_mail.smtp.reply import SMTPError

Blocking = Callable[[Callable[[], object]], "Deferred[object]"]
"""Runs a blocking call in a thread: `deferToThreadPool` with its pool bound, or `defer.execute` in a test."""


@dataclass(frozen=True, slots=True)
class Message:
    """A complete message.  *header* is what comes first: trace fields and the header block with its blank line."""

    id: str
    """See message/identifier.py: everything that is said or stored about the message carries it."""
    header: bytes
    body: bytes | SpilledBody
    lines: int
    """Line ends in header and body."""
    evidence: tuple[Evidence, ...] = ()
    """What was found that speaks for junk, or against it (message/evidence.py)."""
    places: tuple[Place, ...] = INBOX
    """Where a mailbox puts it; at least one."""

    @property
    def size(self) -> int:
        """Octets with LF line ends: the size of its file."""
        return len(self.header) + len(self.body)

    @property
    def junk(self) -> bool:
        """A mailbox keeps it apart from the inbox."""
        return bool(self.evidence) and is_junk(self.evidence)

    @property
    def wire_size(self) -> int:
        """Octets with CRLF line ends: what SIZE and LIST count."""
        return self.size + self.lines

    def with_header(self, header: bytes) -> Message:
        """The same body under another header block."""
        lines = self.lines - self.header.count(b"\n") + header.count(b"\n")
        return Message(self.id, header, self.body, lines, self.evidence, self.places)

    def with_fields(self, fields: bytes) -> Message:
        """The same message with *fields*, complete lines, in front."""
        lines = self.lines + fields.count(b"\n")
        return Message(self.id, fields + self.header, self.body, lines, self.evidence, self.places)

    def with_evidence(self, *found: Evidence) -> Message:
        """The same message, of which more is known."""
        return Message(self.id, self.header, self.body, self.lines, (*self.evidence, *found), self.places)

    def for_others(self) -> Message:
        """The same message, without what an account thinks of it."""
        return replace(self, evidence=tuple(each for each in self.evidence if not each.is_personal))

    def placed(self, places: tuple[Place, ...]) -> Message:
        """The same message, for other places in a mailbox."""
        if places == self.places:
            return self
        return Message(self.id, self.header, self.body, self.lines, self.evidence, places)

    def pieces(self) -> Iterator[bytes]:
        """All octets from front to back.  Blocks for the disk where the body is in a file."""
        yield self.header
        if isinstance(self.body, bytes):
            yield self.body
        else:
            yield from self.body.pieces()

    @property
    def contents(self) -> Contents:
        """Of the file that it is stored in."""
        return Octets(self.header + self.body) if isinstance(self.body, bytes) else self.body.after(self.header)


def message_of(identifier: str, octets: bytes) -> Message:
    """A message that is in memory."""
    size = header_size(octets)
    return Message(identifier, octets[:size], octets[size:], line_ends(octets))


class MessageBuilder:
    """Takes a message chunk by chunk.  Holds at most two times MEMORY_BOUND and one chunk in memory."""

    def __init__(self, identifier: str, directory: str, blocking: Blocking) -> None:
        """*directory*: where a large message's temporary file is made; *blocking*: how to wait for the disk."""
        self._id = identifier
        self._directory = directory
        self._blocking = blocking
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._lines = 0
        self._file: BinaryIO | None = None
        self._spilled = 0
        self._header = b""
        self._writing: Deferred[object] | None = None
        self._failure: OSError | None = None

    def write(self, chunk: bytes) -> bool:
        """Take the next octets.  True: too much is buffered, `await drain()` before the next chunk."""
        if self._failure is not None:
            return False
        self._chunks.append(chunk)
        self._buffered += len(chunk)
        return self._buffered > MEMORY_BOUND

    async def drain(self) -> None:
        """Hand what is buffered to the disk; returns while it is written.  A failure waits for `finish`."""
        await self._written()
        buffered = b"".join(self._chunks)
        self._chunks, self._buffered = [], 0
        if self._failure is not None:
            return
        self._writing = self._blocking(lambda: self._spill(buffered))

    async def finish_as(self, change: Callable[[bytes], bytes]) -> Message:
        """As `finish`, changed by *change* in a thread; the whole message is in memory for that.

        Raises what *change* raises, too.
        """
        received = await self.finish()
        changed = await self._blocking(lambda: change(b"".join(received.pieces())))
        assert isinstance(changed, bytes)
        builder = MessageBuilder(self._id, self._directory, self._blocking)
        if builder.write(changed):
            await builder.drain()
        return await builder.finish()

    async def finish(self) -> Message:
        """The complete message.  Raises OSError: the disk failed, there is no message."""
        await self._written()
        if self._file is None and self._failure is None:
            return message_of(self._id, b"".join(self._chunks))
        await self.drain()
        await self._written()
        if self._failure is not None:
            raise self._failure
        assert self._file is not None
        return Message(self._id, self._header, SpilledBody(self._file, len(self._header), self._spilled), self._lines)

    async def _written(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            try:
                await writing
            except OSError as error:
                self._failure = error

    def _spill(self, octets: bytes) -> None:
        """In a thread; never two at once."""
        if self._file is None:
            self._header = octets[: header_size(octets)]
            # owned by the SpilledBody, closed with it
            self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115
        write_all(self._file.fileno(), octets)
        self._spilled += len(octets)
        self._lines += line_ends(octets)


def disk_refusal(error: OSError) -> SMTPError:
    """What the client hears when the disk fails: 452 where there is no room, else 451 (RFC 5321 §4.2.3)."""
    if error.errno in NO_ROOM:
        return SMTPError.of(452, "3.1", "There is no room on the disk here, try again later")
    return SMTPError.of(451, "3.0", "The message cannot be stored just now, try again later")
