"""Other servers that send to ours on port 25: Postfix and Exim, with all that we offer them and they use."""

from __future__ import annotations

import pytest

from tests.integration.exim import Exim
from tests.integration.postfix import Postfix
from tests.integration.process import ServerProcess, User
from tests.integration.wire import fetch

BODY = b"\n.a dot\n..two\n.\nafter a dot alone\n\nGr\xc3\xbc\xc3\x9fe\n" + b"x" * 900 + b"\nlast\n"
TEXT = b"From: them@else.example\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" + (
    b"Content-Transfer-Encoding: 8bit\nSubject: from a server\n" + BODY
)


def assert_arrived(server: ServerProcess, users: list[User], keyword: str) -> None:
    for user in users:
        [message] = fetch(server, user)
        assert message.octets.startswith(b"Return-Path: <them@else.example>\r\n")
        assert f" with {keyword} id ".encode() in message.octets
        assert message.octets.endswith(BODY.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("tls", [True, False], ids=["STARTTLS", "clear"])
def test_postfix_delivers_and_hears_of_each_recipient(server: ServerProcess, tls: bool) -> None:
    users = [server.new_user() for _ in range(3)]
    settings = "" if tls else "smtp_tls_security_level = none\n"
    with Postfix(f"smtp:[127.0.0.1]:{server.ports.smtp}", settings) as postfix:
        addresses = [user.address for user in users]
        postfix.send(TEXT, "them@else.example", *addresses, "nobody@example.org", "somebody@else.example")
        for address in addresses:
            assert "dsn=2.0.0, status=sent (250 2.0.0 Stored as" in postfix.outcome(address)
        assert "dsn=5.1.1, status=bounced" in postfix.outcome("nobody@example.org")
        assert "dsn=5.7.1, status=bounced" in postfix.outcome("somebody@else.example")
    assert_arrived(server, users, "ESMTPS" if tls else "ESMTP")


def test_exim_delivers_over_tls_in_chunks(server: ServerProcess) -> None:
    users = [server.new_user() for _ in range(2)]
    with Exim(server.ports.smtp) as exim:
        log = exim.send(TEXT, "them@else.example", *(user.address for user in users))
    for user in users:
        [line] = [line for line in log.splitlines() if f"> {user.address} " in line]
        assert " X=TLS1.3" in line
        assert " K " in line  # CHUNKING
        assert "250 2.0.0 Stored as" in line
    assert_arrived(server, users, "ESMTPS")
