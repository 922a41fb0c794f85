"""`mailserver try` against the real process, also as root for another owner (demo mode: test_demo.py)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.integration.process import DOMAIN, FAULTS, ServerProcess, program
from tests.integration.requirements import NOBODY, require_root
from tests.integration.terminal import Terminal

NewServer = Callable[..., ServerProcess]


def trusting(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> ServerProcess:
    """Have commands trust the test's authority, and the server call itself what its certificate says."""
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority.file))
    server.config.write_text(server.config.read_text().replace("mail.example.org", "localhost"))
    server.admin("domain", "add", DOMAIN)
    return server


def traces(server: ServerProcess) -> list[str]:
    """What is left of the account."""
    return [*server.admin("account", "list").stdout.splitlines()[1:], *map(str, (server.maildirs / DOMAIN).glob("*"))]


def test_a_message_goes_out_and_comes_back_and_nothing_of_it_stays(
    new_server: NewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = trusting(new_server(), monkeypatch)
    server.start()
    done = server.admin("try")
    assert done.stdout.splitlines()[-1].startswith("It works: ")
    assert "C: STARTTLS" in done.stdout
    assert "C: STLS" in done.stdout
    assert done.stdout.count("certificate valid for localhost") == 2
    assert "C: PASS (struck out)" in done.stdout
    assert traces(server) == []


def test_a_certificate_that_mail_programs_would_not_trust_is_one_line(
    new_server: NewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = trusting(new_server(), monkeypatch)
    monkeypatch.delenv("SSL_CERT_FILE")
    server.start()
    done = server.try_admin("try")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "will not trust the certificate" in done.stderr
    assert traces(server) == []


def test_a_server_that_does_not_run_is_one_line(new_server: NewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server = trusting(new_server(), monkeypatch)
    done = server.try_admin("try")
    assert done.returncode == 1
    assert "start the server" in done.stderr
    assert traces(server) == []


def test_root_leaves_nothing_that_the_owner_of_the_data_directory_could_not_use(
    new_server: NewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_root()
    server = new_server()
    server.maildirs.mkdir(mode=0o700)
    os.chown(server.maildirs, NOBODY, NOBODY)
    trusting(server, monkeypatch)
    server.twistd_options = ("--uid", str(NOBODY), "--gid", str(NOBODY))
    server.start()
    assert "It works" in server.admin("try").stdout
    assert {file.stat().st_uid for file in server.maildirs.rglob("*")} == {NOBODY}


def test_control_c_ends_the_server_in_order(new_server: NewServer) -> None:
    server = new_server()
    command = [program("twistd"), "-n", "mailserver", "--config", str(server.config)]
    terminal = Terminal(command, os.environ, server.folder)
    try:
        terminal.read_until("is ready")
        os.kill(terminal.process.pid, signal.SIGINT)
        screen = terminal.read_until("")
        assert "Server Shut Down" in screen
        assert not FAULTS.search(screen)
    finally:
        terminal.close()
