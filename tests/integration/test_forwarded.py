"""From one server of ours through a second to a third: what the first signed counts at the end, a forgery never starts.

Each checks what comes, with the records that the others' `mailserver` shows; all on loopback.
"""

from __future__ import annotations

import json
import re
import smtplib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import dkim
import pytest

from tests.integration.certificate import Authority
from tests.integration.process import PASSWORD, ServerProcess, User
from tests.integration.test_outgoing import send, wait_for_mail
from tests.integration.zones import Zones

ALICE, CAROL = User("alice@first.example"), User("carol@last.example")
LIST = "list@hub.example"


@dataclass(frozen=True)
class Chain:
    first: ServerProcess
    hub: ServerProcess
    last: ServerProcess
    keys: dict[str, str]
    """What DNS has of all of them."""


def new_server(authority: Authority, zones: Zones, domain: str, to: ServerProcess | None) -> ServerProcess:
    """The server of *domain*; what leaves it goes to *to*.  Not started."""
    server = ServerProcess(authority)
    relay = f'[relay]\nsmarthost = "tcp:127.0.0.1:{to.ports.smtp}"\nretry = ["1 second"]\n' if to is not None else ""
    server.configure(f"{zones.settings}[checks]\ntrusted = []\n{relay}")
    server.config.write_text(server.config.read_text().replace("mail.example.org", f"mx.{domain}"))
    server.admin("domain", "add", domain)
    return server


@pytest.fixture(scope="module")
def chain(authority: Authority) -> Iterator[Chain]:
    with ExitStack() as stack:
        zones = stack.enter_context(Zones({}))
        servers: list[ServerProcess] = []
        for domain in ("last.example", "hub.example", "first.example"):
            servers.append(new_server(authority, zones, domain, servers[-1] if servers else None))
            stack.callback(servers[-1].close)
            # nobody may send for it by address, so that signatures alone prove anything
            zones.records[domain] = {"TXT": ["v=spf1 -all"]}
            zones.records[f"_dmarc.{domain}"] = {"TXT": ["v=DMARC1; p=reject"]}
        last, hub, first = servers
        zones.records["hub.example"] = {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]}
        rows = [row for server in servers for row in json.loads(server.admin("dkim", "show", "--json").stdout)]
        keys = {row["name"]: row["value"] for row in rows}
        zones.records.update({name: {"TXT": [value]} for name, value in keys.items()})
        for server, user in ((first, ALICE), (last, CAROL)):
            server.admin("account", "add", user.address, "--password-stdin", stdin=f"{PASSWORD}\n")
        hub.admin("alias", "add", LIST, CAROL.address)
        for server in servers:
            server.start()
        yield Chain(first, hub, last, keys)
        for server in servers:
            server.stop()


@pytest.fixture(scope="module")
def arrived(chain: Chain) -> bytes:
    """A letter of hers, as it came to the last."""
    send(chain.first, ALICE, LIST)
    return wait_for_mail(chain.last, CAROL)


def test_signature_of_the_first_counts_at_the_last(arrived: bytes) -> None:
    assert re.match(rb"Return-Path: <SRS0=[^>]*@hub\.example>", arrived)
    results = re.search(rb"\r\nAuthentication-Results: mx\.last\.example;(?:.*\r\n)(?:[ \t].*\r\n)*", arrived)
    assert results is not None
    said = results.group()
    assert said.count(b"dkim=pass header.d=first.example") == 2
    assert said.count(b"dkim=pass header.d=hub.example") == 2
    assert b"arc=pass" in said
    assert b"dmarc=pass (p=reject) header.from=first.example" in said


def test_seal_tells_what_the_forwarder_found(chain: Chain, arrived: bytes) -> None:
    sealed = re.search(rb"\r\nARC-Authentication-Results: i=1; mx\.hub\.example;(?:.*\r\n)(?:[ \t].*\r\n)*", arrived)
    assert sealed is not None
    assert b"spf=fail" in sealed.group()
    assert b"dkim=pass header.d=first.example" in sealed.group()
    assert b"dmarc=pass (p=reject) header.from=first.example" in sealed.group()
    said, _, why = dkim.ARC(arrived).verify(lambda name, timeout: chain.keys[name.decode().rstrip(".")].encode())
    assert (said, why) == (b"pass", "success")


def test_forgery_is_refused_by_the_forwarder(chain: Chain) -> None:
    with smtplib.SMTP("127.0.0.1", chain.hub.ports.smtp, timeout=30) as client:
        client.ehlo("mx.first.example")
        client.mail(ALICE.address)
        client.rcpt(LIST)
        code, text = client.data(f"From: <{ALICE.address}>\r\nSubject: pay\r\n\r\nPay here.\r\n".encode())
    assert (code, text[:6]) == (550, b"5.7.26")
