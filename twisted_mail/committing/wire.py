"""What the committer's process and its clients say to one another over a socket: pickled values, with open files.

Both ends are this program, on a pair of sockets without a name: nobody else can write there.
"""

from __future__ import annotations

import array
import copyreg
import errno
import io
import os
import pickle
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from twisted_mail.durable import MAX_BATCH, Job

Order = tuple[int, int, Job | None]
"""Which job (a number that its client has chosen), which phase (its value), and the job; None: it was prepared."""
Answer = Mapping[int, tuple[Exception | None, object]]
"""Place of an order in its batch -> error and outcome, where there is one of them."""

_HEAD = struct.Struct("!I")
"""Octets of the pickle that follows."""
_PIECE = 256 * 1024
"""Octets that are read at once."""


def pack(value: object) -> tuple[memoryview, list[int]]:
    """What goes over the wire: octets, and the descriptors of open files."""
    files: list[int] = []
    message = io.BytesIO(bytes(_HEAD.size))
    message.seek(_HEAD.size)
    pickler = pickle.Pickler(message, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = {**copyreg.dispatch_table, io.FileIO: _leaving_to(files)}
    pickler.dump(value)
    octets = message.getbuffer()
    _HEAD.pack_into(octets, 0, len(octets) - _HEAD.size)
    return octets, files


def send(wire: socket.socket, octets: memoryview, files: list[int], flags: int = 0) -> memoryview:
    """What is left of *octets*, as `pack` gave them; *files* go with the first of them.

    Raises BlockingIOError, with MSG_DONTWAIT among the *flags*, where none could be sent; OSError.
    """
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
    return octets[wire.sendmsg([octets], rights, flags) :]


def send_all(wire: socket.socket, value: object) -> None:
    """Blocks until all is on its way.  Raises OSError."""
    octets, files = pack(value)
    while octets:
        octets, files = send(wire, octets, files), []


class Receiver:
    """One end of the wire."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._octets = bytearray()
        self._files: list[int] = []
        """Those that have come and are not part of a value yet."""

    def receive(self) -> Iterator[Any]:
        """What is complete after one read, for when there is something to be read.

        Raises EOFError: the other end is gone; OSError.
        """
        octets, control, _, _ = self._wire.recvmsg(_PIECE, socket.CMSG_SPACE(4 * MAX_BATCH), socket.MSG_CMSG_CLOEXEC)
        if not octets:
            raise EOFError
        self._octets += octets
        for _, _, numbers in control:
            self._files += array.array("i", numbers)
        while (end := self._end()) <= len(self._octets):
            pickled = io.BytesIO(self._octets[_HEAD.size : end])
            files, self._files = self._files, []
            del self._octets[:end]
            yield _Unpickler(pickled, files).load()

    def close(self) -> None:
        """Nothing more is received."""
        for descriptor in self._files:
            os.close(descriptor)
        self._files = []

    def _end(self) -> int:
        """Of the first value; as long as its size is not there, the end of that."""
        return _HEAD.size + (_HEAD.unpack_from(self._octets)[0] if len(self._octets) >= _HEAD.size else 0)


def _leaving_to(files: list[int]) -> Callable[[io.FileIO], tuple[Callable[[int], io.FileIO], tuple[int]]]:
    """Puts an open file's descriptor into *files*, and its place there into the pickle."""

    def leave(file: io.FileIO) -> tuple[Callable[[int], io.FileIO], tuple[int]]:
        files.append(file.fileno())
        return _open_file, (len(files) - 1,)

    return leave


def _open_file(place: int) -> io.FileIO:
    """Stands in a pickle for a file that comes beside it."""
    raise AssertionError("see _Unpickler")


class _Unpickler(pickle.Unpickler):
    def __init__(self, pickled: io.BytesIO, files: list[int]) -> None:
        super().__init__(pickled)
        self._files = files

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        return self._open if found is _open_file else found

    def _open(self, place: int) -> io.FileIO | _NoFile:
        if place >= len(self._files):  # the system has left out what there was no room for
            return _NoFile()
        return io.FileIO(self._files[place], "rb")


class _NoFile:
    """In place of a file that could not come: what needs it fails, and nothing else."""

    def fileno(self) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
