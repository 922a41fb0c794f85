"""MTA-STS between two servers of ours: one publishes its policy over HTTPS, the other finds it and keeps to it.

Both are in a network of their own, with a DNS server and an authority of the test's.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.integration.certificate import Authority
from tests.integration.privatenet import private_network
from tests.integration.process import PASSWORD, Ports, ServerProcess, User
from tests.integration.test_outgoing import CAROL, send, wait_for_mail
from tests.integration.test_submission import connect, letter
from tests.integration.zones import Zones

THERE = "192.0.2.25"
DOMAIN = "elsewhere.example"
HOST = "mx.elsewhere.example"
PATIENCE = 20.0

NewServer = Callable[..., ServerProcess]


@pytest.fixture
def zones() -> Iterator[Zones]:
    with private_network([THERE]), Zones({HOST: {"A": [THERE]}, DOMAIN: {"MX": [f"10 {HOST}."]}}) as zones:
        yield zones


@pytest.fixture
def there(zones: Zones, new_server: NewServer, authority: Authority) -> ServerProcess:
    """The server of another domain at its MX, with a valid certificate; it publishes what DOMAIN has set."""
    server = new_server()
    serve(server)
    authority.issue(server.folder / "tls", HOST, f"mta-sts.{DOMAIN}")
    return server


def serve(server: ServerProcess) -> None:
    """At all addresses of the machine, with port 25 and 443, for DOMAIN and CAROL."""
    server.ports = replace(Ports.free(), smtp=25)
    server.web_ports = {"https": 443}
    server.configure("[checks]\nenabled = false")
    text = server.config.read_text().replace(":interface=127.0.0.1", "")
    server.config.write_text(text.replace("mail.example.org", HOST))
    server.admin("domain", "add", DOMAIN)
    server.admin("account", "add", CAROL.address, "--password-stdin", stdin=f"{PASSWORD}\n")


@pytest.fixture
def here(zones: Zones, new_server: NewServer) -> ServerProcess:
    """A server that sends by MX, and trusts the test's authority; not started."""
    return new_server(f'{zones.settings}\n[relay]\nretry = ["1 second"]\n', accounts=2)


def start(here: ServerProcess) -> User:
    """A user of it, once it runs."""
    here.start(env=os.environ | {"SSL_CERT_FILE": str(here.authority.file)})
    return here.new_user()


def publish(there: ServerProcess, zones: Zones, mode: str) -> None:
    """What `domain records` prints is put into DNS."""
    there.admin("domain", "set", DOMAIN, f"mta-sts={mode}")
    printed = there.admin("domain", "records", DOMAIN).stdout.splitlines()
    (record,) = [line for line in printed if line.startswith(f"_mta-sts.{DOMAIN}.")]
    assert f"mta-sts.{DOMAIN}. 3600 IN CNAME {HOST}." in printed
    zones.records[f"_mta-sts.{DOMAIN}"] = {"TXT": [record.partition(" TXT ")[2].strip('"')]}
    zones.records[f"mta-sts.{DOMAIN}"] = {"CNAME": [f"{HOST}."]}


def waiting(server: ServerProcess, word: str) -> str:
    """What `queue show` says of the one message, once *word* is in it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        rows = json.loads(server.admin("queue", "list", "--json").stdout)
        text = server.admin("queue", "show", rows[0]["id"]).stdout if rows else ""
        if word in text:
            return text
        assert time.monotonic() < deadline, f"{text}\n{server.log_text()}"
        time.sleep(0.2)


def explained(server: ServerProcess) -> str:
    """What is told of the last message, once it is relayed."""
    deadline = time.monotonic() + PATIENCE
    while "took it for" not in (text := server.try_admin("explain", CAROL.address).stdout):
        assert time.monotonic() < deadline, text
        time.sleep(0.2)
    return text


def test_enforced_policy_is_met_and_told(zones: Zones, there: ServerProcess, here: ServerProcess) -> None:
    publish(there, zones, "enforce")
    there.start()
    send(here, start(here), CAROL.address)
    assert b"with ESMTPS" in wait_for_mail(there, CAROL)
    assert f"TLS: MTA-STS of {DOMAIN} (enforce)" in explained(here)
    kept = json.loads((here.maildirs / ".server" / "mta-sts" / f"{DOMAIN}.json").read_text())
    assert kept["policy"] == ["version: STSv1", "mode: enforce", f"mx: {HOST}", "max_age: 604800"]


def test_server_that_is_not_in_the_policy_gets_nothing(zones: Zones, there: ServerProcess, here: ServerProcess) -> None:
    publish(there, zones, "enforce")
    zones.records[DOMAIN] = {"MX": ["10 evil.example."]}
    zones.records["evil.example"] = {"A": [THERE]}
    there.start()
    send(here, start(here), CAROL.address)
    said = waiting(here, "MTA-STS")
    assert f"DNS leads to evil.example, which MTA-STS of {DOMAIN} (enforce) does not allow" in said
    zones.records[DOMAIN] = {"MX": [f"10 {HOST}."]}
    assert not list(there.maildirs.glob(f"{DOMAIN}/*/new/*"))


def test_wrong_certificate_waits_where_enforced(zones: Zones, there: ServerProcess, here: ServerProcess) -> None:
    publish(there, zones, "enforce")
    there.authority.issue(there.folder / "tls", f"mta-sts.{DOMAIN}")
    there.start()
    send(here, start(here), CAROL.address)
    said = waiting(here, "4.7.5")
    assert f"No secure connection to {HOST}, which MTA-STS of {DOMAIN} (enforce) asks for" in said
    assert f"(TLS is verified: MTA-STS of {DOMAIN} (enforce))" in said


def test_wrong_certificate_in_testing_is_only_noted(zones: Zones, there: ServerProcess, here: ServerProcess) -> None:
    publish(there, zones, "testing")
    there.authority.issue(there.folder / "tls", f"mta-sts.{DOMAIN}")
    there.start()
    send(here, start(here), CAROL.address)
    assert b"with ESMTPS" in wait_for_mail(there, CAROL)
    assert f"TLS: MTA-STS of {DOMAIN} (testing), which it does not meet: " in explained(here)


def test_message_that_waives_tls_goes_all_the_same(zones: Zones, there: ServerProcess, here: ServerProcess) -> None:
    publish(there, zones, "enforce")
    there.authority.issue(there.folder / "tls", f"mta-sts.{DOMAIN}")
    there.start()
    alice = start(here)
    with connect(here, "submission") as client:
        client.login(alice.address, alice.password)
        message = letter(alice.address, CAROL.address, **{"TLS-Required": "No"})
        client.send_message(message, alice.address, [CAROL.address])
    wait_for_mail(there, CAROL)
    assert "TLS: the message says TLS-Required: No" in explained(here)


def test_policy_proves_the_server_of_a_message_that_requires_tls(
    zones: Zones, there: ServerProcess, here: ServerProcess
) -> None:
    publish(there, zones, "testing")
    there.start()
    alice = start(here)
    with connect(here, "submission") as client:
        client.login(alice.address, alice.password)
        message = letter(alice.address, CAROL.address, Subject="over there")
        client.send_message(message, alice.address, [CAROL.address], mail_options=["REQUIRETLS"])
    assert b"over there" in wait_for_mail(there, CAROL)


def test_policy_that_was_once_known_holds_where_dns_has_it_no_more(
    zones: Zones, there: ServerProcess, here: ServerProcess
) -> None:
    publish(there, zones, "enforce")
    there.start()
    alice = start(here)
    send(here, alice, CAROL.address)
    wait_for_mail(there, CAROL)
    here.stop()
    there.stop()
    del zones.records[f"_mta-sts.{DOMAIN}"]
    there.authority.issue(there.folder / "tls")
    there.start()
    start(here)
    send(here, alice, CAROL.address)
    assert f"MTA-STS of {DOMAIN} (enforce) asks for" in waiting(here, "4.7.5")


def test_check_compares_dns_with_the_policy(zones: Zones, there: ServerProcess) -> None:
    there.config.write_text(f"{there.config.read_text()}\n{zones.settings}")
    publish(there, zones, "testing")
    there.start()
    assert f"DNS announces what {DOMAIN} says of TLS (testing)" in there.try_admin("check").stdout
    there.admin("domain", "set", DOMAIN, "mta-sts=enforce")
    assert f"DNS announces an older policy of {DOMAIN}" in there.try_admin("check").stdout
