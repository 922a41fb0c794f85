"""The promises behind EHLO words, on the real process: two servers of ours, everything on loopback."""

from __future__ import annotations

import email
import os
import re
import time
from base64 import b64encode
from datetime import UTC, datetime

from tests.integration.process import ServerProcess, User
from tests.integration.test_outgoing import CAROL, NewServer, elsewhere, here, wait_for_mail
from tests.integration.wire import Wire, fetch

__all__ = ["elsewhere", "here"]

TEXT = "Subject: words\r\n\r\nHello\r\n"


def submit(server: ServerProcess, user: User, mail: str, *recipients: str, text: str = TEXT) -> None:
    """Submit a message over TLS; *mail* are parameters of MAIL, *recipients* paths with their parameters."""
    login = b64encode(f"\0{user.address}\0{user.password}".encode()).decode()
    commands = ["EHLO client.example", f"AUTH PLAIN {login}", f"MAIL FROM:<{user.address}> {mail}".strip()]
    commands += [*(f"RCPT TO:{each}" for each in recipients), "DATA"]
    with Wire(server.ports.submissions, server.tls) as wire:
        replies = [wire.reply(), *map(wire.say, commands)]
        assert [reply[0] for reply in replies] == ["2"] * (len(replies) - 1) + ["3"], replies
        wire.send(text.encode() + b".\r\n")
        assert (reply := wire.reply()).startswith("250"), reply


def sends_to(server: ServerProcess, other: ServerProcess) -> None:
    """Configure *server*, which is not running, to send what leaves to *other*."""
    server.configure(f'[relay]\nsmarthost = "tcp:127.0.0.1:{other.ports.smtp}"\nretry = ["1 second"]\n')


def test_success_is_reported_for_a_mailbox_here(here: ServerProcess) -> None:
    alice, bob = here.new_user(), here.new_user()
    submit(here, alice, "ENVID=QQ7", f"<{bob.address}> NOTIFY=SUCCESS ORCPT=rfc822;bob+2Bx@example.org")
    report = wait_for_mail(here, alice)
    assert b"Return-Path: <>" in report
    assert b"Original-Envelope-Id: QQ7\r\n" in report
    assert b"Original-Recipient: rfc822; bob+x@example.org\r\n" in report
    assert b"Action: delivered" in report


def test_next_server_reports_success_where_it_can_else_we_say_who_has_it(
    here: ServerProcess, elsewhere: ServerProcess
) -> None:
    alice = here.new_user()
    recipient = f"<{CAROL.address}> NOTIFY=SUCCESS,FAILURE"
    elsewhere.start()  # its mail cannot leave, so that it offers no DSN
    submit(here, alice, "", recipient)
    assert b"Action: relayed" in wait_for_mail(here, alice)
    elsewhere.stop()
    sends_to(elsewhere, here)
    elsewhere.start()
    submit(here, alice, "ENVID=QQ8", recipient)
    report = wait_for_mail(here, alice, 2)
    assert b"Original-Envelope-Id: QQ8\r\n" in report
    assert b"Reporting-MTA: dns; mail.example.org" in report
    assert b"Action: delivered" in report


def test_held_message_arrives_when_it_is_released_here_and_there(here: ServerProcess, elsewhere: ServerProcess) -> None:
    elsewhere.start()
    alice, bob = here.new_user(), here.new_user()
    began = time.time()
    submit(here, alice, "HOLDFOR=3", f"<{bob.address}> NOTIFY=SUCCESS", f"<{CAROL.address}>")
    assert alice.address in here.admin("queue", "list").stdout
    wait_for_mail(here, bob)
    assert time.time() >= began + 3
    wait_for_mail(elsewhere, CAROL)
    assert b"Action: delivered" in wait_for_mail(here, alice)


def test_held_message_is_released_after_a_restart(here: ServerProcess) -> None:
    alice, bob = here.new_user(), here.new_user()
    until = datetime.fromtimestamp(time.time() + 3, UTC)
    submit(here, alice, f"HOLDUNTIL={until:%Y-%m-%dT%H:%M:%SZ}", f"<{bob.address}>")
    here.kill()
    assert here.stored(bob) == []
    here.start()
    wait_for_mail(here, bob)


def test_message_that_was_to_arrive_in_time_returns_and_another_is_reported_late(
    here: ServerProcess, elsewhere: ServerProcess
) -> None:
    alice = here.new_user()
    submit(here, alice, "BY=2;R", f"<{CAROL.address}>")  # nobody is there
    report = wait_for_mail(here, alice)
    assert b"Action: failed" in report
    assert b"Status: 5.4.7" in report
    submit(here, alice, "BY=2;N", f"<{CAROL.address}>")
    assert b"Action: delayed" in wait_for_mail(here, alice, 2)


def test_next_server_hears_how_much_time_is_left(here: ServerProcess, elsewhere: ServerProcess) -> None:
    elsewhere.start()
    alice = here.new_user()
    submit(here, alice, "BY=100;RT", f"<{CAROL.address}>")
    wait_for_mail(elsewhere, CAROL)
    assert b"Action: relayed" in wait_for_mail(here, alice)  # T asks for a trace


def test_more_urgent_messages_go_first(here: ServerProcess, elsewhere: ServerProcess) -> None:
    elsewhere.start()
    alice = here.new_user()
    until = datetime.fromtimestamp(time.time() + 4, UTC)  # so that all are due at once
    for priority in (-3, 0, 9, 5):
        mail = f"HOLDUNTIL={until:%Y-%m-%dT%H:%M:%SZ} MT-PRIORITY={priority}"
        submit(here, alice, mail, f"<{CAROL.address}>", text=TEXT.replace("words", f"number {priority}"))
    wait_for_mail(elsewhere, CAROL, 4)
    order = [re.search(rb"Subject: number (-?\d)", each.octets) for each in fetch(elsewhere, CAROL)]
    numbers = [int(each[1]) for each in order if each]
    assert {*numbers[:2]} == {9, 5}, numbers  # two travel at a time


def test_what_a_message_advertises_is_in_its_header(here: ServerProcess) -> None:
    alice, bob = here.new_user(), here.new_user()
    submit(here, alice, "SOLICIT=org.example:ADV", f"<{bob.address}>")
    assert b"\r\nSolicitation: org.example:ADV\r\n" in wait_for_mail(here, bob)


def test_message_that_asks_for_tls_all_the_way_goes_with_verified_tls_or_not_at_all(
    new_server: NewServer, elsewhere: ServerProcess
) -> None:
    elsewhere.start()
    here = new_server(f'[relay]\nsmarthost = "tcp:localhost:{elsewhere.ports.smtp}"\n', accounts=2)
    here.start()  # trusts nobody who has certified a server on this machine
    alice = here.new_user()
    submit(here, alice, "REQUIRETLS RET=FULL", f"<{CAROL.address}>")
    report = wait_for_mail(here, alice)
    assert b"Status: 5.7.10" in report
    assert b"\r\nHello\r\n" not in report
    here.stop()
    here.start(env={**os.environ, "SSL_CERT_FILE": str(here.authority.file)})
    submit(here, alice, "REQUIRETLS", f"<{CAROL.address}>")
    assert b"with ESMTPS id" in wait_for_mail(elsewhere, CAROL)


PICTURE = bytes(range(256)) * 300
BINARY = (
    b"Subject: a picture\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nHere it is.\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" + PICTURE + b"\r\n--b--\r\n"
)


def test_binary_message_is_text_when_it_is_fetched_and_when_it_goes_on(
    here: ServerProcess, elsewhere: ServerProcess
) -> None:
    elsewhere.start()
    alice, bob = here.new_user(), here.new_user()
    recipients = [f"<{bob.address}>", f"<{CAROL.address}>"]
    assert submit_binary(here, alice, BINARY, *recipients).startswith("250 ")
    for server, user in ((here, bob), (elsewhere, CAROL)):
        message = email.message_from_bytes(wait_for_mail(server, user))
        text, picture = message.get_payload()  # type: ignore[misc]  # of a multipart
        assert text.get_payload() == "Here it is."  # type: ignore[union-attr]
        assert picture.get_payload(decode=True) == PICTURE  # type: ignore[union-attr]
    signed = BINARY.replace(b"multipart/mixed", b"multipart/signed")
    assert submit_binary(here, alice, signed, *recipients).startswith("554 5.6.3 ")


def submit_binary(server: ServerProcess, user: User, octets: bytes, *recipients: str) -> str:
    """The answer to the last of two chunks."""
    login = b64encode(f"\0{user.address}\0{user.password}".encode()).decode()
    with Wire(server.ports.submissions, server.tls) as wire:
        wire.reply()
        assert "BINARYMIME" in wire.say("EHLO client.example")
        wire.say(f"AUTH PLAIN {login}")
        for command in (f"MAIL FROM:<{user.address}> BODY=BINARYMIME", *(f"RCPT TO:{each}" for each in recipients)):
            assert (reply := wire.say(command)).startswith("250"), reply
        wire.send(b"BDAT 1001\r\n" + octets[:1001])
        assert wire.reply().startswith("250")
        wire.send(b"BDAT %d LAST\r\n" % (len(octets) - 1001) + octets[1001:])
        return wire.reply()
