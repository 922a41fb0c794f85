"""`mailserver init` into an empty folder: the server starts with what it made, and a message goes in and out."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.process import FAULTS, STARTS_WITHIN, STOPS_WITHIN, answers, free_port, program
from tests.integration.requirements import NOBODY, require_program, require_root
from tests.integration.terminal import Terminal

GIVEN = ("--domain", "example.org", "--hostname", "mail.example.org", "--account", "alice@example.org")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAILSERVER_CONFIG", raising=False)


def mailserver(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("mailserver"), *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def with_free_ports(config: Path) -> dict[int, int]:
    """Give the configuration other ports, which other tests do not use: usual port -> the one it has now."""
    ports = {usual: free_port() for usual in (25, 587, 465, 110, 995, 8025)}
    text = config.read_text()
    for usual, port in ports.items():
        text = re.sub(
            rf'"tcp:(?:{usual}|{usual + 1000})(?::interface=127.0.0.1)?"', f'"tcp:{port}:interface=127.0.0.1"', text
        )
    config.write_text(re.sub(r"(?m)^#(\w+ = \[\"tcp:\d+:interface=127.0.0.1\"\])$", r"\1", text))
    return ports


class Running:
    """A server process that was started with a command line of its own."""

    def __init__(self, command: list[str], folder: Path, ports: dict[int, int]) -> None:
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + STARTS_WITHIN
        while not all(answers(port) for usual, port in ports.items() if usual != 8025):
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Until *text* is in the log."""
        deadline = time.monotonic() + STARTS_WITHIN
        while text not in self.log():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOPS_WITHIN) in (0, -signal.SIGTERM), self.log()
        assert not FAULTS.search(self.log()), self.log()


@pytest.fixture
def running() -> Iterator[list[Running]]:
    servers: list[Running] = []
    yield servers
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.mark.usefixtures("environment")
def test_trial_starts_and_a_message_goes_in_and_out(tmp_path: Path, running: list[Running]) -> None:
    done = mailserver(
        tmp_path, "init", "--config", "mailserver.toml", "--trial", *GIVEN, "--password-stdin", stdin="A secret\n"
    )
    assert done.returncode == 0, done.stderr
    config = tmp_path / "mailserver.toml"
    ports = with_free_ports(config)
    running.append(Running([program("twistd"), "-n", "mailserver", "--config", str(config)], tmp_path, ports))
    tried = mailserver(tmp_path, "try", "--config", str(config))
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "certificate valid for mail.example.org" in tried.stdout
    running[0].stop()


@pytest.mark.usefixtures("environment")
def test_command_of_the_unit_runs_as_its_user_with_nothing_of_root_but_low_ports(
    tmp_path_factory: pytest.TempPathFactory, running: list[Running]
) -> None:
    require_root()
    setpriv = require_program("setpriv", "util-linux")
    # not below the folder of all tests, which only root may enter
    folder = Path("/tmp") / tmp_path_factory.mktemp("init").name
    folder.mkdir()
    try:
        done = mailserver(folder, "init", "--config", "mailserver.toml", *GIVEN, "--password-stdin", stdin="A secret\n")
        assert done.returncode == 0, done.stderr
        config, unit = folder / "mailserver.toml", (folder / "twisted-mail.service").read_text()
        ports = with_free_ports(config)
        for path in (folder, folder / "maildirs", *(folder / "maildirs").rglob("*"), folder / "tls" / "privkey.pem"):
            os.chown(path, NOBODY, NOBODY)
        (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        rights = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--no-new-privs"]
        rights += ["--inh-caps", "-all,+net_bind_service", "--ambient-caps", "-all,+net_bind_service"]
        rights += ["--bounding-set", "-all,+net_bind_service"]
        if subprocess.run(
            [setpriv, *rights, program("twist"), "--version"], capture_output=True, check=False
        ).returncode:
            pytest.skip("this interpreter lies where others may not read")
        running.append(Running([setpriv, *rights, *shlex.split(command)], folder, ports))
        tried = mailserver(folder, "try", "--config", str(config))
        assert tried.returncode == 0, tried.stdout + tried.stderr
        assert "ExecReload=/bin/kill -HUP $MAINPID" in unit
        running[0].process.send_signal(signal.SIGHUP)
        running[0].wait_for("certificates loaded")
        running[0].stop()
        assert any("is ready" in json.loads(line).get("text", "") for line in running[0].log().splitlines())
        assert {path.stat().st_uid for path in (folder / "maildirs").rglob("*")} == {NOBODY}
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=False)


@pytest.mark.usefixtures("environment")
def test_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    analyze = require_program("systemd-analyze", "systemd")
    done = mailserver(tmp_path, "init", "--config", "mailserver.toml", *GIVEN, "--password-stdin", stdin="A secret\n")
    assert done.returncode == 0, done.stderr
    unit = str(tmp_path / "twisted-mail.service")
    verified = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    assert unit not in verified.stderr, verified.stderr
    assert "twisted-mail.service" not in verified.stderr, verified.stderr
    judged = subprocess.run(
        [analyze, "security", "--offline=true", "--json=short", unit],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    exposed = {row["json_field"] for row in json.loads(judged.stdout) if row["set"] is False}
    assert exposed.isdisjoint({"UserOrDynamicUser", "NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp"})


@pytest.mark.usefixtures("environment")
def test_sockets_that_systemd_opened_are_served_as_the_unit_says(tmp_path: Path, running: list[Running]) -> None:
    activate = require_program("systemd-socket-activate", "systemd")
    done = mailserver(tmp_path, "init", "--config", "mailserver.toml", *GIVEN, "--password-stdin", stdin="A secret\n")
    assert done.returncode == 0, done.stderr
    config, unit = tmp_path / "mailserver.toml", (tmp_path / "twisted-mail.service").read_text()
    ports = with_free_ports(config)
    (written,) = re.findall(r"^# +(smtp = .*)$", unit, re.MULTILINE)
    config.write_text(re.sub(r"(?m)^smtp = .*$", written, config.read_text()))
    (name,) = re.findall(r"^# +FileDescriptorName=(.*)$", unit, re.MULTILINE)
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    listen = [activate, "-l", f"127.0.0.1:{ports[25]}", f"--fdname={name}", *shlex.split(command)]
    running.append(Running(listen, tmp_path, ports))
    assert mailserver(tmp_path, "try", "--config", str(config)).returncode == 0
    running[0].stop()


@pytest.mark.usefixtures("environment")
def test_three_questions_on_a_terminal(tmp_path: Path) -> None:
    command = [program("mailserver"), "init", "--config", "mailserver.toml", "--trial"]
    terminal = Terminal(command, os.environ, tmp_path)
    try:
        for question, answer in (
            ("Domain", "example.org"),
            ("Full name", ""),
            ("First account", "alice"),
            ("New password", "A secret"),
            ("The same again", "A secret"),
        ):
            terminal.read_until(question)
            terminal.type(answer)
        screen = terminal.read_until("")
        assert "added alice@example.org" in screen
        assert "A secret" not in screen
    finally:
        terminal.close()
