"""The PROXY header in front of real sockets, with and without TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import pytest

from tests.integration.process import ServerProcess
from tests.integration.wire import PATIENCE, Wire, fetch

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\xdc\x04\0\x19"
SETTINGS = '[proxy]\nlisteners = ["smtp", "pop3s"]\ntrusted = ["127.0.0.1"]\n'


@pytest.fixture
def behind(new_server: Callable[..., ServerProcess]) -> ServerProcess:
    server = new_server(SETTINGS)
    server.start()
    return server


def connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(source, 0))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def received(connection: socket.socket) -> bytes:
    """All of it up to the end; an end by force is one too."""
    octets = b""
    try:
        while piece := connection.recv(4096):
            octets += piece
    except ConnectionResetError:
        pass
    return octets


@pytest.mark.parametrize("header", [V1, V2])
@pytest.mark.parametrize("size", [1, 1000])
def test_the_client_is_the_one_of_the_header(behind: ServerProcess, header: bytes, size: int) -> None:
    with connected(behind.ports.smtp) as connection:
        for start in range(0, len(header), size):
            connection.sendall(header[start : start + size])
        assert connection.recv(100).startswith(b"220 ")
        connection.sendall(b"NONSENSE\r\nQUIT\r\n")
        assert b"\r\n221 " in received(connection)
    assert " refused 192.0.2.1 unknown command: " in behind.log_text()


def test_octets_behind_the_header_are_the_clients(behind: ServerProcess) -> None:
    with connected(behind.ports.smtp) as connection:
        connection.sendall(V2 + b"EHLO client.example\r\nQUIT\r\n")
        answer = received(connection)
    assert answer.startswith(b"220 ")
    assert answer.count(b"\r\n221 ") == 1


def test_tls_begins_behind_the_header(behind: ServerProcess) -> None:
    for header in (V1, V2):
        with connected(behind.ports.pop3s) as connection:
            connection.sendall(header)
            with behind.tls.wrap_socket(connection, server_hostname="localhost") as secured:
                assert secured.recv(100).startswith(b"+OK")


def test_header_and_first_octets_of_tls_in_one_piece(behind: ServerProcess) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = behind.tls.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with connected(behind.ports.pop3s) as connection:
        connection.sendall(V2 + outgoing.read())
        greeting = b""
        while not greeting:
            incoming.write(connection.recv(65_536))
            try:
                tls.do_handshake()
                connection.sendall(outgoing.read())
                greeting = tls.read(100)
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
    assert greeting.startswith(b"+OK")


def test_who_is_not_trusted_or_sends_no_header_hears_nothing(behind: ServerProcess) -> None:
    with connected(behind.ports.smtp, source="127.0.0.2") as connection:
        assert received(connection) == b""
    with connected(behind.ports.smtp) as connection:
        connection.sendall(b"EHLO client.example\r\n")
        assert received(connection) == b""
    assert "127.0.0.2 is not one of the trusted proxies" in behind.log_text()


def test_other_listeners_take_no_header(behind: ServerProcess) -> None:
    with connected(behind.ports.submission) as connection:
        assert connection.recv(100).startswith(b"220 ")
        connection.sendall(V1)
        assert connection.recv(100).startswith(b"500 ")


def test_a_trusted_proxy_speaks_for_a_client_by_xclient(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server('[proxy]\nxclient = ["127.0.0.1"]\n[limits]\nconnection_rate = "2 per hour"\n', accounts=1)
    server.start()
    user = server.new_user()
    said = []
    for number in range(3):
        with Wire(server.ports.smtp) as wire:
            assert wire.reply().startswith("220 ")
            assert "\n250 XCLIENT NAME ADDR PORT PROTO HELO" in wire.say("EHLO proxy.example")
            said.append(wire.say("XCLIENT ADDR=192.0.2.1 HELO=from.proxy.example PROTO=ESMTP")[:4])
            if number == 2:
                said.append(wire.reply()[:4])
                break
            wire.say("EHLO client.example")
            for command in ("MAIL FROM:<them@else.example>", f"RCPT TO:<{user.address}>"):
                assert wire.say(command).startswith("250 ")
            assert wire.say("DATA").startswith("354 ")
            wire.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            assert wire.reply().startswith("250 ")
    assert said == ["220 ", "220 ", "220 ", "421 "]  # the limits are those of the client
    message = fetch(server, user)[0]
    assert b"from client.example (" in message.octets.replace(b"\r\n\t", b" ")
    assert b"192.0.2.1" in message.octets
    with Wire(server.ports.smtp, source="127.0.0.2") as wire:
        wire.reply()
        assert "XCLIENT" not in wire.say("EHLO client.example")
        assert wire.say("XCLIENT ADDR=192.0.2.1").startswith("502 ")
