"""What a domain says of TLS, as others find it."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import TestCase

from tests.cli.checks.situations import ADDRESS, DOMAIN, HOSTNAME, Table, config_of, lines, situation
from twisted_mail.cli.checks.transport import check_transport
from twisted_mail.config import Config
from twisted_mail.securing import own_policy

SETTINGS = '[listen]\nhttps = ["tcp:443"]\n'
RECORD, HOST = f"_mta-sts.{DOMAIN}", f"mta-sts.{DOMAIN}"


class TransportTests(TestCase):
    def setUp(self) -> None:
        self.config = config_of(SETTINGS)
        policy = own_policy(self.config, {"mta-sts": "testing"})
        assert policy is not None
        self.text = f"v=STSv1; id={policy.identifier}"
        self.right: Table = {(RECORD, "TXT"): [self.text], (HOST, "A"): [ADDRESS], (DOMAIN, "MX"): [f"10 {HOSTNAME}."]}

    def look(self, changes: Table, mode: str = "testing", config: Config | None = None) -> list[str]:
        about = situation(config or self.config, {**self.right, **changes})
        attributes = {"mta-sts": mode} if mode else {}
        domains = [replace(each, attributes=attributes) for each in about.domains]
        return lines(check_transport(replace(about, domains=domains)))

    def test_all_is_there(self) -> None:
        self.assertEqual([f"ok: DNS announces what {DOMAIN} says of TLS (testing)"], self.look({}))

    def test_what_is_wrong_is_told_with_what_mends_it(self) -> None:
        record = f'{RECORD}. 3600 IN TXT "{self.text}"'
        for changes, expected in (
            ({(RECORD, "TXT"): []}, f"FAULT: DNS does not announce what {DOMAIN} says of TLS -> {record}"),
            (
                {(RECORD, "TXT"): ["v=STSv1; id=1"]},
                f"FAULT: DNS announces an older policy of {DOMAIN}, so",
            ),
            ({(HOST, "A"): []}, f"FAULT: {HOST}, where others fetch what {DOMAIN} says of TLS, has no address -> "),
            ({(DOMAIN, "MX"): ["10 b.example."]}, f"FAULT: DNS leads mail for {DOMAIN} to b.example, and its policy"),
            ({(RECORD, "*"): []}, "FAULT: DNS gives no answer about"),
        ):
            with self.subTest(changes=changes):
                (found,) = self.look(changes)
                self.assertTrue(found.startswith(expected), found)

    def test_https_that_is_not_open_is_told(self) -> None:
        (found,) = self.look({}, config=config_of(SETTINGS.replace("tcp:443", "tcp:443:interface=127.0.0.1")))
        self.assertIn("https is not open to them", found)

    def test_domain_without_a_policy(self) -> None:
        (found,) = self.look({(RECORD, "TXT"): []}, mode="")
        self.assertTrue(found.startswith(f"ok: {DOMAIN} says nothing of TLS"), found)
        (found,) = self.look({}, mode="")
        self.assertIn("is not this server's", found)
