"""Run as a service: rights are dropped after the ports are bound, and SIGTERM ends everything in order."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.process import FAULTS, STARTS_WITHIN, ServerProcess, answers, free_port, program
from tests.integration.requirements import NOBODY, require_root
from tests.integration.wire import Wire, fetch, log_in, send_exactly, without_trace

LETTER = b"Subject: a letter\r\n\r\nbody\r\n"


def free_low_port() -> int:
    """One that only root may bind."""
    for port in range(825, 1000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    pytest.skip("no port below 1024 is free")


def test_root_binds_and_reads_the_key_then_becomes_somebody_else(new_server: Callable[..., ServerProcess]) -> None:
    require_root()
    server = new_server()
    server.ports = replace(server.ports, smtp=free_low_port())
    server.configure()
    server.create_accounts(1)
    for path in (server.maildirs, *server.maildirs.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    key = server.folder / "tls" / "privkey.pem"
    assert (key.stat().st_uid, key.stat().st_mode & 0o777) == (0, 0o600)
    server.twistd_options = ("--uid", str(NOBODY), "--gid", str(NOBODY), "--pidfile=")
    server.start()

    status = Path(f"/proc/{server.pid}/status").read_text()
    assert f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}" in status
    assert f"Gid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}" in status
    user = server.new_user()
    assert send_exactly(server, LETTER, user).startswith("250 ")
    [file] = server.stored(user)
    for path in (file, file.parent, server.maildir(user)):
        assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY), path
    [message] = fetch(server, user)
    assert without_trace(message.octets) == LETTER
    server.stop()


def test_a_first_start_gives_the_data_directory_to_the_user_it_becomes(
    new_server: Callable[..., ServerProcess],
) -> None:
    require_root()
    server = new_server()
    server.twistd_options = ("--uid", str(NOBODY), "--gid", str(NOBODY), "--pidfile=")
    server.start()
    server.create_accounts(1)  # as root, beside the running server
    user = server.new_user()
    assert send_exactly(server, LETTER, user).startswith("250 ")
    [message] = fetch(server, user)
    assert without_trace(message.octets) == LETTER
    server.stop()
    owners = {path.stat().st_uid for path in (server.maildirs, *server.maildirs.rglob("*"))}
    assert owners == {NOBODY}


@pytest.fixture
def own_server(new_server: Callable[..., ServerProcess]) -> ServerProcess:
    server = new_server(accounts=4)
    server.start()
    return server


def begin_data(server: ServerProcess, recipient: str) -> Wire:
    """A client that may send its message now."""
    wire = Wire(server.ports.smtp)
    wire.reply()
    wire.say("EHLO client.example")
    wire.say("MAIL FROM:<them@else.example>")
    assert wire.say(f"RCPT TO:<{recipient}>").startswith("250 ")
    assert wire.say("DATA").startswith("354 ")
    return wire


def wait_until_closed(port: int) -> None:
    while answers(port):
        pass


def test_sigterm_lets_a_message_in_flight_finish_and_sends_the_rest_away(own_server: ServerProcess) -> None:
    server = own_server
    sender, reader = server.new_user(), server.new_user()
    idle_smtp = Wire(server.ports.smtp)
    idle_smtp.reply()
    greeted = Wire(server.ports.submissions, server.tls)
    greeted.reply()
    greeted.say("EHLO client.example")
    idle_pop3 = Wire(server.ports.pop3)
    idle_pop3.reply()
    logged_in = log_in(server, reader)
    in_flight = begin_data(server, sender.address)
    in_flight.send(b"Subject: in flight\r\n\r\nfirst half\r\n")
    not_begun = begin_data(server, sender.address)

    server.terminate()
    for wire, farewell in (
        (idle_smtp, b"421 4.3.2 "),
        (greeted, b"421 4.3.2 "),
        (idle_pop3, b"-ERR [SYS/TEMP] "),
        (logged_in, b"-ERR [SYS/TEMP] "),
    ):
        assert wire.rest().startswith(farewell)
        wire.drop()
    for port in (server.ports.smtp, server.ports.pop3s):
        wait_until_closed(port)
    assert server.is_running
    in_flight.send(b"second half\r\n.\r\n")
    not_begun.send(b"Subject: from the start\r\n\r\n.\r\n")
    for wire in (in_flight, not_begun):
        assert wire.reply().startswith("250 2.0.0 Stored as ")
        assert wire.reply().startswith("421 ")
        assert wire.rest() == b""
    server.assert_ended_in_order()
    first, second = sorted((file.read_bytes() for file in server.stored(sender)), key=len)
    assert first.endswith(b"\nSubject: from the start\n\n")
    assert second.endswith(b"\n\nfirst half\nsecond half\n")


@pytest.mark.slow
def test_sigterm_waits_no_longer_than_a_bounded_time_for_a_sender_who_stopped(own_server: ServerProcess) -> None:
    user = own_server.new_user()
    with begin_data(own_server, user.address) as wire:
        wire.send(b"Subject: never finished\r\n")
        own_server.terminate()
        own_server.assert_ended_in_order()
    assert own_server.stored(user) == []
    assert list(own_server.maildirs.glob("*/*/tmp/*")) == []


def test_sigterm_lets_a_large_answer_finish(own_server: ServerProcess) -> None:
    user = own_server.new_user()
    octets = b"Subject: large\r\n\r\n" + b"x" * 76 * 100_000 + b"\r\n"
    send_exactly(own_server, octets, user)
    with log_in(own_server, user) as wire:
        wire.send(b"RETR 1\r\n")
        assert wire.reply().startswith("+OK")
        own_server.terminate()
        assert without_trace(wire.multiline()) == octets
        assert wire.rest().startswith(b"-ERR [SYS/TEMP] ")
    own_server.assert_ended_in_order()


def test_sigterm_deletes_nothing_that_quit_did_not_confirm(own_server: ServerProcess) -> None:
    user = own_server.new_user()
    send_exactly(own_server, LETTER, user)
    with log_in(own_server, user) as wire:
        wire.say("DELE 1")
        own_server.terminate()
        assert wire.rest().startswith(b"-ERR [SYS/TEMP] ")
    own_server.assert_ended_in_order()
    assert len(own_server.stored(user)) == 1


def test_a_restart_at_once_finds_its_ports_free(own_server: ServerProcess) -> None:
    for _ in range(2):
        with Wire(own_server.ports.smtp) as wire:  # leaves the server's side in TIME_WAIT
            wire.reply()
            own_server.terminate()
            wire.rest()
        own_server.assert_ended_in_order()
        own_server.start()


def test_control_c_ends_in_order_too(own_server: ServerProcess) -> None:
    os.kill(own_server.pid, signal.SIGINT)
    assert own_server.wait() in (0, -signal.SIGINT)
    own_server.assert_log_is_clean()


def test_a_daemon_runs_in_the_background_and_leaves_nothing_readable(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=1)
    user = server.new_user()
    subprocess.run(
        [program("twistd"), "--logfile", "daemon.log", "mailserver", "--config", "mailserver.toml"],
        cwd=server.folder,
        check=True,
        timeout=STARTS_WITHIN,
    )
    pid = int((server.folder / "twistd.pid").read_text())
    try:
        while not answers(server.ports.smtp):
            os.kill(pid, 0)  # it lives
        assert send_exactly(server, LETTER, user).startswith("250 ")
    finally:
        os.kill(pid, signal.SIGTERM)
    while (server.folder / "twistd.pid").exists():
        time.sleep(0.02)
    assert "Server Shut Down" in (server.folder / "daemon.log").read_text()
    assert not FAULTS.search((server.folder / "daemon.log").read_text())
    [file] = server.stored(user)
    assert file.stat().st_mode & 0o077 == 0


def test_a_service_listens_on_several_addresses(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=1)
    second = free_port()
    addresses = f'smtp = ["tcp:{second}:interface=127.0.0.2", '
    server.config.write_text(server.config.read_text().replace("smtp = [", addresses))
    server.start()
    for address in (("127.0.0.1", server.ports.smtp), ("127.0.0.2", second)):
        with socket.create_connection(address, 10) as client:
            assert client.recv(100).startswith(b"220 ")
