"""Demo mode: a first start in an empty folder, without configuration, makes everything; the next ones reuse it."""

from __future__ import annotations

import os
import poplib
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.integration.process import FAULTS, STARTS_WITHIN, STOPS_WITHIN, answers, program
from tests.integration.terminal import Terminal

SMTP, SUBMISSION, SUBMISSIONS, POP3, POP3S = PORTS = (1025, 1587, 1465, 1110, 1995)
COMMAND = [program("twistd"), "-n", "mailserver"]
ADDRESS = "demo@localhost"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Empty.  Demo mode's ports cannot be chosen: somebody else's server is left alone."""
    taken = [port for port in PORTS if answers(port)]
    if taken:
        pytest.skip(f"ports {taken} are in use by another program")
    if Path("/etc/twisted-mail/mailserver.toml").exists():
        pytest.skip("this machine has a configuration")
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "MAILSERVER_CONFIG"} | {"TERM": "xterm"}


class Demo:
    """Demo mode without a terminal."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                COMMAND, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + STARTS_WITHIN
        while not all(answers(port) for port in PORTS):
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> None:
        end(self.process)
        assert not FAULTS.search(self.log()), self.log()

    def password(self) -> str:
        """From the file that the log names."""
        match = re.search(r"password in (\S+)", self.log())
        assert match is not None, self.log()
        return Path(match[1]).read_text().strip()

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "maildirs" / ".server" / "tls" / "ca.pem"))


@pytest.fixture
def demo(folder: Path, environment: dict[str, str]) -> Iterator[Demo]:
    demo = Demo(folder, environment)
    yield demo
    demo.stop()


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(STOPS_WITHIN) in (0, -signal.SIGTERM)


def inbox(context: ssl.SSLContext, password: str) -> list[bytes]:
    client = poplib.POP3_SSL("localhost", POP3S, context=context)
    client.user(ADDRESS)
    client.pass_(password)
    messages = [b"\n".join(client.retr(number + 1)[1]) for number in range(client.stat()[0])]
    client.quit()
    return messages


def test_a_terminal_shows_a_page_to_act_on(folder: Path, environment: dict[str, str]) -> None:
    terminal = Terminal(COMMAND, environment, folder)
    try:
        page = terminal.read_until("is ready")
        for needed in (
            ADDRESS,
            "1025",
            "1587",
            "1465",
            "1110",
            "1995",
            ":8025/",
            "Thunderbird",
            "Outlook",
            "mailserver try",
        ):
            assert needed in page, needed
        assert str(folder / "maildirs") in page
        with urllib.request.urlopen("http://localhost:8025/", timeout=20) as reply:
            assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
            assert f"mailserver account passwd {ADDRESS}".encode() in reply.read()
        assert re.search(r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}", page)
        password = re.search(r"Password +(\S+)", page)
        assert password is not None
        context = ssl.create_default_context(cafile=str(folder / "maildirs" / ".server" / "tls" / "ca.pem"))
        assert inbox(context, password[1]) == []
        assert not (folder / "maildirs" / ".server" / "demo-password").exists()
        end(terminal.process)
    finally:
        terminal.close()
    assert 10 <= len([line for line in page[: page.index("is ready")].splitlines() if line.startswith("  ")]) <= 20
    again = Terminal(COMMAND, environment, folder)
    try:
        second_page = again.read_until("is ready")
        assert password[1] not in second_page
        assert "mailserver account passwd" in second_page
        assert inbox(context, password[1]) == []
        end(again.process)
    finally:
        again.close()


def test_without_a_terminal_the_password_lies_in_a_private_file(demo: Demo) -> None:
    match = re.search(r"password in (\S+)", demo.log())
    assert match is not None, demo.log()
    assert Path(match[1]).stat().st_mode & 0o777 == 0o600
    assert demo.password() not in demo.log()
    assert inbox(demo.trusting(), demo.password()) == []


def test_a_second_start_reuses_what_the_first_made(folder: Path, environment: dict[str, str]) -> None:
    first = Demo(folder, environment)
    password, context = first.password(), first.trusting()
    certificate = ssl.get_server_certificate(("localhost", POP3S))
    first.stop()
    second = Demo(folder, environment)
    try:
        assert ssl.get_server_certificate(("localhost", POP3S)) == certificate
        assert inbox(context, password) == []
    finally:
        second.stop()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", socket.gethostname()])
def test_the_certificate_is_good_for_this_machine(demo: Demo, name: str) -> None:
    with (
        socket.create_connection(("127.0.0.1", SUBMISSIONS), 10) as plain,
        demo.trusting().wrap_socket(plain, server_hostname=name) as wire,
    ):
        assert wire.recv(100).startswith(b"220 ")


def test_nobody_outside_can_connect(demo: Demo) -> None:
    inodes = {os.readlink(file) for file in Path(f"/proc/{demo.process.pid}/fd").iterdir()}
    listening = {}
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{demo.process.pid}/net/{table}").read_text().splitlines()[1:]:
            columns = row.split()
            if columns[3] == "0A" and f"socket:[{columns[9]}]" in inodes:
                host, _, port = columns[1].partition(":")
                listening[int(port, 16)] = (table, host)
    assert set(PORTS) <= listening.keys()
    loopback = {("tcp", "0100007F"), ("tcp6", "00000000000000000000000001000000")}
    assert set(listening.values()) <= loopback


def test_alias_that_leads_out_lands_in_the_demo_mailbox_too(demo: Demo, environment: dict[str, str]) -> None:
    command = [program("mailserver"), "alias", "add", "team@localhost", "someone@far.example"]
    done = subprocess.run(command, cwd=demo.folder, env=environment, capture_output=True, text=True, check=True)
    assert "demo mode sends nothing out: what is for someone@far.example lands in the demo mailbox" in done.stdout
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "anybody@else.example", "team@localhost", "to the team"
    letter.set_content("x\n")
    with smtplib.SMTP("localhost", SMTP) as client:
        client.send_message(letter)
    [octets] = inbox(demo.trusting(), demo.password())
    assert b"Return-Path: <anybody@else.example>" in octets


def test_mail_to_any_domain_lands_in_the_demo_mailbox(demo: Demo) -> None:
    password = demo.password()
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "anybody@else.example", "someone@far.example", "from outside"
    letter.set_content("x\n")
    with smtplib.SMTP("localhost", SMTP) as client:
        client.send_message(letter)
    del letter["From"], letter["Subject"]
    letter["From"], letter["Subject"] = ADDRESS, "submitted"
    with smtplib.SMTP("localhost", SUBMISSION) as client:
        client.starttls(context=demo.trusting())
        client.login(ADDRESS, password)
        client.send_message(letter)
    messages = inbox(demo.trusting(), password)
    assert [b"Subject: from outside" in messages[0], b"Subject: submitted" in messages[1]] == [True, True]


def test_mailserver_try_shows_both_dialogues_and_leaves_no_mail(demo: Demo, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [program("mailserver"), "try"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=demo.folder,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in ("EHLO", "MAIL FROM", "250 2.0.0 Stored as", "RETR 1", "+OK"):
        assert said in done.stdout, done.stdout
    assert demo.password() not in done.stdout
    assert inbox(demo.trusting(), demo.password()) == []


def test_the_command_finds_the_same_data_directory(demo: Demo, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [program("mailserver"), "account", "passwd", ADDRESS, "--password-stdin"],
        input="one of my own\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=demo.folder,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert inbox(demo.trusting(), "one of my own") == []
