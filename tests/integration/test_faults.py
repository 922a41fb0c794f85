"""A disk that fails or is slow at every file call in turn, on the real process: 4xx, nothing lost, back by itself."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration import faulty
from tests.integration.certificate import Authority
from tests.integration.process import ServerProcess, User
from tests.integration.requirements import require_root
from tests.integration.wire import Wire, fetch, log_in, without_trace

SMALL = b"Subject: small\r\n\r\nx\r\n"
LARGE = b"Subject: large\r\n\r\n" + (b"y" * 76 + b"\r\n") * 10_000
"""It goes through a temporary file."""
SHARED = 5
"""Recipients whose directories are synced together."""

CALLS = {
    "open": SMALL,
    "write": SMALL,
    "fsync-file": SMALL,
    "link": SMALL,
    "rename": SMALL,
    "mkdir": SMALL,
    "stat": SMALL,
    "open-directory": SMALL,
    "syncfs": SMALL,
    "spill": LARGE,
    "pread": LARGE,
}
"""Each file call on the way of a message that goes to SHARED new mailboxes, and the message that leads there."""
CALLS_FOR_ONE = {"open-directory": SMALL, "fsync-directory": SMALL, "write": LARGE}
"""The same for a message that goes to one."""
EVERY_CALL = {
    **{call: (call, text, SHARED) for call, text in CALLS.items()},
    **{f"{call} for one": (call, text, 1) for call, text in CALLS_FOR_ONE.items()},
}
ERRORS = {"ENOSPC": "452 4.3.1", "EMFILE": "451 4.3.0", "EIO": "451 4.3.0"}

ANSWERS_WITHIN = 0.1
"""Seconds for what has nothing to do with the disk."""


class FaultyServer:
    """A real server, and what goes wrong with its disk."""

    def __init__(self, server: ServerProcess) -> None:
        self.process = server
        self._fault = server.folder / "fault"
        self._calls = server.folder / "calls"
        server.wrapper = [sys.executable, faulty.__file__, str(server.folder)]

    def disturb(self, call: str, how: str) -> None:
        """Errors of a call while it lasts (`EIO`), or the seconds that it takes longer."""
        written = self._fault.with_suffix(".new")
        written.write_text(f"{call} {how}")
        written.rename(self._fault)

    def repair(self) -> None:
        self._fault.unlink()

    def calls(self) -> list[tuple[str, str, str]]:
        """Name, path and outcome of each file call so far."""
        rows = (line.split(" ") for line in self._calls.read_text().splitlines())
        return [(name, path, outcome) for name, path, outcome in rows]

    def greeted(self) -> Wire:
        wire = Wire(self.process.ports.smtp)
        assert wire.reply().startswith("220 ")
        assert wire.say("EHLO client.example").startswith("250-")
        return wire

    def new_users(self, count: int) -> list[User]:
        return [self.process.new_user() for _ in range(count)]


@pytest.fixture(scope="module")
def faulty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyServer]:
    process = ServerProcess(Authority(tmp_path_factory.mktemp("authority")))
    try:
        process.create_accounts(400)
        server = FaultyServer(process)
        process.start()
        yield server
    finally:
        process.close()


@pytest.fixture
def server(faulty_server: FaultyServer) -> Iterator[FaultyServer]:
    yield faulty_server
    log = faulty_server.process.log_text()
    assert "our fault" not in log, log
    assert "Unhandled" not in log, log
    assert faulty_server.process.is_running


def send(wire: Wire, text: bytes, users: list[User]) -> str:
    """One message; the last reply."""
    assert wire.say("MAIL FROM:<them@else.example>").startswith("250 ")
    for user in users:
        assert wire.say(f"RCPT TO:<{user.address}>").startswith("250 ")
    assert wire.say("DATA").startswith("354 ")
    wire.send(text + b".\r\n")
    return wire.reply()


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(("call", "text", "count"), EVERY_CALL.values(), ids=EVERY_CALL)
def test_error_is_answered_4xx_and_forgotten(
    server: FaultyServer, call: str, text: bytes, count: int, error: str
) -> None:
    users = server.new_users(count)
    before = len(server.calls())
    with server.greeted() as wire:
        server.disturb(call, error)
        try:
            refusal = send(wire, text, users)
        finally:
            server.repair()
        failed = [(name, path) for name, path, outcome in server.calls()[before:] if outcome == error]
        assert failed, f"no message comes by {call}"
        assert {name for name, _ in failed} == {call}
        assert refusal.startswith(ERRORS[error]), refusal
        assert [server.process.stored(user) for user in users] == [[]] * count
        assert send(wire, text, users).startswith("250 ")
    for user in users:
        [file] = server.process.stored(user)
        assert file.read_bytes().endswith(text.replace(b"\r\n", b"\n"))


def test_file_whose_sync_failed_is_never_synced_again(server: FaultyServer) -> None:
    [user] = server.new_users(1)
    with server.greeted() as wire:
        server.disturb("fsync-file", "EIO")
        try:
            assert send(wire, SMALL, [user]).startswith("451 ")
        finally:
            server.repair()
        assert send(wire, SMALL, [user]).startswith("250 ")
    synced = [path for name, path, _ in server.calls() if name == "fsync-file"]
    assert len(synced) == len(set(synced))
    failed = [path for name, path, outcome in server.calls() if (name, outcome) == ("fsync-file", "EIO")]
    assert not any(Path(path).exists() for path in failed)


def test_what_cannot_be_removed_is_still_refused_and_seen_by_nobody(server: FaultyServer) -> None:
    """Two faults at once: the text cannot be written, and then its file cannot be removed."""
    [user] = server.new_users(1)
    full = server.process.maildir(user) / "new"
    with server.greeted() as wire:
        assert send(wire, SMALL, [user]).startswith("250 ")
        full.rename(full.with_name("moved"))
        full.write_text("no folder")  # the rename into it fails
        server.disturb("unlink", "EIO")
        try:
            assert send(wire, SMALL, [user]).startswith("451 ")
        finally:
            server.repair()
            full.unlink()
            full.with_name("moved").rename(full)
    assert len(fetch(server.process, user)) == 1
    assert len(list((full.parent / "tmp").iterdir())) == 1  # for the sweeper


class Sending(threading.Thread):
    """One message in the background."""

    def __init__(self, server: FaultyServer, text: bytes, users: list[User]) -> None:
        super().__init__(daemon=True)
        self._wire = server.greeted()
        self._text = text
        self._users = users
        self.reply = ""

    def run(self) -> None:
        with self._wire as wire:
            self.reply = send(wire, self._text, self._users)


SECONDS = {"fsync-file": 2.0, "fsync-directory": 2.0, "syncfs": 2.0}
"""How slow a call is; any other takes half a second."""


@pytest.mark.slow
@pytest.mark.parametrize(("call", "text", "count"), EVERY_CALL.values(), ids=EVERY_CALL)
def test_slow_disk_holds_up_nobody_else(server: FaultyServer, call: str, text: bytes, count: int) -> None:
    seconds = SECONDS.get(call, 0.5)
    users = server.new_users(count)
    [reader] = server.new_users(1)
    sending = Sending(server, text, users)
    server.disturb(call, str(seconds))
    waits = []
    try:
        started = time.monotonic()
        sending.start()
        while sending.is_alive() and time.monotonic() < started + seconds:
            asked = time.monotonic()
            ask(server, reader)
            waits.append(time.monotonic() - asked)
            time.sleep(0.03)
    finally:
        server.repair()
    sending.join(60)
    assert time.monotonic() - started >= seconds, f"no message comes by {call}"
    assert sending.reply.startswith("250 ")
    # ours would wait for as long as the disk; one in ten may be the machine's own hiccup
    waits.sort()
    assert waits[len(waits) * 9 // 10 - 1] < ANSWERS_WITHIN, waits
    assert waits[-1] < seconds, waits


def ask(server: FaultyServer, user: User) -> None:
    """A new connection, and a transaction up to the point where the disk is needed."""
    with server.greeted() as wire:
        assert wire.say("MAIL FROM:<them@else.example>").startswith("250 ")
        assert wire.say(f"RCPT TO:<{user.address}>").startswith("250 ")
        assert wire.say("DATA").startswith("354 ")


@pytest.fixture
def small_disk(new_server: Callable[..., ServerProcess]) -> Iterator[ServerProcess]:
    """A server whose data directory is a file system of 8 MiB."""
    require_root()
    server = new_server('[pop3]\nundo = "0"\n')
    server.maildirs.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", str(server.maildirs)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        server.create_accounts(1)
        server.start()
        yield server
    finally:
        if server.is_running:
            server.kill()
        subprocess.run(["umount", "--lazy", str(server.maildirs)], check=True)


def test_full_disk_is_answered_452_until_there_is_room_again(small_disk: ServerProcess) -> None:
    user = small_disk.new_user()
    server = FaultyServer(small_disk)
    with server.greeted() as wire:
        taken = 0
        while (reply := send(wire, LARGE, [user])).startswith("250 "):
            taken += 1
            assert taken < 20
        assert reply.startswith("452 4.3.1 ")
        assert taken >= 3
        assert send(wire, LARGE, [user]).startswith("452 4.3.1 ")
        messages = fetch(small_disk, user)
        assert [without_trace(message.octets) for message in messages] == [LARGE] * taken
        with log_in(small_disk, user) as pop3:  # who makes room must get in, and have it
            for number in (1, 2):
                assert pop3.say(f"DELE {number}").startswith("+OK")
            assert pop3.say("QUIT").startswith("+OK")
        assert send(wire, LARGE, [user]).startswith("250 ")
    assert len(fetch(small_disk, user)) == taken - 1
    assert list((small_disk.maildir(user) / "tmp").iterdir()) == []
    small_disk.forgive_log()
