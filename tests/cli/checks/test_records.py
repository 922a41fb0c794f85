"""DNS as it should be and as it should not: what is found, and the record that mends it."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.cli.checks.situations import ADDRESS, DOMAIN, HOSTNAME, Table, config_of, lines, situation
from twisted_mail.cli import dnsrecords
from twisted_mail.cli.checks.records import check_dns, check_reverse
from twisted_mail.cli.dnsrecords import Place, ports_of, records

TLS = '[tls]\ncertificate = "c.pem"\nkey = "k.pem"\n'
REVERSE = "25.2.0.192.in-addr.arpa"


class RecordCase(TestCase):
    def setUp(self) -> None:
        self.patch(dnsrecords, "own_addresses", lambda: [ADDRESS])
        self.config = config_of(TLS)
        wanted = records(DOMAIN, Place(HOSTNAME, [ADDRESS], ports_of(self.config)))
        self.right: dict[tuple[str, str], list[str]] = {(each.name, each.type): [each.value] for each in wanted}

    def look(self, changes: Table) -> list[str]:
        return lines(check_dns(situation(self.config, {**self.right, **changes})))


class DNSTests(RecordCase):
    def test_what_init_says_is_right(self) -> None:
        self.assertEqual(
            [f"ok: DNS says {HOSTNAME} is {ADDRESS}", f"ok: DNS says of {DOMAIN} what it should"], self.look({})
        )

    def test_each_difference_is_one_sentence_with_its_record(self) -> None:
        for changes, expected in (
            (
                {(DOMAIN, "MX"): []},
                "FAULT: example.org has no MX record, so others do not know where to send its mail"
                " -> example.org. 3600 IN MX 10 mail.example.org.",
            ),
            (
                {(DOMAIN, "MX"): ["10 old.example.org.", "20 older.example.org."]},
                "FAULT: mail for example.org goes to old.example.org and older.example.org and not to mail.example.org"
                " -> example.org. 3600 IN MX 10 mail.example.org.",
            ),
            (
                {(DOMAIN, "TXT"): ["unrelated"]},
                "FAULT: example.org has no SPF record, and large providers refuse mail from such domains"
                ' -> example.org. 3600 IN TXT "v=spf1 mx -all"',
            ),
            (
                {(DOMAIN, "TXT"): ["v=spf1 mx -all", "v=spf1 a ~all"]},
                "FAULT: example.org has 2 SPF records, which counts as an error; only one may stay"
                ' -> example.org. 3600 IN TXT "v=spf1 mx -all"',
            ),
            (
                {(DOMAIN, "TXT"): ["v=spf1 +all"]},
                'FAULT: the SPF record of example.org, "v=spf1 +all", lets everybody send in its name'
                ' -> example.org. 3600 IN TXT "v=spf1 mx -all"',
            ),
            (
                {(HOSTNAME, "TXT"): []},
                "advice: mail.example.org has no SPF record, which would count for reports and other mail without "
                "sender"
                ' -> mail.example.org. 3600 IN TXT "v=spf1 a -all"',
            ),
            (
                {(f"_dmarc.{DOMAIN}", "TXT"): []},
                "advice: example.org has no DMARC record, which large providers want"
                ' -> _dmarc.example.org. 3600 IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@example.org"',
            ),
            (
                {(f"_submission._tcp.{DOMAIN}", "SRV"): [], (f"_pop3s._tcp.{DOMAIN}", "SRV"): []},
                "advice: mail programs that look in DNS do not find all services of example.org"
                " -> _submission._tcp.example.org. 3600 IN SRV 1 1 587 mail.example.org.\n"
                "_pop3s._tcp.example.org. 3600 IN SRV 2 1 995 mail.example.org.",
            ),
            (
                {(f"_imap._tcp.{DOMAIN}", "SRV"): ["0 1 143 imap.example.org."]},
                "advice: _imap._tcp.example.org leads mail programs to imap.example.org.:143, which is not what this "
                "server offers -> _imap._tcp.example.org. 3600 IN SRV 0 0 0 .",
            ),
        ):
            self.assertEqual([f"ok: DNS says {HOSTNAME} is {ADDRESS}", expected], self.look(changes))

    def test_priorities_of_services_are_the_owners_business(self) -> None:
        self.assertEqual(2, len(self.look({(f"_pop3s._tcp.{DOMAIN}", "SRV"): [f"7 5 995 {HOSTNAME}."]})))

    def test_missing_or_foreign_address_of_the_server_is_told(self) -> None:
        self.assertEqual(
            f"FAULT: DNS has no address of {HOSTNAME} -> {HOSTNAME}. IN A {ADDRESS}",
            self.look({(HOSTNAME, "A"): []})[0],
        )
        self.assertEqual(
            f"advice: DNS says {HOSTNAME} is 198.51.100.1, and this machine is {ADDRESS}: right only if a router or "
            "balancer stands between",
            self.look({(HOSTNAME, "A"): ["198.51.100.1"]})[0],
        )

    def test_name_of_one_word_is_told(self) -> None:
        self.config = config_of(TLS, hostname="localhost")
        self.assertTrue(self.look({})[0].startswith('FAULT: the server calls itself "localhost", which is no full'))

    def test_names_of_autoconfig_are_wanted_once_the_web_is_open(self) -> None:
        self.config = config_of('[listen]\nhttps = ["tcp:443"]\n' + TLS)
        found = self.look({("autoconfig.example.org", "A"): [ADDRESS]})
        self.assertEqual(
            "advice: autodiscover.example.org is not in DNS"
            " -> autodiscover.example.org. 3600 IN CNAME mail.example.org.",
            found[-1],
        )

    def test_silent_resolver_is_one_finding(self) -> None:
        found = self.look({(HOSTNAME, "*"): []})
        self.assertEqual(1, len(found))
        self.assertTrue(found[0].startswith(f"FAULT: DNS gives no answer about {HOSTNAME} A: the test is silent -> "))

    def test_server_for_this_machine_only_needs_no_dns(self) -> None:
        self.config = config_of('[listen]\nsmtp = ["tcp:1025:interface=127.0.0.1"]\n')
        expected = ["ok: the server listens on this machine only, so DNS need not know it"]
        self.assertEqual(expected, lines(check_dns(situation(self.config))))
        self.assertEqual(expected, lines(check_reverse(situation(self.config))))


class ReverseTests(RecordCase):
    def look(self, changes: Table) -> list[str]:
        return lines(check_reverse(situation(self.config, {**self.right, **changes})))

    def test_address_is_called_by_the_name_of_the_server(self) -> None:
        self.assertEqual([f"ok: {ADDRESS} is called {HOSTNAME}"], self.look({(REVERSE, "PTR"): [f"{HOSTNAME}."]}))

    def test_another_name_or_none_is_told_with_the_record_for_the_provider(self) -> None:
        for names, called in (([], "without a name"), (["host25.provider.example."], "called host25.provider.example")):
            self.assertEqual(
                [
                    f"FAULT: {ADDRESS} is {called} in reverse DNS and not {HOSTNAME}, so others will refuse mail from "
                    f"there -> {REVERSE}. IN PTR {HOSTNAME}.   (at the provider)"
                ],
                self.look({(REVERSE, "PTR"): names}),
            )
