"""Internationalised mail, fetched by clients that have asked for UTF8 and by those that have not (RFC 6856)."""

from __future__ import annotations

from tests.integration.process import ServerProcess, User
from tests.integration.wire import Wire, listing

HEADER = "From: Jürgen <jürgen@example.org>\r\nSubject: Schöne Grüße\r\n"
BODY = "Viele Grüße\r\n".encode()


def send_internationalised(server: ServerProcess, user: User) -> None:
    with Wire(server.ports.smtp) as wire:
        assert wire.reply().startswith("220 ")
        assert "SMTPUTF8" in wire.say("EHLO client.example")
        assert wire.say("MAIL FROM:<jürgen@else.example> SMTPUTF8 BODY=8BITMIME").startswith("250 ")
        assert wire.say(f"RCPT TO:<{user.address}>").startswith("250 ")
        assert wire.say("DATA").startswith("354 ")
        wire.send(HEADER.encode() + b"\r\n" + BODY + b".\r\n")
        assert wire.reply().startswith("250 ")


def fetch_the_message(server: ServerProcess, user: User, *before_login: str) -> tuple[int, str, bytes]:
    """What LIST, UIDL and RETR say of the only message."""
    with Wire(server.ports.pop3s, server.tls) as wire:
        for command in (*before_login, f"USER {user.address}", f"PASS {user.password}"):
            wire.reply()
            wire.send(f"{command}\r\n".encode())
        assert wire.reply().startswith("+OK")
        [size], [uid] = (listing(wire, command).values() for command in ("LIST", "UIDL"))
        assert wire.say("RETR 1").startswith("+OK")
        octets = wire.multiline()
        wire.say("QUIT")
    return int(size), uid, octets


def test_each_client_gets_what_it_understands_in_the_size_that_it_was_told(server: ServerProcess) -> None:
    user = server.new_user()
    send_internationalised(server, user)
    size, uid, octets = fetch_the_message(server, user, "UTF8")
    assert HEADER.encode() in octets
    ascii_size, ascii_uid, in_ascii = fetch_the_message(server, user)
    assert in_ascii.partition(b"\r\n\r\n")[0].isascii()
    assert b"Subject: =?utf-8?b?" in in_ascii
    assert octets.endswith(b"\r\n\r\n" + BODY)
    assert in_ascii.endswith(b"\r\n\r\n" + BODY)
    assert (size, ascii_size) == (len(octets), len(in_ascii))
    assert uid == ascii_uid
