"""The client of the benchmarks: SMTP and POP3 over blocking sockets, with as little work an octet as Python allows.

It runs on the machine that it measures, so its own CPU time is part of every rate, ours and the peers' alike.
"""

from __future__ import annotations

import socket
import ssl
from types import TracebackType
from typing import Self

PATIENCE = 120.0
"""Seconds to wait for octets: a server that hangs fails the run."""
CHUNK = 1 << 18
"""Octets to read at once."""


class Refused(Exception):
    """The server answered something else than what the benchmark lives on."""


class Connection:
    """One connection to a loopback port."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket)
        self._received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def start_tls(self, context: ssl.SSLContext) -> None:
        self._socket = context.wrap_socket(self._socket)

    def send(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def expect(self, code: bytes) -> bytes:
        """The next reply, with its line end; it must begin with *code*."""
        while (end := self._reply_end()) < 0:
            self._receive()
        reply = self._take(end)
        if not reply.startswith(code):
            raise Refused(reply.decode("ascii", "replace").strip())
        return reply

    def expect_text(self) -> bytes:
        """A whole POP3 response of several lines: from `+OK` to before the last dot, dots still stuffed."""
        while len(self._received) < 3:
            self._receive()
        if not self._received.startswith(b"+OK"):
            self.expect(b"+OK")
        searched = 0
        while (end := self._received.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(self._received) - 4)
            self._receive()
        text = self._take(end + 2)
        del self._received[:3]
        return text

    def _reply_end(self) -> int:
        """After the last line of the first reply, also of one of several lines (SMTP); -1: not here yet."""
        start = 0
        while (end := self._received.find(b"\r\n", start)) >= 0:
            if not (self._received[start + 3 : start + 4] == b"-" and self._received[start : start + 3].isdigit()):
                return end + 2
            start = end + 2
        return -1

    def _take(self, count: int) -> bytes:
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _receive(self) -> None:
        octets = self._socket.recv(CHUNK)
        if not octets:
            raise Refused(f"the server closed the connection after {bytes(self._received[-200:])!r}")
        self._received += octets


class Sender(Connection):
    """An SMTP client that is past EHLO."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(port)
        self.expect(b"220")
        self._hello()
        if tls is not None:
            self.send(b"STARTTLS\r\n")
            self.expect(b"220")
            self.start_tls(tls)
            self._hello()

    def _hello(self) -> None:
        self.send(b"EHLO client.example.test\r\n")
        self.expect(b"250")

    def deliver(self, recipients: list[bytes], stuffed: bytes, pipelined: bool = True) -> None:
        """One message; *stuffed* ends in CRLF, its dots are doubled already."""
        commands = [
            b"MAIL FROM:<s@client.example.test>\r\n",
            *(b"RCPT TO:<%s>\r\n" % r for r in recipients),
            b"DATA\r\n",
        ]
        codes = [*[b"250"] * (len(recipients) + 1), b"354"]
        if pipelined:
            self.send(b"".join(commands))
        for command, code in zip(commands, codes, strict=True):
            if not pipelined:
                self.send(command)
            self.expect(code)
        self.send(stuffed + b".\r\n")
        self.expect(b"250")

    def quit(self) -> None:
        self.send(b"QUIT\r\n")
        self.expect(b"221")


class Reader(Connection):
    """A POP3 client that is logged in."""

    def __init__(self, port: int, login: str, password: str, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(port)
        self.expect(b"+OK")
        if tls is not None:
            self.send(b"STLS\r\n")
            self.expect(b"+OK")
            self.start_tls(tls)
        self.send(b"USER %s\r\n" % login.encode())
        self.expect(b"+OK")
        self.send(b"PASS %s\r\n" % password.encode())
        self.expect(b"+OK")

    def count(self) -> int:
        """The messages there are, by STAT."""
        self.send(b"STAT\r\n")
        return int(self.expect(b"+OK").split()[1])

    def quit(self) -> None:
        self.send(b"QUIT\r\n")
        self.expect(b"+OK")
