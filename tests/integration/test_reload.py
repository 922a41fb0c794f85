"""The running server takes another configuration, and drops no connection for it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.process import DOMAIN, PASSWORD, ServerProcess, free_port
from tests.integration.wire import Wire

NewServer = Callable[..., ServerProcess]

SMALL = '[limits]\nmessage_size = "100 KiB"\n'


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def server(new_server: NewServer, request: pytest.FixtureRequest) -> ServerProcess:
    server = new_server()
    write(server, request.param)
    server.start()
    return server


def write(server: ServerProcess, workers: int, more: str = "") -> None:
    server.configure(more)
    server.config.write_text(f"workers = {workers}\n{server.config.read_text()}")


def workers_of(server: ServerProcess) -> int:
    return int(server.config.read_text().partition("\n")[0].removeprefix("workers = "))


def size_offered(port: int) -> str:
    with Wire(port) as wire:
        wire.reply()
        return next(line for line in wire.say("EHLO c.example").splitlines() if "SIZE" in line).split()[-1]


def test_new_connections_have_the_new_limits_and_open_ones_go_on(server: ServerProcess) -> None:
    with Wire(server.ports.smtp) as before, Wire(server.ports.pop3) as idle:
        before.reply()
        idle.reply()
        assert "SIZE 52428800" in before.say("EHLO c.example")
        before.say("MAIL FROM:<a@example.net>")
        write(server, workers_of(server), SMALL)
        assert "has read its configuration again" in server.admin("reload").stdout
        assert size_offered(server.ports.smtp) == "102400"
        assert before.say(f"RCPT TO:<postmaster@{DOMAIN}>").startswith(("250", "550"))
        assert before.say("RSET").startswith("250")
        assert idle.say("NOOP").startswith("-ERR")  # before the login; it answers
        assert before.say("QUIT").startswith("221")


def test_wrong_configuration_is_told_and_changes_nothing(server: ServerProcess) -> None:
    write(server, workers_of(server), SMALL + "recipients = 0\n")
    refused = server.try_admin("reload")
    assert refused.returncode == 1
    assert "limits.recipients" in refused.stderr
    os.kill(server.pid, signal.SIGHUP)
    while "the configuration stays as it was" not in server.log_text():
        assert server.is_running
    assert size_offered(server.ports.smtp) == "52428800"


def test_ports_come_and_go(server: ServerProcess) -> None:
    more = free_port()
    text = server.config.read_text()
    old = f'smtp = ["tcp:{server.ports.smtp}:interface=127.0.0.1"]'
    server.config.write_text(text.replace(old, f'smtp = ["tcp:{more}:interface=127.0.0.1"]'))
    with Wire(server.ports.smtp) as before:
        before.reply()
        server.admin("reload")
        with Wire(more) as wire:
            assert wire.reply().startswith("220")
        assert before.say("NOOP").startswith("250")
        refused(server.ports.smtp)
    server.config.write_text(text)
    server.admin("reload")
    with Wire(server.ports.smtp) as wire:
        assert wire.reply().startswith("220")


def refused(port: int) -> None:
    """Nobody takes connections there; where workers have to hear of it first, soon nobody."""
    for _ in range(200):
        with socket.socket() as probe:
            probe.settimeout(5)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
    pytest.fail(f"port {port} is still open")


def test_port_that_another_program_has_is_told_and_changes_nothing(server: ServerProcess) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        text = server.config.read_text()
        server.config.write_text(text.replace("web = []", f'web = []\nlmtp = ["tcp:{port}:interface=127.0.0.1"]'))
        done = server.try_admin("reload")
    assert done.returncode == 1
    assert "is in use" in done.stderr
    assert size_offered(server.ports.smtp) == "52428800"


def test_address_that_cannot_be_listened_at_is_told_and_changes_nothing(server: ServerProcess) -> None:
    smtp = f'["tcp:{server.ports.smtp}:interface=127.0.0.1"]'
    for spoilt, words in (("banana:25", "unknown kind of endpoint"), ("systemd:domain=INET:name=x", "cannot listen")):
        text = server.config.read_text()
        server.config.write_text(text.replace(smtp, f'["{spoilt}"]'))
        done = server.try_admin("reload")
        assert done.returncode == 1
        assert words in done.stderr + server.log_text()  # a worker tells its log only
        server.config.write_text(text)
    assert size_offered(server.ports.smtp) == "52428800"
    server.admin("reload")
    assert size_offered(server.ports.smtp) == "52428800"


def test_workers_can_be_more_and_fewer(new_server: NewServer) -> None:
    server = new_server()
    for workers in (1, 2, 1):
        write(server, workers)
        if workers == 1 and not server.is_running:
            server.start()
        else:
            server.admin("reload")
        assert size_offered(server.ports.smtp) == "52428800"


def test_message_that_waits_in_the_queue_is_sent_by_the_service_that_has_taken_over(new_server: NewServer) -> None:
    other, server = new_server(), new_server()
    port = other.ports.smtp
    relay = f'[relay]\nretry = ["1 second"]\n[routes]\n"example.net" = "tcp:127.0.0.1:{port}"\n'
    server.configure(f"[auth]\nallow_plaintext = true\n{relay}")
    server.admin("domain", "add", DOMAIN)
    server.admin("account", "add", f"alice@{DOMAIN}", "--password-stdin", stdin=PASSWORD)
    server.start()
    server.admin("send", "-f", f"alice@{DOMAIN}", "bob@example.net", stdin="Subject: x\n\nx\n")
    other.admin("domain", "add", "example.net")
    other.admin("account", "add", "bob@example.net", "--password-stdin", stdin=PASSWORD)
    other.start()
    server.configure(f"[auth]\nallow_plaintext = true\n{SMALL}{relay}")
    server.admin("reload")
    new = Path(other.maildirs / "example.net" / "bob" / "new")
    while not (new.is_dir() and list(new.iterdir())):
        assert server.is_running
    assert server.admin("queue", "list", "--json").stdout.strip() == "[]"


def test_reload_without_a_server_says_so(new_server: NewServer) -> None:
    refused = new_server().try_admin("reload")
    assert refused.returncode == 1
    assert "no server runs" in refused.stderr


def test_stop_while_old_connections_drain_ends_all(server: ServerProcess) -> None:
    with Wire(server.ports.smtp) as before:
        before.reply()
        write(server, workers_of(server), SMALL)
        server.admin("reload")
        server.stop()
        assert before.reply().startswith("421")
