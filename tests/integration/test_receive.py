"""Port 25's role with what other servers send: who gets mail, who is refused, and in which words."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest

from tests.integration.process import DOMAIN, ServerProcess, User
from tests.integration.wire import Wire, fetch, send_exactly, without_trace


def letter(subject: str = "Hello") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Them <them@else.example>"
    message["To"] = "somebody@example.org"
    message["Subject"] = subject
    message["Date"] = "Fri, 21 Nov 2025 10:00:00 +0000"
    message["Message-ID"] = f"<{subject.replace(' ', '.')}@else.example>"
    message.set_content("A letter.\n")
    return message


def send(server: ServerProcess, *recipients: str, subject: str = "Hello") -> None:
    with smtplib.SMTP("127.0.0.1", server.ports.smtp) as client:
        assert client.send_message(letter(subject), "them@else.example", list(recipients)) == {}


def refusal(server: ServerProcess, recipient: str) -> tuple[int, str]:
    with smtplib.SMTP("127.0.0.1", server.ports.smtp) as client, pytest.raises(smtplib.SMTPRecipientsRefused) as error:
        client.send_message(letter(), "them@else.example", [recipient])
    code, text = error.value.recipients[recipient]
    return code, text.decode()


def test_mail_for_an_account_arrives(server: ServerProcess) -> None:
    user = server.new_user()
    send(server, user.address)
    [message] = fetch(server, user)
    assert b"Subject: Hello\r\n" in message.octets
    assert without_trace(message.octets).endswith(b"\r\n\r\nA letter.\r\n")


def test_an_address_in_other_case_is_the_same_account(server: ServerProcess) -> None:
    user = server.new_user()
    send(server, user.address.upper())
    assert len(fetch(server, user)) == 1


def test_a_plus_address_reaches_its_account(server: ServerProcess) -> None:
    user = server.new_user()
    send(server, f"{user.local_part}+shop@{DOMAIN}")
    [message] = fetch(server, user)
    assert f"for <{user.local_part}+shop@{DOMAIN}>".encode() in message.octets


def test_an_alias_reaches_all_its_targets(server: ServerProcess) -> None:
    first, second = server.new_user(), server.new_user()
    server.admin("alias", "add", f"team@{DOMAIN}", first.address, second.address)
    send(server, f"team@{DOMAIN}")
    assert [len(fetch(server, user)) for user in (first, second)] == [1, 1]


def test_somebody_reached_twice_gets_one_copy(server: ServerProcess) -> None:
    user = server.new_user()
    server.admin("alias", "add", f"twice@{DOMAIN}", user.address)
    send(server, user.address, f"twice@{DOMAIN}")
    assert len(fetch(server, user)) == 1


def test_a_catch_all_takes_what_nobody_else_does(server: ServerProcess) -> None:
    server.admin("domain", "add", "catch.example")
    server.admin("account", "add", "alice@catch.example", "--password-stdin", stdin="A longer password\n")
    server.admin("account", "add", "bob@catch.example", "--password-stdin", stdin="A longer password\n")
    server.admin("alias", "add", "@catch.example", "alice@catch.example")
    send(server, "whoever@catch.example", subject="for nobody")
    send(server, "bob@catch.example", subject="for bob")
    for name, subject in (("alice", b"for nobody"), ("bob", b"for bob")):
        [message] = fetch(server, User(f"{name}@catch.example", "A longer password"))
        assert b"Subject: " + subject in message.octets


def test_an_address_that_does_not_exist_is_refused_as_such(server: ServerProcess) -> None:
    code, text = refusal(server, f"nobody-of-that-name@{DOMAIN}")
    assert (code, text[:6]) == (550, "5.1.1 ")


def test_another_domain_is_refused_as_relaying(server: ServerProcess) -> None:
    code, text = refusal(server, "somebody@elsewhere.example")
    assert (code, text[:6]) == (550, "5.7.1 ")


def test_one_refused_recipient_does_not_hinder_the_others(server: ServerProcess) -> None:
    user = server.new_user()
    with smtplib.SMTP("127.0.0.1", server.ports.smtp) as client:
        refused = client.send_message(letter(), "them@else.example", [f"no-such-user@{DOMAIN}", user.address])
    assert list(refused) == [f"no-such-user@{DOMAIN}"]
    assert len(fetch(server, user)) == 1


def test_what_ehlo_offers_before_tls_and_after(server: ServerProcess) -> None:
    words = {"size", "8bitmime", "smtputf8", "pipelining", "enhancedstatuscodes"}
    with smtplib.SMTP("127.0.0.1", server.ports.smtp) as client:
        client.ehlo()
        assert words | {"starttls"} <= client.esmtp_features.keys()
        assert "auth" not in client.esmtp_features
        client.starttls(context=server.tls)
        client.ehlo()
        assert words <= client.esmtp_features.keys()
        assert "starttls" not in client.esmtp_features


def test_mail_over_tls_says_so_in_received(server: ServerProcess) -> None:
    user = server.new_user()
    with smtplib.SMTP("127.0.0.1", server.ports.smtp) as client:
        client.starttls(context=server.tls)
        client.send_message(letter(), "them@else.example", [user.address])
    [message] = fetch(server, user)
    trace = message.octets[: message.octets.index(b"From: Them")].decode()
    assert trace.startswith("Return-Path: <them@else.example>\r\nReceived: from ")
    assert "by mail.example.org with ESMTPS id " in trace
    assert "version=TLSv1.3 cipher=TLS_" in trace
    assert f"for <{user.address}>;" in trace


def test_received_names_no_recipient_where_there_are_several(server: ServerProcess) -> None:
    first, second = server.new_user(), server.new_user()
    send(server, first.address, second.address)
    [message] = fetch(server, first)
    assert first.address.encode() not in message.octets
    assert second.address.encode() not in message.octets


def test_the_null_sender_is_taken(server: ServerProcess) -> None:
    user = server.new_user()
    assert send_exactly(server, b"Subject: report\r\n\r\nx\r\n", user, sender="").startswith("250 2.0.0 ")
    [message] = fetch(server, user)
    assert message.octets.startswith(b"Return-Path: <>\r\n")


def test_an_internationalised_address_is_taken(server: ServerProcess) -> None:
    server.admin("domain", "add", "bücher.example")
    server.admin("account", "add", "jürgen@bücher.example", "--password-stdin", stdin="A longer password\n")
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        assert wire.say("MAIL FROM:<zoë@else.example> SMTPUTF8").startswith("250 ")
        assert wire.say("RCPT TO:<jürgen@xn--bcher-kva.example>").startswith("250 ")
        assert wire.say("DATA").startswith("354 ")
        wire.send("Subject: Grüße\r\n\r\nÄ\r\n.\r\n".encode())
        assert wire.reply().startswith("250 ")
    [message] = fetch(server, User("jürgen@bücher.example", "A longer password"), "UTF8")
    assert message.octets.startswith("Return-Path: <zoë@else.example>\r\n".encode())
    assert without_trace(message.octets) == "Subject: Grüße\r\n\r\nÄ\r\n".encode()


def test_a_person_on_telnet_is_told_what_to_do(server: ServerProcess) -> None:
    user = server.new_user()
    with Wire(server.ports.smtp) as wire:
        assert wire.reply().startswith("220 mail.example.org ESMTP")
        assert "EHLO" in wire.say("MAIL FROM:<a@b.example>")
        assert "DATA" in wire.say("HELP")
        assert wire.say("helo me").startswith("250 ")
        assert "MAIL" in wire.say(f"RCPT TO:<{user.address}>")
        assert wire.say(f"VRFY {user.address}").startswith("252 ")
        assert wire.say("NOOP").startswith("250 ")
        assert wire.say("mail from: <a@b.example>").startswith("250 ")
        assert wire.say("RSET").startswith("250 ")
        assert "MAIL" in wire.say("DATA")
        assert wire.say("WHAT").startswith("500 5.5.1 ")
        assert wire.say("QUIT").startswith("221 ")
        assert wire.rest() == b""


def test_a_whole_session_in_one_segment_is_answered_in_order(server: ServerProcess) -> None:
    user = server.new_user()
    session = (
        f"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<no-such-user@{DOMAIN}>\r\n"
        f"RCPT TO:<{user.address}>\r\nDATA\r\nSubject: one\r\n\r\nx\r\n.\r\n"
        f"MAIL FROM:<a@b.example>\r\nRCPT TO:<{user.address}>\r\nDATA\r\nSubject: two\r\n\r\nx\r\n.\r\nQUIT\r\n"
    )
    with Wire(server.ports.smtp) as wire:
        codes = [wire.reply()[:3]]
        wire.send(session.encode())
        codes += [wire.reply()[:3] for _ in range(11)]
        assert wire.rest() == b""
    first = ["250", "550", "250", "354", "250"]
    assert codes == ["220", "250", *first, "250", "250", "354", "250", "221"]
    assert len(fetch(server, user)) == 2


def test_plaintext_behind_starttls_is_never_obeyed(server: ServerProcess) -> None:
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        wire.send(b"STARTTLS\r\nMAIL FROM:<injected@else.example>\r\n")
        answer = wire.reply()
        assert answer.startswith("501 ")
        assert wire.say("RCPT TO:<x@example.org>").startswith("503 ")


def test_a_message_with_bare_line_ends_is_refused_whole(server: ServerProcess) -> None:
    user = server.new_user()
    smuggled = b"Subject: x\r\n\r\none\n.\nMAIL FROM:<evil@else.example>\r\n.\r\n"
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        wire.say("MAIL FROM:<a@b.example>")
        wire.say(f"RCPT TO:<{user.address}>")
        wire.say("DATA")
        wire.send(smuggled)
        assert wire.reply().startswith("554 5.6.0 ")
        assert wire.say("NOOP").startswith("250 ")
    assert fetch(server, user) == []


def test_a_line_dropped_in_the_middle_leaves_nothing(server: ServerProcess) -> None:
    user = server.new_user()
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        wire.say("MAIL FROM:<a@b.example>")
        wire.say(f"RCPT TO:<{user.address}>")
        wire.say("DATA")
        wire.send(b"Subject: half\r\n\r\n" + b"x" * 700 + b"\r\n")
    send(server, user.address, subject="whole")
    [message] = fetch(server, user)
    assert b"Subject: whole" in message.octets
    assert list(server.maildir(user).glob("tmp/*")) == []


def test_a_message_over_the_announced_limit_is_refused_at_mail(server: ServerProcess) -> None:
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        assert wire.say("MAIL FROM:<a@b.example> SIZE=99999999999").startswith("552 5.3.4 ")
