"""Aliases that lead to another server, lists, and reports that come back: two servers of ours, all on loopback."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.integration.process import PASSWORD, ServerProcess, User
from tests.integration.test_outgoing import CAROL, send, wait_for_mail
from tests.integration.test_submission import connect
from tests.integration.wire import Wire, fetch, send_exactly

DAVE = User("dave@elsewhere.example")
"""Who writes, with an account on the other server, where reports arrive."""
INFO = User("info@example.org")
LETTER = b"From: dave@elsewhere.example\r\nSubject: to all\r\n\r\nA letter.\r\n"

NewServer = Callable[..., ServerProcess]


def sends_to(server: ServerProcess) -> str:
    return f'[relay]\nsmarthost = "tcp:127.0.0.1:{server.ports.smtp}"\nretry = ["1 second"]\n'


@pytest.fixture
def there(new_server: NewServer) -> ServerProcess:
    """The server of elsewhere.example; not started."""
    server = new_server()
    server.admin("domain", "add", "elsewhere.example")
    for user in (CAROL, DAVE):
        server.admin("account", "add", user.address, "--password-stdin", stdin=f"{PASSWORD}\n")
    return server


@pytest.fixture
def here(new_server: NewServer, there: ServerProcess) -> Iterator[ServerProcess]:
    """The server of example.org; each sends all that leaves to the other."""
    here = new_server(sends_to(there), accounts=2)
    there.configure(sends_to(here))
    here.start()
    there.start()
    yield here
    here.assert_log_is_clean()
    there.assert_log_is_clean()


def return_path(octets: bytes) -> str:
    match = re.match(rb"Return-Path: <(.*)>\r\n", octets)
    assert match, octets[:200]
    return match.group(1).decode()


def wait_until_nothing_is_queued(*servers: ServerProcess) -> None:
    deadline = time.monotonic() + 30
    while any(json.loads(server.admin("queue", "list", "--json").stdout) for server in servers):
        assert time.monotonic() < deadline, "\n".join(server.log_text() for server in servers)
        time.sleep(0.1)


def mail_of(server: ServerProcess, user: User) -> list[bytes]:
    """As its Maildir has it, with CRLF."""
    folder = server.maildirs.joinpath(*reversed(user.address.split("@")))
    return [message.octets for message in fetch(server, user)] if folder.is_dir() else []


def test_alias_leads_here_and_there_and_the_sender_is_rewritten_there(
    here: ServerProcess, there: ServerProcess
) -> None:
    alice = here.new_user()
    here.admin("alias", "add", INFO.address, alice.address, CAROL.address)
    assert send_exactly(here, LETTER, INFO, sender=DAVE.address).startswith("250 ")
    assert return_path(wait_for_mail(here, alice)) == DAVE.address
    octets = wait_for_mail(there, CAROL)
    assert re.fullmatch(r"SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}=elsewhere\.example=dave@example\.org", return_path(octets))
    assert f"\r\nDelivered-To: {INFO.address}\r\n".encode() in octets


def test_domain_may_leave_the_sender_as_it_is(here: ServerProcess, there: ServerProcess) -> None:
    here.admin("alias", "add", INFO.address, CAROL.address)
    here.admin("domain", "set", "example.org", "srs=off")
    assert send_exactly(here, LETTER, INFO, sender=DAVE.address).startswith("250 ")
    assert return_path(wait_for_mail(there, CAROL)) == DAVE.address


def test_report_of_another_server_goes_on_to_the_sender_and_nothing_else_does(
    here: ServerProcess, there: ServerProcess
) -> None:
    here.admin("alias", "add", INFO.address, CAROL.address)
    send_exactly(here, LETTER, INFO, sender=DAVE.address)
    rewritten = return_path(wait_for_mail(there, CAROL))
    with Wire(here.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        wire.say("MAIL FROM:<>")
        forged = rewritten.replace("=dave@", "=eve@")
        assert wire.say(f"RCPT TO:<{forged}>").startswith("550 5.1.1 This return address was not made here")
        wire.say("RSET")
        wire.say("MAIL FROM:<spam@sender.example>")
        assert wire.say(f"RCPT TO:<{rewritten}>").startswith("550 5.7.1 This address takes delivery reports only")
    assert send_exactly(here, b"Subject: undeliverable\r\n\r\nx\r\n", User(rewritten), sender="").startswith("250 ")
    octets = wait_for_mail(there, DAVE)
    assert b"Subject: undeliverable" in octets
    assert return_path(octets) == ""


def test_member_unknown_two_servers_on_is_reported_back_over_both(here: ServerProcess, there: ServerProcess) -> None:
    here.admin("alias", "add", INFO.address, "team@elsewhere.example")
    there.admin("alias", "add", "team@elsewhere.example", "nobody@example.org")
    assert send_exactly(here, LETTER, INFO, sender=DAVE.address).startswith("250 ")
    report = wait_for_mail(there, DAVE)
    assert b"Final-Recipient: rfc822; nobody@example.org" in report
    assert return_path(report) == ""
    wait_until_nothing_is_queued(here, there)
    assert len(mail_of(there, DAVE)) == 1
    assert "from <SRS1=" in there.log_text()


def test_two_servers_that_forward_to_each_other_end_in_one_report(here: ServerProcess, there: ServerProcess) -> None:
    here.admin("alias", "add", INFO.address, "team@elsewhere.example")
    there.admin("alias", "add", "team@elsewhere.example", INFO.address)
    assert send_exactly(here, LETTER, INFO, sender=DAVE.address).startswith("250 ")
    report = wait_for_mail(there, DAVE)
    assert b"Status: 5.4.6" in report
    assert f"was here for {INFO.address} before".encode() in report
    wait_until_nothing_is_queued(here, there)
    assert len(mail_of(there, DAVE)) == 1


def test_list_has_its_owner_as_sender_and_the_owner_hears_what_fails(here: ServerProcess, there: ServerProcess) -> None:
    owner, member = here.new_user(), here.new_user()
    members = (member.address, CAROL.address, "nobody@elsewhere.example")
    here.admin("alias", "add", INFO.address, *members, "--owner", owner.address)
    assert send_exactly(here, LETTER, INFO, sender=DAVE.address).startswith("250 ")
    assert return_path(wait_for_mail(here, member)) == owner.address
    assert return_path(wait_for_mail(there, CAROL)) == owner.address
    report = wait_for_mail(here, owner)
    assert b"Final-Recipient: rfc822; nobody@elsewhere.example" in report
    wait_until_nothing_is_queued(here, there)
    assert mail_of(there, DAVE) == []


def test_user_here_writes_to_an_alias_that_leads_out_in_their_own_name(
    here: ServerProcess, there: ServerProcess
) -> None:
    alice = here.new_user()
    here.admin("alias", "add", INFO.address, CAROL.address)
    send(here, alice, INFO.address)
    assert return_path(wait_for_mail(there, CAROL)) == alice.address


def test_members_here_get_theirs_where_nothing_may_leave(new_server: NewServer) -> None:
    server = new_server(accounts=1)
    server.start()
    alice = server.new_user()
    server.admin("alias", "add", INFO.address, alice.address, CAROL.address)
    server.admin("alias", "add", "away@example.org", CAROL.address)
    assert send_exactly(server, LETTER, INFO, sender=DAVE.address).startswith("250 ")
    assert b"Subject: to all" in fetch(server, alice)[-1].octets
    assert len(fetch(server, alice)) == 1
    send(server, alice, INFO.address)
    assert b"Final-Recipient: rfc822; carol@elsewhere.example" in wait_for_mail(server, alice, 3)
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        wire.say(f"MAIL FROM:<{DAVE.address}>")
        refusal = wire.say("RCPT TO:<away@example.org>")
    assert refusal == "550 5.7.1 This server does not send mail to other domains"


def test_list_is_shown_to_its_owner_and_to_nobody_else(new_server: NewServer) -> None:
    server = new_server(accounts=2)
    server.start()
    owner, other = server.new_user(), server.new_user()
    server.admin("alias", "add", INFO.address, other.address, CAROL.address, "--owner", owner.address)
    shown = f"250-2.1.5 <{other.address}>\r\n250 2.1.5 <{CAROL.address}>"
    hidden = "502 5.5.1 A list is shown to its owner only, who has to log in"
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        assert wire.say(f"EXPN {INFO.address}") == hidden
    server.admin("alias", "add", "intl@example.org", "m\u00fcller@elsewhere.example", "--owner", owner.address)
    with connect(server, "submission") as client:
        client.login(owner.address, PASSWORD)
        assert client.docmd("EXPN", "intl")[0] == 553
        shown_in_utf8 = (250, "2.1.5 <m\u00fcller@elsewhere.example>".encode())
        assert client.docmd("EXPN", "intl SMTPUTF8") == shown_in_utf8
    # the account counts, not what the user typed to log in
    names = {owner.address.upper(): shown, f"{owner.local_part}%laptop": shown, other.address: hidden}
    for name, answer in names.items():
        with connect(server, "submission") as client:
            client.login(name, PASSWORD)
            assert "expn" in client.esmtp_features
            for argument in (INFO.address, f"<{INFO.address.upper()}>", INFO.local_part):
                code, text = client.docmd("EXPN", argument)
                assert (code, text.replace(b"\n", b" ")) == _as_smtplib_has(answer), (name, argument)
            assert client.docmd("EXPN", other.address)[0] == 502


def _as_smtplib_has(reply: str) -> tuple[int, bytes]:
    lines = reply.split("\r\n")
    return int(lines[0][:3]), b" ".join(line[4:].encode() for line in lines)
