"""Many clients that fetch a large message and hardly read: what waits for them is not in the server's memory."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.process import ServerProcess, User
from twisted_mail.mailbox.maildir import final_name, unique_name

READERS = int(os.environ.get("MAILSERVER_TEST_READERS", "150"))
MESSAGE = 50 * 1024 * 1024
A_READER = 288 * 1024
"""Octets that each may cost: two pieces, of which one waits while the other is on its way, and as much again for TLS.
(Measured with 75 to 1,000: 178 to 227 KiB each over TLS, 107 to 131 without; it depends on what the kernel takes.)
"""
PATIENCE = 60.0


class SlowReader:
    """A client that asks for a message and reads a little of it, over a small window."""

    def __init__(self, server: ServerProcess, user: User, tls: ssl.SSLContext | None) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(("127.0.0.1", server.ports.pop3s if tls else server.ports.pop3))
        if tls:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
        self._line()
        for command in (f"USER {user.address}", f"PASS {user.password}"):
            self._socket.sendall(f"{command}\r\n".encode())
            assert self._line().startswith(b"+OK")

    def ask(self) -> None:
        self._socket.sendall(b"RETR 1\r\n")
        assert self._line().startswith(b"+OK")

    def read(self, octets: int) -> None:
        while octets > 0:
            octets -= len(self._socket.recv(min(octets, 4096)))

    def close(self) -> None:
        self._socket.close()

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            line += self._socket.recv(1)
        return line


def put_large_message(folder: Path) -> Path:
    octets = b"Subject: large\n\n" + (b"x" * 76 + b"\n") * (MESSAGE // 77)
    name = unique_name(1_700_000_000, "0" * 32, "mx")
    file = folder / final_name(name, len(octets), len(octets) + octets.count(b"\n"))
    file.write_bytes(octets)
    return file


def resident(server: ServerProcess) -> int:
    """Octets of memory that the server has."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]  # Linux always says


@pytest.mark.slow
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_slow_readers_of_large_messages_cost_next_to_nothing(
    new_server: Callable[..., ServerProcess], encrypted: bool
) -> None:
    server = new_server("[limits]\nconnections_per_host = 5000\n[auth]\nallow_plaintext = true\n", accounts=READERS)
    message = put_large_message(server.folder)
    server.start()
    readers = []
    for _ in range(READERS):
        user = server.new_user()
        (server.maildir(user) / "new").mkdir(parents=True)
        os.link(message, server.maildir(user) / "new" / message.name)
        readers.append(SlowReader(server, user, server.tls if encrypted else None))
    before = resident(server)
    for reader in readers:
        reader.ask()
    asked = resident(server)
    for _ in range(16):
        for reader in readers:
            reader.read(64 * 1024)
    later = resident(server)
    for reader in readers:
        reader.close()
    assert max(asked, later) - before < READERS * A_READER
