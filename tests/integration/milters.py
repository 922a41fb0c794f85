"""Milters for the real process to ask: opendkim, rspamd, one that does what a test says, and ones that misbehave."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

QUIET = 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x80 | 0x40000 | 0x80000
"""Answers to nothing but the end of a message."""


def packet(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload) + 1) + kind + payload


class Milter:
    """Listens at a loopback port; *serve* has each connection."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp:127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Milter:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                self._serve(connection)


def changing(*answers: bytes) -> Callable[[socket.socket], None]:
    """Says *answers* at the end of each message."""

    def serve(connection: socket.socket) -> None:
        received = connection.makefile("rb")
        while head := received.read(4):
            (size,) = struct.unpack(">I", head)
            kind = received.read(size)[:1]
            if kind == b"O":
                connection.sendall(packet(b"O", struct.pack(">III", 6, 0xFF, QUIET)))
            elif kind == b"E":
                connection.sendall(b"".join(answers))
            elif kind == b"Q":
                return

    return serve


def silent(connection: socket.socket) -> None:
    """Reads, and says nothing."""
    while connection.recv(65536):
        pass


def garbage(connection: socket.socket) -> None:
    connection.sendall(b"421 this is no milter\r\n")
    silent(connection)


def closing(connection: socket.socket) -> None:
    """In the middle of its first answer."""
    connection.recv(1)
    connection.sendall(b"\0\0")


@contextlib.contextmanager
def daemon(command: Sequence[str], is_up: Callable[[], bool], log: Path) -> Iterator[None]:
    """A program in the foreground, until it can be asked."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 30.0
        while not is_up():
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)
