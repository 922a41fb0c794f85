"""Submission on 587 and 465 with smtplib and on the raw wire: logging in, speaking as oneself, what is completed."""

from __future__ import annotations

import poplib
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from email.utils import parsedate_to_datetime

import pytest

from tests.integration.process import DOMAIN, ServerProcess, User
from tests.integration.wire import Wire, base64_of, fetch

PORTS = ("submission", "submissions")


def connect(server: ServerProcess, port: str) -> smtplib.SMTP:
    if port == "submissions":
        return smtplib.SMTP_SSL("localhost", server.ports.submissions, context=server.tls)
    client = smtplib.SMTP("localhost", server.ports.submission)
    client.starttls(context=server.tls)
    return client


def letter(sender: str, recipient: str, **fields: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content("A letter.\n")
    return message


def submit(server: ServerProcess, user: User, message: EmailMessage, sender: str = "", *recipients: str) -> None:
    with connect(server, "submissions") as client:
        client.login(user.address, user.password)
        # not send_message(), which removes Bcc itself
        client.sendmail(sender or user.address, recipients or [str(message["To"])], message.as_bytes(policy=SMTP))


@pytest.fixture
def wire(server: ServerProcess) -> Wire:
    """A connection to 465 that has said EHLO."""
    wire = Wire(server.ports.submissions, server.tls)
    assert wire.reply().startswith("220 ")
    assert wire.say("EHLO client.example").startswith("250-")
    return wire


@pytest.mark.parametrize("mechanism", ["plain", "login"])
@pytest.mark.parametrize("port", PORTS)
def test_a_user_who_logs_in_sends_to_another(server: ServerProcess, port: str, mechanism: str) -> None:
    alice, bob = server.new_user(), server.new_user()
    with connect(server, port) as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
        client.user, client.password = alice.address, alice.password
        client.auth(mechanism, getattr(client, f"auth_{mechanism}"))
        client.send_message(letter(alice.address, bob.address))
    [message] = fetch(server, bob)
    assert b" with ESMTPSA id " in message.octets


@pytest.mark.parametrize("port", PORTS)
def test_a_wrong_password_is_535(server: ServerProcess, port: str) -> None:
    user = server.new_user()
    with connect(server, port) as client, pytest.raises(smtplib.SMTPAuthenticationError) as error:
        client.login(user.address, "not the password")
    assert error.value.smtp_code == 535
    assert error.value.smtp_error.startswith(b"5.7.8 ")


def test_an_unknown_user_looks_like_a_wrong_password(server: ServerProcess) -> None:
    replies = []
    for name in (server.new_user().address, f"no-such-user@{DOMAIN}"):
        with connect(server, "submissions") as client, pytest.raises(smtplib.SMTPAuthenticationError) as error:
            client.login(name, "not the password")
        replies.append((error.value.smtp_code, error.value.smtp_error))
    assert replies[0] == replies[1]


def test_login_prompts_are_those_that_outlook_wants(server: ServerProcess, wire: Wire) -> None:
    user = server.new_user()
    with wire:
        assert wire.say("auth login") == "334 VXNlcm5hbWU6"
        assert wire.say(base64_of(user.address)) == "334 UGFzc3dvcmQ6"
        assert wire.say(base64_of(user.password)).startswith("235 ")


def test_login_with_initial_response_asks_for_the_password_only(server: ServerProcess, wire: Wire) -> None:
    user = server.new_user()
    with wire:
        assert wire.say(f"AUTH Login {base64_of(user.address)}") == "334 UGFzc3dvcmQ6"
        assert wire.say(base64_of(user.password)).startswith("235 ")


@pytest.mark.parametrize("authorise_as", ["", "itself"])
def test_plain_in_two_steps_as_thunderbird_does(server: ServerProcess, wire: Wire, authorise_as: str) -> None:
    user = server.new_user()
    with wire:
        assert wire.say("AUTH PLAIN") == "334 "
        identity = user.address if authorise_as else ""
        assert wire.say(base64_of(f"{identity}\0{user.address}\0{user.password}")).startswith("235 ")


def test_passwords_are_neither_offered_nor_taken_in_the_clear(server: ServerProcess) -> None:
    user = server.new_user()
    with Wire(server.ports.submission) as wire:
        wire.reply()
        assert "AUTH" not in wire.say("EHLO client.example")
        answer = wire.say(f"AUTH PLAIN {base64_of(f'{chr(0)}{user.address}{chr(0)}{user.password}')}")
        assert answer.startswith("538 ")
        assert "STARTTLS" in wire.say(f"MAIL FROM:<{user.address}>")


def test_nothing_is_sent_before_the_login(wire: Wire) -> None:
    with wire:
        assert wire.say(f"MAIL FROM:<user0@{DOMAIN}>").startswith("530 5.7.0 ")


def test_nobody_sends_as_somebody_else(server: ServerProcess) -> None:
    alice, bob = server.new_user(), server.new_user()
    with pytest.raises(smtplib.SMTPSenderRefused) as error:
        submit(server, alice, letter(bob.address, bob.address), bob.address)
    assert error.value.smtp_code == 553


def test_nobody_writes_as_somebody_else(server: ServerProcess) -> None:
    alice, bob = server.new_user(), server.new_user()
    with pytest.raises(smtplib.SMTPDataError) as error:
        submit(server, alice, letter(bob.address, bob.address))
    assert error.value.smtp_code == 550
    assert fetch(server, bob) == []


def test_a_user_sends_as_an_alias_and_as_a_plus_address(server: ServerProcess) -> None:
    alice, bob = server.new_user(), server.new_user()
    alias = f"office@{DOMAIN}"
    server.admin("alias", "add", alias, alice.address)
    for sender in (alias, f"{alice.local_part}+news@{DOMAIN}"):
        submit(server, alice, letter(sender, bob.address), sender)
    assert len(fetch(server, bob)) == 2


def test_date_and_message_id_are_added_where_they_are_missing(server: ServerProcess) -> None:
    alice, bob = server.new_user(), server.new_user()
    submit(server, alice, letter(alice.address, bob.address))
    [message] = fetch(server, bob)
    parsed = BytesParser().parsebytes(message.octets)
    assert parsedate_to_datetime(parsed["Date"]).tzinfo is not None
    assert parsed["Message-ID"].endswith("@mail.example.org>")


def test_date_and_message_id_stay_where_they_are_there(server: ServerProcess) -> None:
    alice, bob = server.new_user(), server.new_user()
    given = {"Date": "Fri, 21 Nov 2025 10:00:00 +0000", "Message_ID": "<mine@client.example>"}
    submit(server, alice, letter(alice.address, bob.address, **given))
    [message] = fetch(server, bob)
    parsed = BytesParser().parsebytes(message.octets)
    assert parsed.get_all("Date") == [given["Date"]]
    assert parsed.get_all("Message-ID") == [given["Message_ID"]]


def test_bcc_is_removed_and_its_recipients_get_the_mail(server: ServerProcess) -> None:
    alice, bob, carol = server.new_user(), server.new_user(), server.new_user()
    others = ", ".join([carol.address, *(f"dave{number}@else.example" for number in range(20))])  # several lines
    message = letter(alice.address, bob.address, bCC=others)
    submit(server, alice, message, "", bob.address, carol.address)
    for user in (bob, carol):
        [received] = fetch(server, user)
        assert b"bcc" not in received.octets.lower()
        assert b"dave" not in received.octets
        assert received.octets.endswith(b"\r\n\r\nA letter.\r\n")


def test_mail_to_another_domain_is_refused_for_now_in_clear_words(server: ServerProcess) -> None:
    alice = server.new_user()
    with pytest.raises(smtplib.SMTPRecipientsRefused) as error:
        submit(server, alice, letter(alice.address, "them@else.example"))
    code, text = error.value.recipients["them@else.example"]
    assert code == 550
    assert b"other domains" in text


def test_ten_messages_over_one_connection(server: ServerProcess) -> None:
    alice, bob = server.new_user(), server.new_user()
    with connect(server, "submission") as client:
        client.login(alice.address, alice.password)
        for number in range(10):
            client.send_message(letter(alice.address, bob.address, Subject=f"number {number}"))
    subjects = [BytesParser().parsebytes(message.octets)["Subject"] for message in fetch(server, bob)]
    assert subjects == [f"number {number}" for number in range(10)]


def test_passwords_are_taken_in_the_clear_where_the_configuration_says_so(
    new_server: Callable[..., ServerProcess],
) -> None:
    server = new_server("[auth]\nallow_plaintext = true\n", accounts=1)
    server.start()
    user = server.new_user()
    with smtplib.SMTP("localhost", server.ports.submission) as client:
        client.login(user.address, user.password)
        client.send_message(letter(user.address, user.address))
    reader = poplib.POP3("localhost", server.ports.pop3)
    reader.user(user.address)
    reader.pass_(user.password)
    assert reader.stat()[0] == 1
    reader.quit()
