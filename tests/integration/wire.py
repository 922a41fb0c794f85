"""A raw connection that says exactly what it is told, and reads replies without any client library's opinion."""

from __future__ import annotations

import base64
import poplib
import re
import socket
import ssl
import struct
from dataclasses import dataclass

from tests.integration.process import ServerProcess, User

PATIENCE = 30.0
"""Seconds to wait for octets: a broken server shall fail the test, not hang it."""


class Wire:
    """One connection to a loopback port."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, source: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
        self._received = bytearray()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def drop(self) -> None:
        """Close without a word."""
        self._socket.close()

    def reset(self) -> None:
        """Close with a RST, as a machine that lost its state does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def start_tls(self, context: ssl.SSLContext) -> None:
        assert not self._received, f"the server said more before TLS: {self._received!r}"
        self._socket = context.wrap_socket(self._socket, server_hostname="localhost")

    def send(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def line(self) -> bytes:
        """The next line with its line end; empty at the end of the connection."""
        return self._up_to(b"\r\n") or self._take(len(self._received))

    def reply(self) -> str:
        """The next reply, also of several lines (SMTP), without its last line end; empty at the end."""
        lines = [self.line()]
        while re.match(rb"[0-9]{3}-", lines[-1]):
            lines.append(self.line())
        return b"".join(lines).decode().removesuffix("\r\n")

    def say(self, line: str) -> str:
        """Send a command; its reply."""
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def multiline(self) -> bytes:
        """The rest of a POP3 multi-line response after its first line: up to the dot, un-stuffed (RFC 1939 §3)."""
        first = self.line()
        if first == b".\r\n":
            return b""
        self._received[:0] = first
        text = self._up_to(b"\r\n.\r\n")
        assert text, f"the connection ended in a multi-line response: ...{self._received[-200:]!r}"
        lines = text.removesuffix(b".\r\n").split(b"\r\n")
        return b"\r\n".join(line.removeprefix(b".") for line in lines)

    def rest(self) -> bytes:
        """All that still comes until the server closes the connection."""
        while self._receive():
            pass
        return self._take(len(self._received))

    def _up_to(self, end: bytes) -> bytes:
        """Octets up to and with *end*; empty where the connection ends before it."""
        searched = 0
        while (found := self._received.find(end, searched)) < 0:
            searched = max(0, len(self._received) - len(end) + 1)
            if not self._receive():
                return b""
        return self._take(found + len(end))

    def _receive(self) -> bool:
        octets = self._socket.recv(1 << 18)
        self._received += octets
        return bool(octets)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken


def send_exactly(server: ServerProcess, octets: bytes, *recipients: User, sender: str = "them@else.example") -> str:
    """Deliver *octets*, which end in CRLF or are empty, on port 25; the last reply."""
    stuffed = re.sub(rb"(?m)^\.", b"..", octets)
    with Wire(server.ports.smtp) as wire:
        assert wire.reply().startswith("220 ")
        assert wire.say("EHLO client.example").startswith("250-")
        assert wire.say(f"MAIL FROM:<{sender}>").startswith("250 ")
        for recipient in recipients:
            assert wire.say(f"RCPT TO:<{recipient.address}>").startswith("250 ")
        assert wire.say("DATA").startswith("354 ")
        wire.send(stuffed + b".\r\n")
        answer = wire.reply()
        assert wire.say("QUIT").startswith("221 ")
    return answer


def fill(server: ServerProcess, user: User, count: int) -> None:
    """So many small messages, the first of them numbered 1."""
    for number in range(1, count + 1):
        assert send_exactly(server, b"Subject: %d\r\n\r\nbody %d\r\n" % (number, number), user).startswith("250 ")


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@dataclass(frozen=True, slots=True)
class Fetched:
    """One message as POP3 gave it."""

    size: int
    """What LIST said."""
    uid: str
    octets: bytes


def log_in(server: ServerProcess, user: User, *before: str) -> Wire:
    """A POP3 session over TLS, logged in, with commands to say *before* that."""
    wire = Wire(server.ports.pop3s, server.tls)
    assert wire.reply().startswith("+OK")
    for command in before:
        assert wire.say(command).startswith("+OK"), command
    assert wire.say(f"USER {user.address}").startswith("+OK")
    assert (reply := wire.say(f"PASS {user.password}")).startswith("+OK"), reply
    return wire


def fetch(server: ServerProcess, user: User, *before: str) -> list[Fetched]:
    """All messages of *user*, left where they are.  *before*: commands to say before the login."""
    with log_in(server, user, *before) as wire:
        sizes = listing(wire, "LIST")
        uids = listing(wire, "UIDL")
        messages = []
        for number, size in sizes.items():
            assert wire.say(f"RETR {number}").startswith("+OK")
            messages.append(Fetched(int(size), uids[number], wire.multiline()))
        assert wire.say("QUIT").startswith("+OK")
    return messages


def listing(wire: Wire, command: str) -> dict[int, str]:
    """Message number -> what LIST or UIDL says of it."""
    assert wire.say(command).startswith("+OK")
    rows = (row.split(" ", 1) for row in wire.multiline().decode().splitlines())
    return {int(number): value for number, value in rows}


TRACE = re.compile(rb"Return-Path: <[^\r\n]*>\r\nReceived: [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*")
"""What final delivery puts in front of a message (RFC 5321 §4.4)."""


def without_trace(octets: bytes) -> bytes:
    """The message as DATA took it."""
    match = TRACE.match(octets)
    assert match is not None, f"no trace fields in front: {octets[:300]!r}"
    return octets[match.end() :]


def mail_in(server: ServerProcess, user: User, view: str, *, delete: bool = False) -> list[bytes]:
    """All of a view, as in `%junk`, with LF, by a POP3 library that knows nothing of us."""
    session = poplib.POP3_SSL("127.0.0.1", server.ports.pop3s, timeout=30, context=server.tls)
    session.user(f"{user.address}{view}")
    session.pass_(user.password)
    texts = [b"\n".join(session.retr(number + 1)[1]) for number in range(session.stat()[0])]
    for number in range(len(texts) if delete else 0):
        session.dele(number + 1)
    session.quit()
    return texts
