"""One message's file, open for reading.

Octets that are in the page cache are read at once, in the reactor's thread: for most messages that is far cheaper
than a hop to a thread and back.  Where the kernel would have to wait for the disk it says so (RWF_NOWAIT), and a
thread waits.
"""

from __future__ import annotations

import errno
import os
import stat

from zope.interface import implementer

from twisted_mail.content import Blocking
from twisted_mail.filecontents import MEMORY_BOUND
from twisted_mail.interfaces import IMessageReader, MessageUnreadable

PIECE = 64 * 1024
"""Octets of a large message that are in memory for each client that fetches one."""

_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
# O_NONBLOCK and O_NOFOLLOW: another program may have put a pipe or a link where the message was
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_WOULD_WAIT = frozenset({errno.EAGAIN, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})
"""The kernel would have to wait for the disk, or this file system cannot tell."""
_UNREADABLE = frozenset({errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EUCLEAN})


async def open_message(path: str, blocking: Blocking) -> IMessageReader:
    """Raises FileNotFoundError, MessageUnreadable, or OSError where the server is short of something."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        raise _explained(error) from error
    file = MessageFile(descriptor, blocking)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise MessageUnreadable(f"{path}: not a file")
        if found.st_size > MEMORY_BOUND:
            return file
        text = await file.read_all(found.st_size)
    except BaseException:
        file.close()
        raise
    file.close()
    return SmallMessage(text)


@implementer(IMessageReader)
class SmallMessage:
    """A message in memory."""

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        self._text = text

    async def read(self) -> bytes:
        text, self._text = self._text, b""
        return text

    def close(self) -> None:
        pass


@implementer(IMessageReader)
class MessageFile:
    """A message that is read in pieces of at most PIECE octets."""

    def __init__(self, descriptor: int, blocking: Blocking) -> None:
        """Owns *descriptor*."""
        self._descriptor = descriptor
        self._blocking = blocking
        self._position = 0

    async def read(self) -> bytes:
        return await self._read(PIECE)

    async def read_all(self, size: int) -> bytes:
        """The whole text, of *size* octets."""
        text = await self._read(size)
        while len(text) < size and (piece := await self._read(size - len(text))):
            text += piece
        return text

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    async def _read(self, size: int) -> bytes:
        try:
            piece = self._read_cached(size)
            if piece is None:
                piece = await self._read_in_thread(size)
        except OSError as error:
            raise _explained(error) from error
        self._position += len(piece)
        return piece

    def _read_cached(self, size: int) -> bytes | None:
        """What is in the page cache, perhaps less than *size*; None: nothing is."""
        if _NOWAIT is None:
            return None
        buffer = bytearray(size)
        try:
            count = os.preadv(self._descriptor, [buffer], self._position, _NOWAIT)
        except OSError as error:
            if error.errno in _WOULD_WAIT:
                return None
            raise
        return bytes(memoryview(buffer)[:count])

    async def _read_in_thread(self, size: int) -> bytes:
        descriptor, position = os.dup(self._descriptor), self._position  # its own: we may be closed while it waits

        def read() -> bytes:
            try:
                return os.pread(descriptor, size, position)
            finally:
                os.close(descriptor)

        piece = await self._blocking(read)
        assert isinstance(piece, bytes)
        return piece


def _explained(error: OSError) -> Exception:
    """FileNotFoundError and a shortage of the server stay what they are; the rest is this one message's trouble."""
    return MessageUnreadable(str(error)) if error.errno in _UNREADABLE else error
