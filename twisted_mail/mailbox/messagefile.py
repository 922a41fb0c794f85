"""One message's file, open for reading.

Octets that are in the page cache are read at once, in the reactor's thread: for most messages that is far cheaper
than a hop to a thread and back.  Where the kernel would have to wait for the disk it says so (RWF_NOWAIT), and a
thread waits.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat

from zope.interface import implementer

from twisted_mail.content import Blocking
from twisted_mail.interfaces import IMessageReader, MessageUnreadable

PIECE = 64 * 1024
"""Octets of a large message that are in memory for each client that fetches one."""

_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
# O_NONBLOCK and O_NOFOLLOW: another program may have put a pipe or a link where the message was
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_WOULD_WAIT = frozenset({errno.EAGAIN, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})
"""The kernel would have to wait for the disk, or this file system cannot tell."""
_UNREADABLE = frozenset({errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EUCLEAN})


_BUFFER = mmap.mmap(-1, PIECE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # a slice of it is bytes, with one copy
"""Where the reactor's thread has the kernel put octets; they are copied out of it at once."""


class MessageFolder:
    """A Maildir that is kept open, so that a message in it is opened without looking for the Maildir each time."""

    __slots__ = ("_descriptor",)

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        self._descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def read_at_once(self, path: str) -> bytes | None:
        """The whole of a message of at most PIECE octets, where it is in the page cache.  In the reactor's thread.

        *path*: within the Maildir.  None: it is not, or cannot be read; `open_message` waits for it, or says why.
        """
        if _NOWAIT is None:
            return None
        try:
            descriptor = os.open(path, _FLAGS, dir_fd=self._descriptor)
        except OSError:
            return None
        try:
            count = os.preadv(descriptor, (_BUFFER,), 0, _NOWAIT)
            # where the page cache has only a part, that ends with a page
            if not count % mmap.PAGESIZE and os.lseek(descriptor, 0, os.SEEK_END) != count:
                return None
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return _BUFFER[:count]

    def close(self) -> None:
        """Let go of it.  Safe once."""
        os.close(self._descriptor)


async def open_message(path: str, blocking: Blocking) -> IMessageReader:
    """Raises FileNotFoundError, MessageUnreadable, or OSError where the server is short of something."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        raise _explained(error) from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise MessageUnreadable(f"{path}: not a file")
    return MessageFile(descriptor, found.st_size, blocking)


@implementer(IMessageReader)
class MessageFile:
    """A message that is read in pieces of at most PIECE octets."""

    def __init__(self, descriptor: int, size: int, blocking: Blocking) -> None:
        """Owns *descriptor*, of a file of *size* octets."""
        self._descriptor = descriptor
        self._left = size
        self._blocking = blocking
        self._position = 0

    async def read(self) -> bytes:
        size = min(self._left, PIECE)
        if not size:
            return b""
        try:
            piece = _cached(self._descriptor, size, self._position)
            if piece is None or len(piece) < size:
                piece = await self._read_in_thread(size)
        except OSError as error:
            raise _explained(error) from error
        self._position += len(piece)
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

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


def _cached(descriptor: int, size: int, position: int) -> bytes | None:
    """What is in the page cache, perhaps less than *size*; None: nothing is.  Raises OSError."""
    if _NOWAIT is None:
        return None
    try:
        count = os.preadv(descriptor, (memoryview(_BUFFER)[:size],), position, _NOWAIT)
    except OSError as error:
        if error.errno in _WOULD_WAIT:
            return None
        raise
    return _BUFFER[:count]


def _explained(error: OSError) -> Exception:
    """FileNotFoundError and a shortage of the server stay what they are; the rest is this one message's trouble."""
    return MessageUnreadable(str(error)) if error.errno in _UNREADABLE else error
