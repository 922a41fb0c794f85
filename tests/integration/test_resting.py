"""The real server when nothing comes: its committer's process ends, and is there again for the next message."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration import tired
from tests.integration.process import ServerProcess, User, program
from tests.integration.requirements import NOBODY, require_root, require_usable_by
from tests.integration.wire import Wire, fetch, log_in, send_exactly

NewServer = Callable[..., ServerProcess]
LETTER = b"Subject: a letter\r\n\r\nbody\r\n"
SOON = 0.3
"""Seconds without a message after which the committer rests here."""


@pytest.fixture
def server(new_server: NewServer) -> ServerProcess:
    server = new_server(accounts=1)
    tire(server, SOON)
    server.start()
    return server


def tire(server: ServerProcess, seconds: float) -> None:
    server.wrapper = [program("python"), tired.__file__, str(seconds)]


def has_child(server: ServerProcess) -> bool:
    """A zombie is one, too."""
    return bool(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text())


def wait_for_rest(server: ServerProcess) -> None:
    end = time.monotonic() + 20
    while has_child(server):
        assert time.monotonic() < end, server.log_text()
        time.sleep(0.02)


def test_server_rests_without_a_child_and_serves_the_next_client(server: ServerProcess) -> None:
    user = server.new_user()
    for count in range(1, 4):
        wait_for_rest(server)
        assert send_exactly(server, LETTER, user).startswith("250 ")
        assert len(server.children("twisted_mail.committing")) == 1
        assert len(server.stored(user)) == count
    wait_for_rest(server)
    with log_in(server, user) as wire:
        assert wire.say("DELE 1").startswith("+OK")
        assert wire.say("QUIT").startswith("+OK")
    assert len(fetch(server, user)) == 2
    wait_for_rest(server)
    server.stop()


def test_kill_of_a_server_at_rest_loses_nothing(server: ServerProcess) -> None:
    user = server.new_user()
    assert send_exactly(server, LETTER, user).startswith("250 ")
    wait_for_rest(server)
    server.kill()
    server.start()
    wait_for_rest(server)
    assert send_exactly(server, LETTER, user).startswith("250 ")
    assert len(fetch(server, user)) == 2


def test_new_configuration_has_the_committer_that_was_there(server: ServerProcess) -> None:
    user = server.new_user()
    wait_for_rest(server)
    server.configure('[limits]\nmessage_size = "100 KiB"\n')
    assert "has read its configuration again" in server.admin("reload").stdout
    assert send_exactly(server, LETTER, user).startswith("250 ")
    assert len(server.children("twisted_mail.committing")) == 1
    wait_for_rest(server)
    server.stop()


def test_process_of_another_user_can_start_it_again(new_server: NewServer) -> None:
    require_root()
    require_usable_by(NOBODY, program("python"))
    server = new_server(accounts=1)
    tire(server, SOON)
    server.twistd_options = ("--uid", str(NOBODY), "--gid", str(NOBODY), "--pidfile=")
    server.start()
    wait_for_rest(server)
    assert send_exactly(server, LETTER, server.new_user()).startswith("250 ")
    [committer] = server.children("twisted_mail.committing")
    assert os.stat(f"/proc/{committer}").st_uid == NOBODY


def test_messages_that_come_while_it_goes_to_rest_or_wakes_are_all_stored(new_server: NewServer) -> None:
    server = new_server(accounts=1)
    tire(server, 0.005)  # it looks all the time
    server.start()
    user = server.new_user()
    started = set()
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        for _ in range(100):
            assert send(wire, user).startswith("250 ")
            started |= set(server.children("twisted_mail.committing"))
            time.sleep(random.choice((0, 0.005, 0.01, 0.02)))
    assert len(server.stored(user)) == 100
    assert len(started) > 10, "it did not rest often enough to prove anything"
    wait_for_rest(server)
    server.stop()


def send(wire: Wire, user: User) -> str:
    for command in ("MAIL FROM:<them@else.example>", f"RCPT TO:<{user.address}>", "DATA"):
        assert wire.say(command)[0] in "23"
    wire.send(LETTER + b".\r\n")
    return wire.reply()
