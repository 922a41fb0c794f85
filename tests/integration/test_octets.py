"""The octets come back: what DATA took is what RETR gives, behind the trace fields, and LIST knows its length."""

from __future__ import annotations

import base64
import os
import smtplib
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.wire import Wire, fetch, send_exactly, without_trace

HEADER = b"From: them@else.example\r\nSubject: octets\r\n\r\n"
ALL_OCTETS = bytes(octet for octet in range(256) if octet not in b"\0\r\n")

MESSAGES = {
    "text": HEADER + b"A line.\r\nAnother.\r\n",
    "empty body": HEADER,
    "no body and no blank line": b"Subject: header only\r\n",
    "nothing at all": b"",
    "one empty line": b"\r\n",
    "no header": b"this is no header\r\nat all\r\n",
    "no header, first line empty": b"\r\nthe body begins here\r\n",
    "first octet a dot": b".\r\n..\r\n",
    "lines of dots": HEADER + b".\r\n..\r\n...\r\n.a\r\n. \r\n" + b"." * 998 + b"\r\n.\r\n",
    "empty lines at the end": HEADER + b"x\r\n\r\n\r\n",
    "only empty lines": HEADER + b"\r\n" * 50,
    "lines of 998 octets": HEADER + b"".join(bytes([65 + n % 26]) * 998 + b"\r\n" for n in range(100)),
    "a line of 70,000 octets": HEADER + b"y" * 70_000 + b"\r\n",
    "8-bit text": HEADER + "Grüße aus Köln, 日本語\r\n".encode() + "Gr\xfc\xdfe\r\n".encode("latin-1"),
    "every octet but NUL, CR and LF": HEADER + ALL_OCTETS * 20 + b"\r\n",
    "NULs": HEADER + b"a\0b\r\n\0\r\n",
    "From_ and Received in the body": HEADER + b"From me to you\r\nReceived: not a field\r\n>From\r\n",
    "tabs and spaces at line ends": HEADER + b"a \r\n\tb\t\r\n  \r\n",
    "a header of 100 KiB": b"".join(b"X-%d: %s\r\n" % (n, b"v" * 90) for n in range(1000)) + b"\r\nx\r\n",
    "64 KiB of line ends": HEADER + b"\r\n" * 32_768,
    "10 MiB": HEADER + (base64.b64encode(os.urandom(57)) + b"\r\n") * (10 * 2**20 // 78),
    "300 KiB that begin with dots": HEADER + b".dot\r\n" * 50_000,
}


@pytest.mark.parametrize("name", MESSAGES)
def test_octets_come_back(server: ServerProcess, name: str) -> None:
    user, octets = server.new_user(), MESSAGES[name]
    assert send_exactly(server, octets, user).startswith("250 2.0.0 ")
    [message] = fetch(server, user)
    assert without_trace(message.octets) == octets
    assert message.size == len(message.octets)


def test_ten_mib_come_back_over_tls_both_ways(server: ServerProcess) -> None:
    user, octets = server.new_user(), MESSAGES["10 MiB"]
    with smtplib.SMTP_SSL("localhost", server.ports.submissions, context=server.tls) as client:
        client.login(user.address, user.password)
        client.sendmail(user.address, [user.address], octets.replace(b"them@else.example", user.address.encode()))
    [message] = fetch(server, user)
    assert message.octets.endswith(octets[octets.index(b"Subject:") :])
    assert message.size == len(message.octets)


@pytest.mark.parametrize("cut", [1, 2, 3, 4096, 65_537])
def test_octets_come_back_however_the_stream_is_cut(server: ServerProcess, cut: int) -> None:
    user = server.new_user()
    octets = MESSAGES["lines of dots"] if cut < 10 else MESSAGES["300 KiB that begin with dots"]
    stuffed = octets.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        wire.say("MAIL FROM:<a@b.example>")
        wire.say(f"RCPT TO:<{user.address}>")
        wire.say("DATA")
        for start in range(0, len(stuffed), cut):
            wire.send(stuffed[start : start + cut])
        assert wire.reply().startswith("250 ")
    [message] = fetch(server, user)
    assert without_trace(message.octets) == octets


def test_a_body_without_final_line_end_gets_the_one_that_smtp_needs(server: ServerProcess) -> None:
    user = server.new_user()
    with smtplib.SMTP("127.0.0.1", server.ports.smtp) as client:
        client.sendmail("a@b.example", [user.address], HEADER + b"no line end")
    [message] = fetch(server, user)
    assert without_trace(message.octets) == HEADER + b"no line end\r\n"


def test_attachments_come_back(server: ServerProcess) -> None:
    user = server.new_user()
    picture = os.urandom(200_000)
    letter = EmailMessage(policy=SMTP)
    letter["From"], letter["To"], letter["Subject"] = "them@else.example", user.address, "Zwei Anhänge"
    letter.set_content("Grüße mit Anhang\n", cte="8bit")
    letter.add_attachment(picture, maintype="image", subtype="png", filename="bild.png")
    letter.add_attachment("Ä,Ö\n1,2\n", subtype="csv", filename="tabelle.csv")
    with smtplib.SMTP("127.0.0.1", server.ports.smtp) as client:
        client.send_message(letter)
    [message] = fetch(server, user)
    parsed = BytesParser(policy=SMTP).parsebytes(message.octets)
    assert parsed["Subject"] == "Zwei Anhänge"
    assert parsed.get_body().get_content() == "Grüße mit Anhang\r\n"
    first, second = parsed.iter_attachments()
    assert first.get_content() == picture
    assert second.get_content() == "Ä,Ö\r\n1,2\r\n"


def test_fifty_recipients_get_the_same_octets_from_one_inode(server: ServerProcess) -> None:
    users = [server.new_user() for _ in range(50)]
    octets = MESSAGES["8-bit text"]
    assert send_exactly(server, octets, *users).startswith("250 ")
    files = [server.stored(user) for user in users]
    assert [len(stored) for stored in files] == [1] * 50
    assert {stored[0].stat().st_nlink for stored in files} == {50}
    assert len({stored[0].stat().st_ino for stored in files}) == 1
    for user in users[::7]:
        [message] = fetch(server, user)
        assert without_trace(message.octets) == octets


def test_one_who_deletes_leaves_the_others_their_copy(server: ServerProcess) -> None:
    first, second = server.new_user(), server.new_user()
    send_exactly(server, MESSAGES["text"], first, second)
    delete_all(server, first)
    [message] = fetch(server, second)
    assert without_trace(message.octets) == MESSAGES["text"]


def delete_all(server: ServerProcess, user: User) -> None:
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        wire.say(f"USER {user.address}")
        wire.say(f"PASS {user.password}")
        assert wire.say("DELE 1").startswith("+OK")
        assert wire.say("QUIT").startswith("+OK")
    assert server.stored(user) == []
