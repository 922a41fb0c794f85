"""Where the server asks DNS, seen at a DNS server of the test's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from tests.integration.process import ServerProcess
from tests.integration.test_outgoing import PATIENCE, send
from tests.integration.zones import Trouble, Zones, reverse
from twisted_mail.policy.dns import CachedLookups, LookupFailed
from twisted_mail.resolving import dns_resolver

RECORDS = {
    "example.net": {"MX": ["20 b.example.net.", "10 a.example.net."], "TXT": ["a text"]},
    "a.example.net": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
    "alias.example.net": {"CNAME": ["a.example.net."]},
    reverse("192.0.2.1"): {"PTR": ["a.example.net."]},
    "broken.example": Trouble.FAILS,
}


class LookupTests(TestCase):
    def setUp(self) -> None:
        self.zones = Zones(RECORDS)
        self.zones.__enter__()
        self.addCleanup(self.zones.__exit__, None, None, None)
        self.lookups = CachedLookups(dns_resolver([("127.0.0.1", self.zones.port)], reactor), reactor)  # type: ignore[arg-type]

    async def test_every_kind_of_record_is_found(self) -> None:
        ask = self.lookups
        for question, expected in (
            (ask.txt("example.net"), (b"a text",)),
            (ask.mx("example.net"), ((10, "a.example.net"), (20, "b.example.net"))),
            (ask.addresses("alias.example.net", 4), ("192.0.2.1",)),
            (ask.addresses("a.example.net", 6), ("2001:db8::1",)),
            (ask.ptr("192.0.2.1"), ("a.example.net",)),
            (ask.txt("a.example.net"), ()),
            (ask.txt("nothing.example"), ()),
        ):
            self.assertEqual(expected, await question)

    async def test_server_that_fails_is_a_failure(self) -> None:
        with self.assertRaises(LookupFailed):
            await self.lookups.txt("broken.example")


@pytest.fixture
def zones() -> Iterator[Zones]:
    with Zones(RECORDS) as running:
        yield running


def test_mail_to_another_domain_asks_the_resolver_of_the_configuration(
    new_server: Callable[..., ServerProcess], zones: Zones
) -> None:
    server = new_server(f"{zones.settings}[relay]\nenabled = true\n", accounts=1)
    server.start()
    send(server, server.new_user(), "carol@nowhere.example")
    deadline = time.monotonic() + PATIENCE
    while "MX nowhere.example" not in zones.asked:
        assert time.monotonic() < deadline, server.log_text()
        time.sleep(0.05)
