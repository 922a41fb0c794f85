"""The resolver of `mailserver check`, asking a DNS server of the test's."""

from __future__ import annotations

import pytest

from tests.integration.zones import Trouble, Zones, reverse
from twisted_mail.cli.checks import resolver
from twisted_mail.cli.checks.resolver import NoAnswer, Resolver


def test_records_are_text_as_in_a_zone_file() -> None:
    long = "v=DKIM1; p=" + "A" * 400
    with Zones(
        {
            "example.org": {"MX": ["10 Mail.Example.ORG."], "TXT": ["v=spf1 mx -all", long]},
            "www.example.org": {"CNAME": ["mail.example.org."]},
            "mail.example.org": {"A": ["192.0.2.25"]},
            "_pop3s._tcp.example.org": {"SRV": ["0 1 995 mail.example.org."]},
            reverse("192.0.2.25"): {"PTR": ["mail.example.org."]},
            "broken.example": Trouble.FAILS,
        }
    ) as zones:
        dns = Resolver([("127.0.0.1", zones.port)])
        assert dns.records("example.org", "MX") == ["10 mail.example.org."]
        assert sorted(dns.records("example.org", "TXT")) == [long, "v=spf1 mx -all"]
        assert dns.records("www.example.org", "A") == ["192.0.2.25"]
        assert dns.records("_pop3s._tcp.example.org", "SRV") == ["0 1 995 mail.example.org."]
        assert dns.names_of("192.0.2.25") == ["mail.example.org."]
        assert dns.records("example.org", "AAAA") == []
        assert dns.records("nowhere.example.org", "A") == []
        with pytest.raises(NoAnswer, match=r"no answer about broken\.example MX: .*SERVFAIL"):
            dns.records("broken.example", "MX")


def test_silence_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "PATIENCE", 0.3)
    with Zones({"silent.example": Trouble.IS_SILENT}) as zones, pytest.raises(NoAnswer, match="silent"):
        Resolver([("127.0.0.1", zones.port)]).records("silent.example", "A")
