"""Rspamd's HTTP and clamd's socket, as the real process uses them, with stand-ins that speak these protocols."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.integration.milters import Milter
from tests.integration.process import ServerProcess
from tests.integration.wire import fetch, send_exactly

NewServer = Callable[..., ServerProcess]
LETTER = b"From: <a@b.example>\r\nSubject: hello\r\n\r\n"


class Rspamd(http.server.BaseHTTPRequestHandler):
    """Judges by the text of the message, and says of each field of the request what it was."""

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"]))
        action = "reject" if b"buy now" in text else "add header"
        said = ",".join(f"{name}={self.headers[name]}" for name in ("IP", "Helo", "From", "Rcpt"))
        fields = {"X-Asked": f"{self.path} {said} {len(text)}"}
        answer = json.dumps({"action": action, "milter": {"add_headers": fields}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *about: object) -> None:
        pass


@contextlib.contextmanager
def rspamd() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rspamd)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def clamd(connection: socket.socket) -> None:
    received = connection.makefile("rb")
    assert received.read(10) == b"zINSTREAM\0"
    text = b""
    while size := struct.unpack(">I", received.read(4))[0]:
        text += received.read(size)
    connection.sendall(b"stream: Test-Virus FOUND\0" if b"virus" in text else b"stream: OK\0")


def test_rspamd_is_asked_over_http(new_server: NewServer) -> None:
    with rspamd() as port:
        server = new_server(f'[filters.spam]\nkind = "rspamd"\nendpoint = "tcp:127.0.0.1:{port}"\n', accounts=1)
        server.start()
        user = server.new_user()
        body = b"a line of a large message\r\n" * 30_000
        assert send_exactly(server, LETTER + body + b"buy now\r\n", user).startswith("554 5.7.1 ")
        assert send_exactly(server, LETTER + body, user).startswith("250 ")
        assert fetch(server, user) == []  # what it marks is junk
        (message,) = fetch(server, replace(user, address=f"{user.address}%junk"))
        size = len((LETTER + body).replace(b"\r\n", b"\n"))
        asked = f"X-Asked: /checkv2 IP=127.0.0.1,Helo=client.example,From=them@else.example,Rcpt={user.address} {size}"
        assert asked.encode() in message.octets
        assert b"X-Spam: Yes\r\n" in message.octets
        assert message.octets.endswith(body)
        server.stop()


def test_rspamd_that_is_not_there_is_a_failure(new_server: NewServer) -> None:
    server = new_server('[filters.spam]\nkind = "rspamd"\nendpoint = "unix:/nowhere/rspamd"\n', accounts=1)
    server.start()
    assert send_exactly(server, LETTER, server.new_user()).startswith("451 4.3.0 A filter of this server")
    server.stop()


def test_clamd_finds_a_virus_in_a_large_message(new_server: NewServer) -> None:
    with Milter(clamd) as scanner:
        server = new_server(f'[filters.virus]\nkind = "clamav"\nendpoint = "{scanner.endpoint}"\n', accounts=1)
        server.start()
        user = server.new_user()
        body = b"a line of a large message\r\n" * 30_000
        said = send_exactly(server, LETTER + body + b"virus\r\n", user)
        assert said == "554 5.7.1 A virus is in this message: Test-Virus"
        assert send_exactly(server, LETTER + body, user).startswith("250 ")
        (message,) = fetch(server, user)
        assert message.octets.endswith(body)
        server.stop()
