"""Mail from another server, checked: the real process, a DNS server of the test's own, and a client at 127.0.0.1."""

from __future__ import annotations

import json
import smtplib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.test_outgoing import wait_for_mail
from tests.integration.wire import fetch
from tests.integration.zones import Records, Trouble, Zones, reverse
from tests.policy.dkim.zones import keys, on_the_wire, signed, zone_of

NewServer = Callable[..., ServerProcess]

LONG = "v=spf1 " + " ".join(f"ip4:192.0.2.{number}" for number in range(100)) + " ip4:127.0.0.1 -all"
"""Too long for a datagram: the resolver must ask again over TCP."""
RECORDS: Records = {
    reverse("127.0.0.1"): {"PTR": ["mx.example.net."]},
    "mx.example.net": {"A": ["127.0.0.1"]},
    "example.net": {"TXT": [LONG]},
    "_dmarc.example.net": {"TXT": ["v=DMARC1; p=reject"]},
    "bank.example": {"TXT": ["v=spf1 -all"]},
    "_dmarc.bank.example": {"TXT": ["v=DMARC1; p=reject"]},
    "mild.example": {"TXT": ["v=spf1 -all"]},
    "_dmarc.mild.example": {"TXT": ["v=DMARC1; p=quarantine"]},
    "broken.example": Trouble.FAILS,
    "_dmarc.broken.example": Trouble.FAILS,
    "silent.example": Trouble.IS_SILENT,
    "_dmarc.silent.example": Trouble.IS_SILENT,
}


DATE = "Sat, 28 Nov 2026 16:00:00 +0000"


@pytest.fixture
def zones() -> Iterator[Zones]:
    with Zones(RECORDS) as running:
        yield running


@pytest.fixture
def server(new_server: NewServer, zones: Zones) -> ServerProcess:
    """One that checks also clients on this machine."""
    server = new_server(f"{zones.settings}[checks]\ntrusted = []\n", accounts=2)
    server.start()
    return server


def send(server: ServerProcess, sender: str, to: User, *, author: str = "", more: str = "") -> tuple[int, bytes]:
    """The answer to the end of data."""
    with smtplib.SMTP("127.0.0.1", server.ports.smtp, timeout=30) as client:
        client.ehlo("mx.example.net")
        client.mail(sender)
        assert client.rcpt(to.address)[0] == 250
        letter = f"{more}From: <{author or sender}>\r\nDate: {DATE}\r\nMessage-ID: <1@x.example>\r\n\r\nHello\r\n"
        return client.data(letter.encode())


def test_true_message_arrives_with_the_results(server: ServerProcess) -> None:
    user = server.new_user()
    assert send(server, "alice@example.net", user)[0] == 250
    (message,) = fetch(server, user)
    assert (
        b"Authentication-Results: mail.example.org;\r\n"
        b" iprev=pass (mx.example.net) policy.iprev=127.0.0.1;\r\n"
        b" spf=pass (ip4:127.0.0.1) smtp.mailfrom=alice@example.net;\r\n"
        b" dkim=none;\r\n"
        b" dmarc=pass (p=reject) header.from=example.net\r\n"
    ) in message.octets


def test_forgery_is_refused_with_words_for_its_senders_administrator(server: ServerProcess) -> None:
    user = server.new_user()
    code, text = send(server, "alice@example.net", user, author="ceo@bank.example")
    assert code == 550
    assert text.startswith(b"5.7.26 bank.example asks others to refuse mail")
    assert b"The administrator of bank.example can list 127.0.0.1 in its SPF record" in text
    assert fetch(server, user) == []
    assert "spf=pass dkim=none dmarc=fail" in server.log_text()


def test_signature_makes_up_for_another_sender(server: ServerProcess, zones: Zones) -> None:
    user = server.new_user()
    zones.records |= {
        name: {"TXT": [text.decode() for text in texts]} for name, texts in zone_of("bank.example").records.items()
    }
    letter = signed(b"From: <ceo@bank.example>\nSubject: signed\n\nHello\n", *keys("bank.example"), now=time.time())
    with smtplib.SMTP("127.0.0.1", server.ports.smtp, timeout=30) as client:
        client.sendmail("alice@example.net", user.address, on_the_wire(letter))
    (message,) = fetch(server, user)
    assert b" dkim=pass header.d=bank.example header.s=ed header.a=ed25519-sha256 header.b=" in message.octets
    assert b" dkim=pass header.d=bank.example header.s=rsa header.a=rsa-sha256 header.b=" in message.octets
    assert b" dmarc=pass (p=reject) header.from=bank.example\r\n" in message.octets


def test_domain_may_have_forgeries_tagged_only(server: ServerProcess) -> None:
    user = server.new_user()
    server.admin("domain", "set", "example.org", "dmarc=tag")
    assert send(server, "x@bank.example", user)[0] == 250
    (message,) = fetch(server, user)
    assert b" spf=fail (-all) smtp.mailfrom=x@bank.example;\r\n" in message.octets
    assert b" dmarc=fail (p=reject) header.from=bank.example\r\n" in message.octets


def test_forged_results_of_our_name_are_removed_and_those_of_others_stay(server: ServerProcess) -> None:
    user = server.new_user()
    forged = "Authentication-Results: mail.example.org;\r\n dmarc=pass header.from=bank.example\r\n"
    others = "Authentication-Results: mx.elsewhere.example; none\r\n"
    assert send(server, "alice@example.net", user, more=forged + others)[0] == 250
    (message,) = fetch(server, user)
    assert message.octets.count(b"Authentication-Results: mail.example.org") == 1
    assert b"bank.example" not in message.octets
    assert others.encode() in message.octets


@pytest.mark.parametrize("domain", ["broken.example", "silent.example"])
def test_dns_that_does_not_answer_refuses_nothing(server: ServerProcess, domain: str) -> None:
    user = server.new_user()
    assert send(server, f"alice@{domain}", user)[0] == 250
    (message,) = fetch(server, user)
    assert b" spf=temperror " in message.octets
    assert b" dmarc=temperror " in message.octets


def test_next_message_of_a_client_asks_nothing_new(server: ServerProcess, zones: Zones) -> None:
    user = server.new_user()
    send(server, "alice@example.net", user)
    asked = len(zones.asked)
    for _ in range(3):
        send(server, "alice@example.net", user)
    assert zones.asked[asked:] == []


def test_clients_on_this_machine_are_trusted_by_default(new_server: NewServer, zones: Zones) -> None:
    server = new_server(zones.settings, accounts=1)
    server.start()
    user = server.new_user()
    assert send(server, "x@bank.example", user)[0] == 250
    (message,) = fetch(server, user)
    assert b"Authentication-Results" not in message.octets
    assert zones.asked == []


def test_owner_of_a_domain_is_told_what_was_seen_and_can_read_it(new_server: NewServer, zones: Zones) -> None:
    server = new_server(
        f'{zones.settings}[checks]\ntrusted = []\nreports_from = "postmaster@example.org"\n', accounts=2
    )
    user, owner = server.new_user(), server.new_user()
    zones.records["_dmarc.bank.example"] = {"TXT": [f"v=DMARC1; p=reject; rua=mailto:{owner.address}"]}
    zones.records["bank.example._report._dmarc.example.org"] = {"TXT": ["v=DMARC1"]}
    server.start()
    assert send(server, "alice@example.net", user, author="ceo@bank.example")[0] == 550
    assert send(server, "alice@example.net", user, author="ceo@bank.example")[0] == 550
    server.stop()
    with closing(sqlite3.connect(server.maildirs / ".server" / "dmarc.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE result SET day = day - 1")  # the day is over
    server.start()
    text = wait_for_mail(server, owner)
    assert b"Subject: Report Domain: bank.example Submitter: mail.example.org Report-ID: <" in text
    (row,) = json.loads(server.admin("dmarc", "reports", owner.address, "--json").stdout)
    assert (row["reporter"], row["domain"], row["source"]) == ("mail.example.org", "bank.example", "127.0.0.1")
    assert (row["messages"], row["disposition"], row["dkim"], row["spf"]) == (2, "reject", "fail", "fail")
