"""LMTP (RFC 2033) on real sockets: TCP and unix, Python's client and Postfix's, an answer for each recipient."""

from __future__ import annotations

import smtplib
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.postfix import Postfix
from tests.integration.process import ServerProcess, User, free_port
from tests.integration.wire import Wire, fetch, without_trace

TEXT = b"Subject: by LMTP\r\n\r\n.One line that begins with a dot\r\n\r\nand the last\r\n"


class LMTPServer:
    """A server with LMTP at a port and at a path."""

    def __init__(self, server: ServerProcess) -> None:
        self.process = server
        self.port = free_port()
        self.path = server.folder / "lmtp"
        addresses = f'"tcp:{self.port}:interface=127.0.0.1", "unix:{self.path}:mode=666"'
        server.config.write_text(server.config.read_text().replace("[listen]", f"[listen]\nlmtp = [{addresses}]", 1))

    def new_users(self, count: int) -> list[User]:
        return [self.process.new_user() for _ in range(count)]


@pytest.fixture
def server(new_server: Callable[..., ServerProcess]) -> Iterator[LMTPServer]:
    server = LMTPServer(new_server(accounts=4))
    server.process.start()
    yield server
    server.process.assert_log_is_clean()


def greeted(port: int) -> Wire:
    wire = Wire(port)
    assert wire.reply().startswith("220 ")
    assert wire.say("LHLO client.example").startswith("250-")
    return wire


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_smtplib_delivers_to_all_at_once(server: LMTPServer, kind: str) -> None:
    users = server.new_users(2)
    place = ("127.0.0.1", server.port) if kind == "tcp" else (str(server.path), 0)
    with smtplib.LMTP(*place) as client:
        refused = client.sendmail("them@else.example", [user.address for user in users], TEXT)
        assert client.getreply()[0] == 250  # smtplib reads only the first recipient's
    assert refused == {}
    for user in users:
        [message] = fetch(server.process, user)
        assert without_trace(message.octets) == TEXT
        assert b" with LMTP id " in message.octets
    [first], [second] = (server.process.stored(user) for user in users)
    assert first.samefile(second), "written once"


def test_words_that_the_rfc_demands_are_offered(server: LMTPServer) -> None:
    with Wire(server.port) as wire:
        assert wire.reply() == "220 mail.example.org LMTP"
        assert wire.say("EHLO client.example").startswith("500 5.5.1 ")
        words = wire.say("LHLO client.example").splitlines()
    for word in ("PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"):
        assert f"250-{word}" in words
    assert not any("AUTH" in word for word in words)


def test_each_recipient_has_an_answer_of_its_own(server: LMTPServer) -> None:
    alice, bob, carol = server.new_users(3)
    maildir = server.process.maildir(bob)
    maildir.parent.mkdir(parents=True, exist_ok=True)
    maildir.write_text("no folder: nothing can be stored here")
    with greeted(server.port) as wire:
        commands = ["MAIL FROM:<them@else.example>"]
        commands += [f"RCPT TO:<{user.address}>" for user in (alice, bob)]
        commands += [
            "RCPT TO:<nobody@example.org>",
            "RCPT TO:<them@else.example>",
            f"RCPT TO:<{carol.address}>",
            "DATA",
        ]
        wire.send("".join(f"{command}\r\n" for command in commands).encode())
        replies = [wire.reply()[:9] for _ in commands]
        assert replies == ["250 2.1.0", "250 2.1.5", "250 2.1.5", "550 5.1.1", "550 5.7.1", "250 2.1.5", replies[-1]]
        assert replies[-1].startswith("354")
        wire.send(TEXT.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        assert [wire.reply()[:9] for _ in range(3)] == ["250 2.0.0", "451 4.3.0", "250 2.0.0"]
        assert wire.say("NOOP").startswith("250 ")
    maildir.unlink()
    for user in (alice, carol):
        [message] = fetch(server.process, user)
        assert without_trace(message.octets) == TEXT
    assert fetch(server.process, bob) == []
    assert "a message could not be stored" in server.process.log_text()
    server.process.forgive_log()


def test_chunks_have_an_answer_a_recipient_only_after_the_last(server: LMTPServer) -> None:
    users = server.new_users(2)
    with greeted(server.port) as wire:
        assert wire.say("MAIL FROM:<>").startswith("250 ")
        for user in users:
            assert wire.say(f"RCPT TO:<{user.address}>").startswith("250 ")
        wire.send(b"BDAT 10\r\n" + TEXT[:10])
        assert wire.reply().startswith("250 2.0.0 10 octets")
        wire.send(b"BDAT %d LAST\r\n" % (len(TEXT) - 10) + TEXT[10:])
        assert [wire.reply()[:9] for _ in users] == ["250 2.0.0"] * 2
    for user in users:
        [message] = fetch(server.process, user)
        assert without_trace(message.octets) == TEXT


@pytest.mark.parametrize("kind", ["inet", "unix"])
def test_postfix_delivers(server: LMTPServer, kind: str) -> None:
    users = server.new_users(2)
    server.process.folder.chmod(0o755)
    place = f"inet:127.0.0.1:{server.port}" if kind == "inet" else f"unix:{server.path}"
    with Postfix(f"lmtp:{place}") as postfix:
        addresses = [*(user.address for user in users), "nobody@example.org"]
        postfix.send(TEXT.replace(b"\r\n", b"\n"), "them@else.example", *addresses)
        for user in users:
            assert "status=sent (250 2.0.0 Stored as" in postfix.outcome(user.address)
        assert "dsn=5.1.1, status=bounced" in postfix.outcome("nobody@example.org")
    for user in users:
        [message] = fetch(server.process, user)
        assert message.octets.endswith(TEXT[TEXT.index(b"\r\n\r\n") :])


def test_path_has_its_permissions_and_goes_with_the_server(server: LMTPServer) -> None:
    status = server.path.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o666
    server.process.stop()
    assert not server.path.exists()


def test_server_that_was_killed_is_no_hindrance_for_the_next(server: LMTPServer) -> None:
    server.process.kill()
    assert server.path.exists()
    server.process.start()
    with smtplib.LMTP(str(server.path), 0) as client:
        assert client.noop()[0] == 250


def test_several_processes_share_the_path(new_server: Callable[..., ServerProcess]) -> None:
    process = new_server(accounts=1)
    server = LMTPServer(process)
    process.config.write_text("workers = 2\n" + process.config.read_text())
    process.start()
    [user] = server.new_users(1)
    for _ in range(5):
        with smtplib.LMTP(str(server.path), 0) as client:
            client.sendmail("them@else.example", [user.address], TEXT)
    assert len(process.stored(user)) == 5
    process.stop()
    assert not server.path.exists()


def test_path_in_use_is_told_before_anything_is_open(new_server: Callable[..., ServerProcess]) -> None:
    process = new_server()
    server = LMTPServer(process)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(server.path))
        other.listen()
        child = process.launch()
        assert child.wait(30) == 1
    said = process.log_text().strip().splitlines()
    assert len(said) == 1
    assert f"listen.lmtp: {server.path} is in use; " in said[0]
    assert Path(server.path).exists()
