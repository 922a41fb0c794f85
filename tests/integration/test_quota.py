"""A mailbox that may hold 100 KiB: filled, warned of, refused, emptied by POP3, and filled again."""

from __future__ import annotations

import json
import poplib
import smtplib
from collections.abc import Callable

import pytest

from tests.integration.process import ServerProcess, User

KIB = 1024


def send(server: ServerProcess, size: int, *to: str) -> None:
    """smtplib announces SIZE."""
    with smtplib.SMTP("127.0.0.1", server.ports.smtp, timeout=30) as client:
        client.sendmail("them@else.example", list(to), "Subject: letter\r\n\r\n" + ("x" * 78 + "\r\n") * (size // 80))


def send_unannounced(server: ServerProcess, size: int, to: str) -> tuple[int, bytes]:
    with smtplib.SMTP("127.0.0.1", server.ports.smtp, timeout=30) as client:
        client.ehlo()
        assert [client.mail("them@else.example")[0], client.rcpt(to)[0]] == [250, 250]
        return client.data("Subject: letter\r\n\r\n" + ("x" * 78 + "\r\n") * (size // 80))


def subjects(server: ServerProcess, user: User) -> list[str]:
    texts = [file.read_text() for file in server.stored(user)]
    return [line for text in texts for line in text.splitlines() if line.startswith("Subject: ")]


def empty(server: ServerProcess, user: User) -> None:
    client = poplib.POP3_SSL("localhost", server.ports.pop3s, context=server.tls, timeout=30)
    client.user(user.address)
    client.pass_(user.password)
    for number in range(1, client.stat()[0] + 1):
        client.dele(number)
    client.quit()


def test_mailbox_is_filled_warned_of_refused_and_emptied(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=2)
    user, other = server.new_user(), server.new_user()
    assert "quota=100 KiB" in server.admin("account", "set", user.address, "quota=100 KiB").stdout
    server.admin("alias", "add", "both@example.org", user.address, other.address)
    server.start()
    send(server, 50 * KIB, user.address)
    assert len(server.stored(user)) == 1
    send(server, 34 * KIB, user.address)
    assert [text for text in subjects(server, user) if "full" in text] == ["Subject: Your mailbox is 83 per cent full"]
    for address in (user.address, "both@example.org"):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            send(server, 20 * KIB, address)
        text = f"4.2.2 The mailbox of {address} is full, try again later".encode()
        assert refused.value.recipients == {address: (452, text)}
    assert send_unannounced(server, 20 * KIB, user.address)[0] == 452
    assert send_unannounced(server, 300 * KIB, user.address)[0] == 552
    send(server, 20 * KIB, user.address, other.address)  # smtplib goes on with who has room
    assert (len(server.stored(user)), len(server.stored(other))) == (3, 1)
    shown = json.loads(server.admin("account", "show", user.address, "--json").stdout)
    assert (shown["quota"], shown["settings"]) == (100 * KIB, ["quota=100 KiB"])
    assert shown["used"] == sum(file.stat().st_size for file in server.stored(user))
    empty(server, user)
    send(server, 60 * KIB, "both@example.org")
    assert (len(server.stored(user)), len(server.stored(other))) == (1, 2)


def test_quota_of_a_domain_is_for_each_account_without_its_own(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=2)
    user, free = server.new_user(), server.new_user()
    server.admin("domain", "set", "example.org", "quota=10 KiB")
    server.admin("account", "set", free.address, "quota=off")
    server.start()
    send(server, 20 * KIB, free.address)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server, 20 * KIB, user.address)
    assert (len(server.stored(user)), len(server.stored(free))) == (0, 1)
    assert server.try_admin("account", "set", user.address, "quota=much").returncode == 1


def test_domain_has_a_quota_of_all_its_mailboxes_together(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=3)
    user, other, postmaster = (server.new_user() for _ in range(3))
    server.admin("alias", "add", "postmaster@example.org", postmaster.address)
    assert "total-quota=100 KiB" in server.admin("domain", "set", "example.org", "total-quota=100 KiB").stdout
    server.start()
    send(server, 50 * KIB, user.address)
    send(server, 34 * KIB, other.address)
    assert subjects(server, postmaster) == ["Subject: The mailboxes of example.org are 83 per cent full"]
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(server, 20 * KIB, other.address)
    text = b"4.3.1 The mailboxes of example.org are full, try again later"
    assert refused.value.recipients == {other.address: (452, text)}
    assert send_unannounced(server, 20 * KIB, user.address)[0] == 452
    shown = json.loads(server.admin("domain", "show", "example.org", "--json").stdout)
    assert (shown["accounts"], shown["total-quota"]) == (3, 100 * KIB)
    stored = [file for each in (user, other, postmaster) for file in server.stored(each)]
    assert shown["used"] == sum(file.stat().st_size for file in stored)
