"""SIGKILL and SIGTERM at random moments: what was acknowledged is there, whole; what is there is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable

import pytest

from tests.integration.process import ServerProcess, User, runs
from tests.integration.wire import Wire, fetch, log_in, send_exactly, without_trace

SENDERS = 4
SIZES = (200, 4_000, 100_000, 600_000)
"""Octets.  The last one goes through a temporary file."""


def letter(number: str, size: int) -> bytes:
    """A message that says what it should be."""
    body = (os.urandom(30).hex().encode() + b"\r\n") * (size // 62 + 1)
    return b"Subject: %s\r\nX-Digest: %s\r\n\r\n" % (number.encode(), hashlib.sha256(body).hexdigest().encode()) + body


def number_of_whole(octets: bytes) -> str:
    """The number of a message whose octets are what it says."""
    match = re.match(rb"Subject: (\S+)\r\nX-Digest: (\S+)\r\n\r\n", octets)
    assert match is not None, octets[:200]
    assert hashlib.sha256(octets[match.end() :]).hexdigest().encode() == match[2], f"message {match[1]!r} is not whole"
    return match[1].decode()


class Sender(threading.Thread):
    """Sends one message after the other, whatever happens to the server.  `acknowledged` has those that got 250."""

    def __init__(self, server: ServerProcess, name: str, recipients: list[User]) -> None:
        super().__init__(name=name, daemon=True)
        self._server = server
        self.recipients = recipients
        self._ending = threading.Event()
        self.acknowledged: set[str] = set()
        self.attempts = 0
        self.unanswered = 0
        """Messages that were sent whole and got no reply."""
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._ending.is_set():
                with contextlib.suppress(OSError):
                    self._send_over_one_connection()
                time.sleep(0.01)  # the server is gone just now
        except BaseException as fault:  # noqa: BLE001 (the test's thread reports it)
            self.fault = fault

    def end(self) -> None:
        self._ending.set()
        self.join(30)
        assert self.fault is None, self.fault

    def _send_over_one_connection(self) -> None:
        with Wire(self._server.ports.smtp) as wire:
            if not wire.reply() or not wire.say("EHLO client.example"):
                return
            while not self._ending.is_set():
                self.attempts += 1
                number = f"{self.name}-{self.attempts}"
                commands = ["MAIL FROM:<them@else.example>", *(f"RCPT TO:<{r.address}>" for r in self.recipients)]
                if not all(wire.say(command).startswith("250 ") for command in commands):
                    return
                if not wire.say("DATA").startswith("354 "):
                    return
                wire.send(letter(number, random.choice(SIZES)) + b".\r\n")
                self.unanswered += 1
                if not (reply := wire.reply()):
                    return
                self.unanswered -= 1
                if reply.startswith("421 "):
                    return
                assert reply.startswith("250 "), reply
                self.acknowledged.add(number)


@pytest.fixture
def server(new_server: Callable[..., ServerProcess]) -> ServerProcess:
    server = new_server(accounts=SENDERS + 1)
    server.start()
    return server


@pytest.fixture
def everybody(server: ServerProcess) -> User:
    """Gets a copy of what every second sender sends."""
    return server.new_user()


@pytest.fixture
def senders(server: ServerProcess, everybody: User) -> list[Sender]:
    """At work, each for a user of its own."""
    users = [server.new_user() for _ in range(SENDERS)]
    senders = [Sender(server, f"sender{n}", [user, everybody][: 1 + n % 2]) for n, user in enumerate(users)]
    for sender in senders:
        sender.start()
    return senders


def assert_nothing_is_lost(server: ServerProcess, senders: list[Sender], everybody: User, rounds: int) -> None:
    time.sleep(0.1)
    for sender in senders:
        sender.end()
    server.assert_log_is_clean()
    for sender in senders:
        assert len(sender.acknowledged) >= rounds, "too few messages to prove anything"
        # each is there; one whose 250 was lost may be there too, and is whole
        for user in sender.recipients:
            assert sender.acknowledged <= stored_numbers(server, user)
    [*_, last] = fetch(server, everybody)
    number_of_whole(without_trace(last.octets))
    server.stop()


@pytest.mark.slow
def test_every_acknowledged_message_is_there_whole_after_20_kills(
    server: ServerProcess, senders: list[Sender], everybody: User
) -> None:
    for _ in range(20):
        time.sleep(random.uniform(0.02, 0.3))
        server.kill()
        server.start()
    assert_nothing_is_lost(server, senders, everybody, 20)


@pytest.mark.slow
def test_restarts_in_order_answer_every_message_that_came_whole(
    server: ServerProcess, senders: list[Sender], everybody: User
) -> None:
    for _ in range(5):
        time.sleep(random.uniform(0.02, 0.3))
        server.stop()
        server.start()
    assert_nothing_is_lost(server, senders, everybody, 5)
    assert sum(sender.unanswered for sender in senders) == 0


def stored_numbers(server: ServerProcess, user: User) -> set[str]:
    """What lies in the Maildir, read without the server; nothing there may be cut."""
    files = [file.read_bytes().replace(b"\n", b"\r\n") for file in server.stored(user)]
    return {number_of_whole(without_trace(octets)) for octets in files}


@pytest.mark.slow
def test_after_a_kill_in_quit_each_message_is_there_or_deleted_never_half(
    new_server: Callable[..., ServerProcess],
) -> None:
    server = new_server(accounts=1)
    user = server.new_user()
    server.start()
    numbers = [f"message-{number}" for number in range(40)]
    for number in numbers:
        assert send_exactly(server, letter(number, 200), user).startswith("250 ")
    for deleted in range(1, 6):
        with log_in(server, user) as wire:
            count = int(wire.say("STAT").split()[1])
            for number in range(1, deleted + 1):
                assert wire.say(f"DELE {number}").startswith("+OK")
            wire.send(b"QUIT\r\n")
            time.sleep(random.uniform(0, 0.004))
            server.kill()
            with contextlib.suppress(OSError):
                if wire.reply().startswith("+OK"):
                    assert len(server.stored(user)) == count - deleted
        assert count - deleted <= len(server.stored(user)) <= count
        server.start()
    left = [number_of_whole(without_trace(message.octets)) for message in fetch(server, user)]
    assert left == [number for number in numbers if number in left]
    assert set(numbers[15:]) <= set(left)
    server.stop()


def test_server_goes_on_when_its_committer_is_killed(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=2)
    server.start()
    user = server.new_user()
    assert send_exactly(server, b"Subject: one\r\n\r\n1\r\n", user).startswith("250 ")
    [committer] = server.children("twisted_mail.committing")
    os.kill(committer, signal.SIGKILL)
    while server.children("twisted_mail.committing"):
        time.sleep(0.01)
    replies = [send_exactly(server, b"Subject: two\r\n\r\n2\r\n", user)[:3] for _ in range(3)]
    assert set(replies) <= {"250", "451"}
    assert replies[-1] == "250"
    assert len(server.stored(user)) == 1 + replies.count("250")
    assert "a thread does its work" in server.log_text()
    server.forgive_log()
    server.stop()


def test_committer_ends_with_its_server(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=1)
    server.start()
    [committer] = server.children("twisted_mail.committing")
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    end = time.monotonic() + 10
    while runs(committer, "twisted_mail.committing"):
        assert time.monotonic() < end
        time.sleep(0.01)
