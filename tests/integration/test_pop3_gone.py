"""A client that goes away: without QUIT nothing is deleted, with it all that was marked; the maildrop is free again."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.wire import Wire, log_in, send_exactly
from twisted_mail.mailbox.maildrop import REMOVALS
from twisted_mail.protocols.keepalive import IDLE

KEEPALIVE_TIMER = 2
"""In /proc/net/tcp: what the connection's timer is for."""


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_line_that_drops_deletes_nothing_and_unlocks(server: ServerProcess, reset: bool) -> None:
    user = server.new_user()
    send_exactly(server, b"Subject: x\r\n\r\nx\r\n", user)
    wire = log_in(server, user)
    assert wire.say("DELE 1").startswith("+OK")
    if reset:
        wire.reset()
    else:
        wire.drop()
    assert login_when_free(server, user).startswith("+OK")
    assert len(server.stored(user)) == 1


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_who_does_not_wait_for_the_reply_to_quit_has_deleted_all(server: ServerProcess, reset: bool) -> None:
    user = server.new_user()
    count = 2 * REMOVALS + 1
    folder = server.maildir(user) / "new"
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{1_700_000_000 + number}.a.h,S=14,W=17").write_bytes(b"Subject: x\n\nx\n")
    wire = log_in(server, user)
    wire.send(b"".join(b"DELE %d\r\n" % number for number in range(1, count + 1)))
    for _ in range(count):
        assert wire.reply().startswith("+OK")
    wire.send(b"QUIT\r\n")
    if reset:
        wire.reset()
    else:
        wire.drop()
    assert login_when_free(server, user).startswith("+OK Logged in; messages: 0,")
    assert server.stored(user) == []
    assert f"POP3 logout {user.address}, 0 retrieved, {count} deleted" in server.log_text()


def login_when_free(server: ServerProcess, user: User) -> str:
    """The reply to the password, once the session before has ended."""
    deadline = time.monotonic() + 10
    while (answer := login(server, user.address, user.password)).startswith("-ERR [IN-USE]"):
        assert time.monotonic() < deadline
    return answer


def login(server: ServerProcess, user: str, password: str) -> str:
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        wire.say(f"USER {user}")
        return wire.say(f"PASS {password}")


def test_the_kernel_asks_a_silent_client_whether_it_is_there(server: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.ports.pop3)) as client:
        assert client.recv(100).startswith(b"+OK")
        timer, hundredths = timer_of(server.ports.pop3, client.getsockname()[1])
    assert timer == KEEPALIVE_TIMER
    assert hundredths <= IDLE * os.sysconf("SC_CLK_TCK")


def timer_of(local: int, remote: int) -> tuple[int, int]:
    """Of the server's end of a connection: what the timer is for, and when it goes off."""
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        ports = [int(address.rpartition(":")[2], 16) for address in fields[1:3]]
        if ports == [local, remote]:
            kind, _, when = fields[5].partition(":")
            return int(kind, 16), int(when, 16)
    raise AssertionError("no such connection")
