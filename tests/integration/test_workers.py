"""Several processes behind the same ports: they are one server to everybody outside, and survive one another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple
from pathlib import Path

import pytest

from tests.integration.process import STARTS_WITHIN, STOPS_WITHIN, ServerProcess
from tests.integration.requirements import NOBODY, require_root
from tests.integration.wire import Wire, fetch, log_in, send_exactly

NewServer = Callable[..., ServerProcess]
LETTER = b"Subject: a letter\r\n\r\nbody\r\n"


@pytest.fixture
def pair(new_server: NewServer) -> ServerProcess:
    """Two workers, running."""
    return started(new_server(accounts=10))


OPEN = ("01", "08")
"""States in /proc/net/tcp: established, and closed by the other side only."""


def started(server: ServerProcess) -> ServerProcess:
    """*server* with two workers, both of which serve."""
    server.config.write_text(f"workers = 2\n{server.config.read_text()}")
    server.start()
    until(lambda: len(workers(server)) == 2 and all(serves(server, pid) for pid in workers(server)))
    until(lambda: not has_connections(server))  # those that asked whether it had started
    return server


def has_connections(server: ServerProcess) -> bool:
    """Some that it has not closed."""
    ports = {f"{port:04X}" for port in astuple(server.ports)}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].rpartition(":")[2] in ports and row[3] in OPEN for row in rows)


def workers(server: ServerProcess) -> list[int]:
    """Their process ids."""
    return server.children("twisted_mail.worker")


def until(condition: Callable[[], bool], seconds: float = STARTS_WITHIN) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def serves(server: ServerProcess, pid: int) -> bool:
    """Its event loop waits for connections at all ports."""
    with suppress(FileNotFoundError):
        watched = "".join(each.read_text() for each in Path(f"/proc/{pid}/fdinfo").iterdir())
        return watched.count("tfd:") >= len(astuple(server.ports))
    return False


@contextmanager
def alone(server: ServerProcess, pid: int) -> Iterator[None]:
    """The other workers stand still meanwhile: all new connections are for *pid*."""
    others = [other for other in workers(server) if other != pid]
    for other in others:
        os.kill(other, signal.SIGSTOP)
    try:
        yield
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text()


def test_each_worker_takes_and_gives_mail(pair: ServerProcess) -> None:
    user = pair.new_user()
    for count, pid in enumerate(workers(pair), 1):
        with alone(pair, pid):
            assert send_exactly(pair, LETTER, user).startswith("250 ")
            assert len(fetch(pair, user)) == count


def test_killed_worker_is_replaced_at_once_and_the_other_goes_on(pair: ServerProcess) -> None:
    user = pair.new_user()
    victim, survivor = workers(pair)
    time.sleep(5.1 - min(5.1, age(victim)))  # one that dies sooner after its start is given a pause
    with alone(pair, survivor):
        wire = log_in(pair, user)
    with wire:
        os.kill(victim, signal.SIGKILL)
        for _ in range(20):
            assert wire.say("NOOP").startswith("+OK")
            assert send_exactly(pair, LETTER, user).startswith("250 ")
        until(lambda: len(workers(pair)) == 2)
        [replacement] = set(workers(pair)) - {survivor}
        assert replacement != victim
        until(lambda: serves(pair, replacement))
        with alone(pair, replacement):
            assert send_exactly(pair, LETTER, user).startswith("250 ")
        assert wire.say("QUIT").startswith("+OK")
    assert len(pair.stored(user)) == 21
    assert "worker 0 ended" in pair.log_text()
    assert "another starts in 0.0 s" in pair.log_text()


def age(pid: int) -> float:
    """Seconds since the process was started."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def test_connections_of_a_killed_worker_are_forgotten(new_server: NewServer) -> None:
    server = started(new_server("[limits]\nconnections_per_host = 3\n"))
    victim, survivor = workers(server)
    with ExitStack() as stack:
        with alone(server, victim):
            for _ in range(3):
                assert stack.enter_context(Wire(server.ports.smtp)).reply().startswith("220 ")
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(workers(server)) == 2 and victim not in workers(server))
        with alone(server, survivor):
            for _ in range(3):
                assert stack.enter_context(Wire(server.ports.smtp)).reply().startswith("220 ")


def test_sigterm_lets_both_finish_what_is_under_way(pair: ServerProcess) -> None:
    user = pair.new_user()
    family = [pair.pid, *workers(pair)]
    with ExitStack() as stack:
        wires = []
        for pid in family[1:]:
            with alone(pair, pid):
                wires.append(wire := stack.enter_context(Wire(pair.ports.smtp)))
                assert wire.reply().startswith("220 ")
            for line, code in (
                ("EHLO c.example", "250"),
                ("MAIL FROM:<them@else.example>", "250"),
                (f"RCPT TO:<{user.address}>", "250"),
                ("DATA", "354"),
            ):
                assert wire.say(line).startswith(code)
            wire.send(LETTER)
        pair.terminate()
        until(lambda: not accepts(pair))
        for wire in wires:
            wire.send(b".\r\n")
            assert wire.reply().startswith("250 ")
            assert b"421 " in wire.rest()
    pair.assert_ended_in_order()
    assert all(is_gone(pid) for pid in family)
    assert len(pair.stored(user)) == 2


def accepts(server: ServerProcess) -> bool:
    try:
        Wire(server.ports.smtp).drop()
    except OSError:
        return False
    return True


def test_workers_end_when_their_parent_is_killed(pair: ServerProcess) -> None:
    family = workers(pair)
    with Wire(pair.ports.smtp) as wire:
        assert wire.reply().startswith("220 ")
        pair.kill()
        until(lambda: all(is_gone(pid) for pid in family), STOPS_WITHIN)
    pair.start()
    user = pair.new_user()
    assert send_exactly(pair, LETTER, user).startswith("250 ")


def test_connections_of_a_host_are_limited_over_both(new_server: NewServer) -> None:
    server = started(new_server("[limits]\nconnections_per_host = 3\nconnections = 5\n"))
    first, second = workers(server)
    with ExitStack() as stack:

        def connect(source: str = "127.0.0.1") -> str:
            return stack.enter_context(Wire(server.ports.smtp, source=source)).reply()

        with alone(server, first):
            assert [connect()[:3] for _ in range(2)] == ["220", "220"]
        with alone(server, second):
            assert [connect()[:3] for _ in range(2)] == ["220", "421"]
            assert [connect("127.0.0.2")[:3] for _ in range(2)] == ["220", "220"]
        with alone(server, first):
            assert connect("127.0.0.3").startswith("421 ")


def test_maildrop_is_locked_for_the_other_worker(pair: ServerProcess) -> None:
    user = pair.new_user()
    send_exactly(pair, LETTER, user)  # without it there is no maildrop to lock yet
    first, second = workers(pair)
    with alone(pair, first):
        wire = log_in(pair, user)
    with wire:
        with alone(pair, second), Wire(pair.ports.pop3s, pair.tls) as other:
            other.reply()
            other.say(f"USER {user.address}")
            assert other.say(f"PASS {user.password}").startswith("-ERR [IN-USE] ")
        assert wire.say("QUIT").startswith("+OK")
        wire.rest()
    with alone(pair, second), log_in(pair, user) as other:
        assert other.say("QUIT").startswith("+OK")


def test_failed_logins_at_one_make_the_other_wait(pair: ServerProcess) -> None:
    user, bystander = pair.new_user(), pair.new_user()
    first, second = workers(pair)
    with alone(pair, first), Wire(pair.ports.pop3s, pair.tls) as wire:
        wire.reply()
        for _ in range(7):
            wire.say(f"USER {user.address}")
            assert wire.say("PASS wrong").startswith("-ERR [AUTH] ")
    with alone(pair, second):
        # the seventh failure has made the next attempts 2 seconds apart
        assert seconds_of_login(pair, user.address, "wrong") > 1.0
        assert seconds_of_login(pair, bystander.address, "wrong") < 1.0


def seconds_of_login(server: ServerProcess, address: str, password: str) -> float:
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        wire.say(f"USER {address}")
        begun = time.monotonic()
        assert wire.say(f"PASS {password}").startswith("-ERR [AUTH] ")
        return time.monotonic() - begun


def test_workers_of_root_run_as_the_user_with_a_key_that_only_root_reads(new_server: NewServer) -> None:
    require_root()
    require_interpreter_for_nobody()
    server = new_server(accounts=2)
    key = server.folder / "tls" / "privkey.pem"
    key.chmod(0o600)
    os.chown(key, 0, 0)
    server.twistd_options = ("--uid", str(NOBODY), "--gid", str(NOBODY), "--pidfile=")
    started(server)
    for pid in (server.pid, *workers(server)):
        status = Path(f"/proc/{pid}/status").read_text()
        assert f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}\n" in status
        assert f"Gid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}\n" in status
    victim, survivor = workers(server)
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(workers(server)) == 2 and victim not in workers(server))
    [replacement] = set(workers(server)) - {survivor}
    until(lambda: serves(server, replacement))
    user = server.new_user()
    with alone(server, replacement):
        assert send_exactly(server, LETTER, user).startswith("250 ")
        assert len(fetch(server, user)) == 1


def require_interpreter_for_nobody() -> None:
    """A worker is a program that is run again: its user must be able to."""
    try:
        subprocess.run([sys.executable, "-c", ""], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip(f"{sys.executable} is not for everybody")
