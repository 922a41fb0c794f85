"""Three servers of ours with domains of their own: one sends, one takes and sends on, one takes what was sent on.

All DNS is the test's own.  Each checks what comes; nothing is signed or sealed by the test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.integration.certificate import Authority
from tests.integration.process import PASSWORD, ServerProcess, User
from tests.integration.test_checks import send as send_as_stranger
from tests.integration.test_outgoing import send, wait_for_mail
from tests.integration.test_signing import records
from tests.integration.zones import Zones, reverse

CAROL = User("carol@elsewhere.example")
DAVE = User("dave@third.example")
INFO = User("info@elsewhere.example")
"""An alias of the second server that leads to the third."""


@dataclass(frozen=True)
class Three:
    first: ServerProcess
    second: ServerProcess
    third: ServerProcess


def checking(zones: Zones, *more: str) -> str:
    return "\n".join([zones.settings, "[checks]\ntrusted = []", *more])


def relaying(server: ServerProcess) -> str:
    """All that leaves goes to *server*."""
    return f'[relay]\nsmarthost = "tcp:127.0.0.1:{server.ports.smtp}"\nretry = ["1 second"]\n'


def settle(server: ServerProcess, user: User) -> None:
    server.admin("domain", "add", user.address.partition("@")[2])
    server.admin("account", "add", user.address, "--password-stdin", stdin=f"{PASSWORD}\n")


@pytest.fixture(scope="module")
def three(authority: Authority) -> Iterator[Three]:
    with ExitStack() as stack:
        servers = [ServerProcess(authority) for _ in range(3)]
        for server in servers:
            stack.callback(server.close)
        first, second, third = servers
        zones = stack.enter_context(Zones({reverse("127.0.0.1"): {"PTR": ["mail.example.org."]}}))
        third.configure(checking(zones, 'trusted_sealers = ["elsewhere.example"]'))
        second.configure(checking(zones, relaying(third)))
        first.configure(zones.settings + relaying(second))
        first.create_accounts(5)
        settle(second, CAROL)
        settle(third, DAVE)
        second.admin("alias", "add", INFO.address, DAVE.address)
        zones.records["mail.example.org"] = {"A": ["127.0.0.1"]}
        for domain, server in (("example.org", first), ("elsewhere.example", second)):
            zones.records[domain] = {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]}
            zones.records[f"_dmarc.{domain}"] = {"TXT": ["v=DMARC1; p=reject"]}
            zones.records |= {name: {"TXT": [value]} for name, value in records(server).items()}
        for server in servers:
            server.start()
        yield Three(*servers)
        for server in servers:
            server.stop()


def results(octets: bytes) -> list[str]:
    """What the uppermost Authentication-Results says, without comments."""
    match = re.search(rb"^Authentication-Results:.*\r\n((?:[ \t].*\r\n)*)", octets, re.MULTILINE)
    assert match is not None, octets[:2000]
    return [re.sub(r" \([^)]*\)", "", line).strip(" ;") for line in match.group(1).decode().splitlines()]


def test_what_one_server_signs_passes_at_the_other(three: Three) -> None:
    alice = three.first.new_user()
    send(three.first, alice, CAROL.address)
    iprev, spf, *signatures, dmarc = results(wait_for_mail(three.second, CAROL))
    assert iprev == "iprev=pass policy.iprev=127.0.0.1"
    assert spf == f"spf=pass smtp.mailfrom={alice.address}"
    assert [line[: line.index(" header.s=")] for line in signatures] == ["dkim=pass header.d=example.org"] * 2
    assert dmarc == "dmarc=pass header.from=example.org"


def test_what_is_sent_on_passes_with_a_chain_that_holds(three: Three) -> None:
    send(three.first, three.first.new_user(), INFO.address)
    octets = wait_for_mail(three.third, DAVE)
    _, spf, *others, arc, dmarc = results(octets)
    assert re.fullmatch(r"spf=pass smtp\.mailfrom=SRS0=\S+@elsewhere\.example", spf)
    assert sum(line.startswith("dkim=pass header.d=example.org ") for line in others) == 2
    assert arc == "arc=pass smtp.remote-ip=127.0.0.1"
    assert dmarc == "dmarc=pass header.from=example.org"
    (found,) = re.findall(rb"ARC-Authentication-Results: i=1;((?:.*\r\n)(?:[ \t].*\r\n)*)", octets)
    assert b"dmarc=pass" in found


def test_forgery_in_the_name_of_another_is_refused(three: Three) -> None:
    code, text = send_as_stranger(three.second, "x@nothing.example", CAROL, author="alice@example.org")
    assert code == 550
    assert b"DMARC p=reject of example.org" in text
    assert b"DKIM: there is no signature" in text
