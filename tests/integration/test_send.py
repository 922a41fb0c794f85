"""`mailserver send` and the real server: mail here and outside, without the server, after kills, and who may."""

from __future__ import annotations

import email
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.integration.process import ServerProcess, User, program
from tests.integration.wire import fetch

PATIENCE = 20.0
"""Seconds."""
CAROL = User("carol@elsewhere.example")


def wait_for_mail(server: ServerProcess, user: User, count: int = 1) -> list[bytes]:
    deadline = time.monotonic() + PATIENCE
    while len(messages := [each.octets for each in fetch(server, user)]) < count:
        assert time.monotonic() < deadline, server.log_text()
        time.sleep(0.1)
    assert len(messages) == count
    return messages


@pytest.fixture
def elsewhere(new_server: Callable[..., ServerProcess]) -> ServerProcess:
    server = new_server()
    server.admin("domain", "add", "elsewhere.example")
    server.admin("account", "add", CAROL.address, "--password-stdin", stdin=CAROL.password)
    return server


@pytest.fixture
def here(new_server: Callable[..., ServerProcess], elsewhere: ServerProcess) -> ServerProcess:
    smarthost = f'[relay]\nsmarthost = "tcp:127.0.0.1:{elsewhere.ports.smtp}"\nretry = ["1 second"]\n'
    return new_server(smarthost, accounts=2)


def test_message_reaches_a_mailbox_here_and_one_outside(here: ServerProcess, elsewhere: ServerProcess) -> None:
    here.start()
    elsewhere.start()
    alice = here.new_user()
    text = f"To: {alice.address}\nCc: {CAROL.address}\nSubject: from cron\n\nall is well\n"
    here.admin("send", "-t", "-f", alice.address, stdin=text)
    for server, user in ((here, alice), (elsewhere, CAROL)):
        (octets,) = wait_for_mail(server, user)
        message = email.message_from_bytes(octets)
        assert (message["Subject"], message.get_payload()) == ("from cron", "all is well\r\n")
        assert alice.address in message["From"]
        assert message["Message-ID"]
        assert "by mail.example.org with local id " in message.get_all("Received")[-1]
    assert here.admin("queue", "list").stdout == "no messages wait\n"
    here.stop()


def test_message_that_was_sent_while_no_server_ran_goes_when_it_starts(here: ServerProcess) -> None:
    alice = here.new_user()
    for _ in range(3):
        here.admin("send", alice.address, stdin="Subject: early\n\nx\n")
    here.start()
    assert all(b"Subject: early" in message for message in wait_for_mail(here, alice, 3))


def test_kills_lose_nothing_that_was_taken_and_make_no_second_copy_here(here: ServerProcess) -> None:
    alice = here.new_user()
    for number in range(5):
        here.start()
        for _ in range(4):
            here.admin("send", alice.address, stdin=f"Subject: number {number}\n\nx\n")
        here.kill()
    here.start()
    wait_for_mail(here, alice, 20)


def test_failure_comes_back_to_the_sender(here: ServerProcess, elsewhere: ServerProcess) -> None:
    here.start()
    elsewhere.start()
    alice = here.new_user()
    here.admin("send", "-f", alice.address, "nobody@elsewhere.example", stdin="Subject: x\n\nx\n")
    (report,) = wait_for_mail(here, alice)
    assert b"There is no mailbox nobody@elsewhere.example here" in report


def test_status_tells_programs_what_was_wrong(here: ServerProcess) -> None:
    alice = here.new_user()
    for status, arguments in ((os.EX_NOUSER, ["nobody@example.org"]), (os.EX_USAGE, []), (0, [alice.address])):
        assert here.try_admin("send", *arguments, stdin="\nx\n").returncode == status


def test_link_named_sendmail_is_the_command(here: ServerProcess) -> None:
    link = here.folder / "sendmail"
    link.symlink_to(program("mailserver"))
    alice = here.new_user()
    here.start()
    environment = {**os.environ, "MAILSERVER_CONFIG": str(here.config)}
    subprocess.run(
        [link, "-i", "-FCron Daemon", alice.address],
        input=b"Subject: x\n\n.\nx\n",
        env=environment,
        cwd=here.folder,
        timeout=PATIENCE,
        check=True,
    )
    (octets,) = wait_for_mail(here, alice)
    assert b"\r\n\r\n.\r\nx\r\n" in octets
    assert email.message_from_bytes(octets)["From"].startswith("Cron Daemon <")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_other_users_may_not_and_are_told_who_may(here: ServerProcess) -> None:
    alice = here.new_user()
    nobody = pwd.getpwnam("nobody")
    # becomes that user once the program is loaded, which may lie where others cannot read
    script = (
        "import os, sys; from twisted_mail.cli.main import main; os.setgroups([]);"
        f"os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid}); sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "send", "--config", str(here.config), alice.address],
        input=b"Subject: x\n\nx\n",
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == os.EX_NOPERM, done.stderr
    assert b"only that user and root may send this way" in done.stderr
