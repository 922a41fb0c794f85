"""What is wrong with the configuration is told in one line with its remedy; the start ends before a port is open."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.integration.process import STARTS_WITHIN, ServerProcess, answers, program
from tests.integration.requirements import require_restricted_ports, require_strace, without_rights

COMMANDS = {"twistd": ["twistd", "-n", "mailserver"], "twist": ["twist", "mailserver"]}


@pytest.fixture
def server(new_server: Callable[..., ServerProcess]) -> ServerProcess:
    """A configuration to be spoilt; nothing runs."""
    return new_server()


def refused(server: ServerProcess, command: Sequence[str] = COMMANDS["twistd"], wrapper: Sequence[str] = ()) -> str:
    """The one line with which the server refuses to start."""
    name, *arguments = command
    done = subprocess.run(
        [*wrapper, program(name), *arguments, "--config", str(server.config)],
        capture_output=True,
        text=True,
        timeout=STARTS_WITHIN,
        check=False,
        cwd=server.folder,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    lines = said.strip().splitlines()
    assert len(lines) == 1, said
    for port in (server.ports.smtp, server.ports.pop3s):
        assert not answers(port)
    return lines[0]


def spoil(server: ServerProcess, old: str, new: str) -> int:
    """Replace *old* in the configuration; the number of the line where *new* stands."""
    text = server.config.read_text()
    assert old in text
    server.config.write_text(text.replace(old, new))
    return next(number for number, line in enumerate(server.config.read_text().splitlines(), 1) if new in line)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_an_unknown_key(server: ServerProcess, command: Sequence[str]) -> None:
    line = spoil(server, "hostname =", "hostnam =")
    assert refused(server, command) == (
        f'mailserver: {server.config}, line {line}: hostnam: unknown key; write "hostname"'
    )


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_wrong_type(server: ServerProcess, command: Sequence[str]) -> None:
    server.configure('[limits]\nrecipients = "many"')
    line = spoil(server, 'recipients = "many"', 'recipients = "more"')
    said = refused(server, command)
    assert said.startswith(f"mailserver: {server.config}, line {line}: limits.recipients: ")
    assert "whole number" in said


def test_no_toml_at_all(server: ServerProcess) -> None:
    line = spoil(server, "[listen]", "[listen")
    assert f"{server.config}, line {line}: " in refused(server)


def test_no_such_file(server: ServerProcess) -> None:
    server.config.unlink()
    assert str(server.config) in refused(server)


def test_a_key_file_that_is_not_there(server: ServerProcess) -> None:
    server.configure('[tls]\nkey = "tls/absent.pem"')
    line = spoil(server, "absent.pem", "gone.pem")
    said = refused(server)
    assert f"{server.config}, line {line}: tls.key: " in said
    assert f"{server.folder}/tls/gone.pem" in said


def test_a_key_file_that_may_not_be_read(server: ServerProcess) -> None:
    server.configure('[tls]\ncertificate = "tls/fullchain.pem"\nkey = "tls/privkey.pem"')
    line = spoil(server, "tls/privkey.pem", "tls/./privkey.pem")
    (server.folder / "tls" / "privkey.pem").chmod(0)
    said = refused(server, wrapper=without_rights())
    assert f"{server.config}, line {line}: tls.key: " in said
    assert "Permission denied" in said


def test_a_key_of_another_certificate(server: ServerProcess) -> None:
    server.authority.issue(server.folder / "other")
    server.configure('[tls]\ncertificate = "tls/fullchain.pem"\nkey = "other/privkey.pem"')
    said = refused(server)
    assert str(server.config) in said
    assert "other/privkey.pem" in said


def test_a_certificate_that_is_none(server: ServerProcess) -> None:
    (server.folder / "tls" / "fullchain.pem").write_text("this is no certificate\n")
    assert "fullchain.pem" in refused(server)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_port_in_use(server: ServerProcess, command: Sequence[str]) -> None:
    with socket.create_server(("127.0.0.1", server.ports.submissions)):
        said = refused(server, command)
    number = next(
        number for number, line in enumerate(server.config.read_text().splitlines(), 1) if "submissions" in line
    )
    assert said.startswith(f"mailserver: {server.config}, line {number}: listen.submissions")
    assert f"port {server.ports.submissions} on 127.0.0.1 is in use" in said


def test_no_port_is_open_when_the_start_fails(server: ServerProcess) -> None:
    strace = require_strace()
    trace = server.folder / "trace"
    tracing = [strace, "-f", "-o", str(trace), "-e", "trace=listen"]
    with socket.create_server(("127.0.0.1", server.ports.pop3)):
        refused(server, wrapper=tracing)
    assert "listen(" not in trace.read_text()


def test_no_right_for_port_25(server: ServerProcess) -> None:
    require_restricted_ports()
    line = spoil(server, f'"tcp:{server.ports.smtp}:', '"tcp:25:')
    said = refused(server, wrapper=without_rights())
    assert said.startswith(f"mailserver: {server.config}, line {line}: listen.smtp")
    assert "no right to listen on port 25" in said
    assert "--uid" in said


def test_an_address_that_this_machine_has_not(server: ServerProcess) -> None:
    line = spoil(server, f"tcp:{server.ports.pop3}:interface=127.0.0.1", "tcp:1110:interface=192.0.2.1")
    assert f"{server.config}, line {line}: listen.pop3" in refused(server)


def test_a_kind_of_endpoint_that_nobody_knows(server: ServerProcess) -> None:
    line = spoil(server, f"tcp:{server.ports.pop3}:interface=127.0.0.1", "banana:1110")
    assert f"{server.config}, line {line}: listen.pop3: " in refused(server)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_an_endpoint_that_fails_later_ends_the_start_with_status_1(
    server: ServerProcess, command: Sequence[str], workers: int
) -> None:
    server.config.write_text(f"workers = {workers}\n" + server.config.read_text())
    line = spoil(server, f"tcp:{server.ports.pop3}:interface=127.0.0.1", "systemd:domain=INET:name=pop3")
    done = subprocess.run(
        [program(command[0]), *command[1:], "--config", str(server.config)],
        capture_output=True,
        text=True,
        timeout=STARTS_WITHIN,
        check=False,
        cwd=server.folder,
    )
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert f"{server.config}, line {line}: listen.pop3: cannot listen: " in said
    assert "cannot start: " in said
    assert "Traceback" not in said


def test_a_data_directory_that_cannot_be_made(server: ServerProcess) -> None:
    (server.folder / "file").touch()
    server.config.write_text('data = "file/maildirs"\n' + server.config.read_text())
    assert "file/maildirs" in refused(server)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_the_service_is_listed(command: Sequence[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [program(command[0]), "--help"], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert "mailserver" in done.stdout
