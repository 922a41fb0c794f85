"""Mail to other domains, from a user's submission through the queue to another server of ours: all on loopback."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable, Iterator

import pytest

from tests.integration.process import PASSWORD, ServerProcess, User
from tests.integration.test_submission import connect, letter
from tests.integration.wire import fetch

PATIENCE = 30.0
"""Seconds for a message to arrive."""
CAROL = User("carol@elsewhere.example")

NewServer = Callable[..., ServerProcess]


def wait_for_mail(server: ServerProcess, user: User, count: int = 1) -> bytes:
    """The last of *count* messages of *user*, once all are there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        folder = server.maildirs.joinpath(*reversed(user.address.split("@")))
        if len(list(folder.glob("new/*"))) >= count:
            return fetch(server, user)[-1].octets
        assert time.monotonic() < deadline, f"no mail for {user.address}:\n{server.log_text()}"
        time.sleep(0.05)


@pytest.fixture
def elsewhere(new_server: NewServer) -> ServerProcess:
    """The server of another domain, with one account; not started."""
    server = new_server()
    server.admin("domain", "add", "elsewhere.example")
    server.admin("account", "add", CAROL.address, "--password-stdin", stdin=f"{PASSWORD}\n")
    return server


@pytest.fixture
def here(new_server: NewServer, elsewhere: ServerProcess) -> Iterator[ServerProcess]:
    """A server that sends what leaves to that one, quickly tried again."""
    smarthost = f'[relay]\nsmarthost = "tcp:127.0.0.1:{elsewhere.ports.smtp}"\nretry = ["1 second"]\n'
    server = new_server(smarthost, accounts=2)
    server.start()
    yield server
    server.assert_log_is_clean()


def send(server: ServerProcess, user: User, *recipients: str) -> None:
    with connect(server, "submission") as client:
        client.login(user.address, user.password)
        message = letter(user.address, ", ".join(recipients), Subject="over there")
        refused = client.send_message(message, user.address, list(recipients))
    assert refused == {}


def test_message_to_another_domain_arrives_there(here: ServerProcess, elsewhere: ServerProcess) -> None:
    elsewhere.start()
    alice = here.new_user()
    send(here, alice, CAROL.address)
    octets = wait_for_mail(elsewhere, CAROL)
    assert f"Return-Path: <{alice.address}>".encode() in octets
    assert octets.count(b"\r\nReceived: ") == 2
    assert octets.endswith(b"\r\n\r\nA letter.\r\n")


def test_recipients_here_and_there_both_get_it(here: ServerProcess, elsewhere: ServerProcess) -> None:
    elsewhere.start()
    alice, bob = here.new_user(), here.new_user()
    send(here, alice, bob.address, CAROL.address)
    assert b"over there" in wait_for_mail(here, bob)
    assert b"over there" in wait_for_mail(elsewhere, CAROL)


def test_unknown_recipient_there_is_reported_to_the_sender(here: ServerProcess, elsewhere: ServerProcess) -> None:
    elsewhere.start()
    alice = here.new_user()
    send(here, alice, "nobody@elsewhere.example")
    report = wait_for_mail(here, alice)
    assert b"Return-Path: <>" in report
    assert b"multipart/report" in report
    assert b"Final-Recipient: rfc822; nobody@elsewhere.example" in report
    assert b"Status: 5.1.1" in report
    assert b"There is no mailbox nobody@elsewhere.example here" in report


def test_server_that_is_down_gets_it_once_it_is_up_also_after_a_restart(
    here: ServerProcess, elsewhere: ServerProcess
) -> None:
    alice = here.new_user()
    send(here, alice, CAROL.address)
    time.sleep(1.5)  # an attempt or two have failed by now
    here.kill()
    elsewhere.start()
    here.start()
    assert b"over there" in wait_for_mail(elsewhere, CAROL)


def test_stranger_may_not_send_through_us(here: ServerProcess) -> None:
    with smtplib.SMTP("127.0.0.1", here.ports.smtp) as client:
        client.ehlo()
        client.mail("x@sender.example")
        code, text = client.rcpt(CAROL.address)
    assert (code, text[:5]) == (550, b"5.7.1")


def test_address_that_is_refused_again_and_again_is_left_alone_until_it_is_removed(
    here: ServerProcess, elsewhere: ServerProcess
) -> None:
    elsewhere.start()
    alice = here.new_user()
    for count in range(1, 4):
        send(here, alice, "nobody@elsewhere.example")
        assert b"There is no mailbox" in wait_for_mail(here, alice, count)
    assert "nobody@elsewhere.example" in here.admin("suppression", "list").stdout
    elsewhere.kill()  # the next refusal is not its own
    send(here, alice, "nobody@elsewhere.example")
    assert b"was refused 3 times in a week" in wait_for_mail(here, alice, 4)
    here.admin("suppression", "remove", "nobody@elsewhere.example")
    assert here.admin("suppression", "list").stdout == "no address is suppressed\n"


def test_account_sends_no_more_than_it_may_also_after_a_restart(here: ServerProcess) -> None:
    alice, bob = here.new_user(), here.new_user()
    here.admin("account", "set", alice.address, "messages-per-hour=1")
    send(here, alice, bob.address)
    here.kill()
    here.start()
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(here, alice, bob.address)
    assert refused.value.smtp_code == 451
    assert b"You may send 1 message an hour: try again in 60 minutes" in refused.value.smtp_error
    send(here, bob, alice.address)
