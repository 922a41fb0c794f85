"""`mailserver init`: what it asks, writes and says (that the server starts with it: integration/test_init.py)."""

from __future__ import annotations

import argparse
import builtins
import os
import re
import stat
import tomllib
from pathlib import Path

from cryptography import x509
from twisted.application.service import IServiceMaker
from twisted.trial.unittest import TestCase

from tests.cli.test_main import CommandCase
from twisted_mail.auth import passwords
from twisted_mail.auth.directory import Directory
from twisted_mail.auth.names import alias_address
from twisted_mail.cli import dnsrecords, init, newserver, remaining
from twisted_mail.cli.configfile import sample, with_values
from twisted_mail.cli.dnsrecords import Place, ports_of, records, usual_ports, zone_text
from twisted_mail.cli.newserver import SYSTEM_CONFIG
from twisted_mail.config import Config, load
from twisted_mail.smtp.address import Address

GIVEN = ("--domain", "example.org", "--account", "alice@example.org", "--password-stdin")
PLACE = Place("mail.example.org", ["192.0.2.25", "2001:db8::25"], usual_ports())

ZONE = """\
; DNS records for example.org and its mail server mail.example.org

; Mail for the domain comes to this server (RFC 5321 §5.1).
example.org. 3600 IN MX 10 mail.example.org.

; The server itself.
mail.example.org. 3600 IN A 192.0.2.25
mail.example.org. 3600 IN AAAA 2001:db8::25

; Who may send as the domain: this server and nobody else (SPF, RFC 7208).
mail.example.org. 3600 IN TXT "v=spf1 a -all"
example.org. 3600 IN TXT "v=spf1 mx -all"

; What others should do with mail that fails that, and where to report it (DMARC, RFC 7489).
_dmarc.example.org. 3600 IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@example.org"

; Where others may report whether mail could come by TLS (RFC 8460).
_smtp._tls.example.org. 3600 IN TXT "v=TLSRPTv1; rua=mailto:postmaster@example.org"

; Where mail programs find it; "." is: not offered (RFC 6186, RFC 8314).
_submissions._tcp.example.org. 3600 IN SRV 0 1 465 mail.example.org.
_submission._tcp.example.org. 3600 IN SRV 1 1 587 mail.example.org.
_pop3s._tcp.example.org. 3600 IN SRV 2 1 995 mail.example.org.
_pop3._tcp.example.org. 3600 IN SRV 3 1 110 mail.example.org.
_imaps._tcp.example.org. 3600 IN SRV 0 0 0 .
_imap._tcp.example.org. 3600 IN SRV 0 0 0 .

; Where mail programs ask for their settings, once web and https of [listen] are open to others.
autoconfig.example.org. 3600 IN CNAME mail.example.org.
autodiscover.example.org. 3600 IN CNAME mail.example.org.
"""

SAID = """\
wrote {folder}/new/mailserver.toml
wrote {folder}/new/dns-example.org.zone
wrote {folder}/new/twisted-mail.service
wrote {folder}/new/tls/fullchain.pem
wrote {folder}/new/tls/privkey.pem
wrote {folder}/new/tls/ca.pem
added alice@example.org in {folder}/new/maildirs, who is postmaster@ and abuse@ too

{zone}
What is left to do:

1. Make the user that the server runs as, and give it what is its own:
     useradd --system --home-dir {folder}/new --shell /usr/sbin/nologin twisted-mail
     chown -R twisted-mail: {folder}/new/maildirs
     chgrp twisted-mail {folder}/new/tls/privkey.pem && chmod 640 {folder}/new/tls/privkey.pem
2. Put the DNS records above into the zone of example.org; they lie in {folder}/new/dns-example.org.zone.  \
At the provider of the machine, set the reverse DNS of its address to mail.example.org.
3. Let these ports through the firewall: 25, 465, 587, 110 and 995.
"""


class InitCase(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.new = os.path.join(self.folder, "new", "mailserver.toml")
        self.patch(newserver, "own_addresses", lambda: PLACE.addresses)
        self.patch(init, "may_use_low_ports", lambda: True)
        self.patch(newserver, "service_user", lambda: None)
        self.patch(remaining, "service_user", lambda: None)

    def init(self, *arguments: str) -> str:
        return self.succeed("init", "--config", self.new, *GIVEN, *arguments, stdin="A secret\n")


class InitTests(InitCase):
    def test_files_and_what_is_left_to_do_are_told_in_order(self) -> None:
        said = self.init()
        zone = Path(self.folder, "new", "dns-example.org.zone").read_text()
        signatures = re.compile(
            r'\n; With which keys .*\n(\d{8}[er]\._domainkey\.example\.org\. 3600 IN TXT ".*"\n){2}'
        )
        self.assertEqual(ZONE, signatures.sub("", zone))
        expected = SAID.format(folder=self.folder, zone=zone)
        self.assertEqual(expected, said[: len(expected)])
        self.assertLess(said.index("certbot certonly"), said.index("systemctl enable --now"))
        self.assertNotIn("A secret", said)

    def test_plugins_are_remembered_for_a_server_that_may_not_write_that_down(self) -> None:
        looked: list[object] = []
        self.patch(init, "getPlugins", lambda kind: [looked.append(kind)])
        self.init("--dry-run")
        self.assertEqual([], looked)
        self.init()
        self.assertEqual([IServiceMaker], looked)

    def test_configuration_shows_every_option_and_can_be_loaded(self) -> None:
        self.init()
        config = load(self.new)
        self.assertEqual("mail.example.org", config.hostname)
        self.assertEqual(os.path.join(self.folder, "new", "maildirs"), config.data)
        self.assertEqual([25], [address.port for address in config.listen.smtp])
        without = [line.removeprefix("#") for line in sample().splitlines()]
        changed = ("hostname", "data", "certificate", "key")
        for line in without:
            if not line.startswith(changed):
                self.assertIn(line, [each.removeprefix("#") for each in Path(self.new).read_text().splitlines()])

    def test_first_account_has_its_password_and_is_postmaster(self) -> None:
        self.init()
        directory = Directory(load(self.new).directory_file)
        self.addCleanup(directory.close)
        account = directory.account(alias_address("alice@example.org"))
        assert account is not None
        self.assertTrue(passwords.verify(account.password, "A secret"))
        for name in ("postmaster", "abuse"):
            self.assertEqual((account.address,), directory.expansion(Address(name, "example.org")).mailboxes)

    def test_certificate_is_for_the_host_name_and_its_key_for_nobody_else(self) -> None:
        self.init()
        config = load(self.new)
        assert config.tls.certificate is not None
        assert config.tls.key is not None
        leaf = x509.load_pem_x509_certificates(Path(config.tls.certificate).read_bytes())[0]
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(["mail.example.org"], names.get_values_for_type(x509.DNSName))
        self.assertEqual(0o600, stat.S_IMODE(os.stat(config.tls.key).st_mode))

    def test_second_time_says_so_and_changes_nothing(self) -> None:
        self.init()
        before = {path: path.read_bytes() for path in Path(self.folder).rglob("*") if path.is_file()}
        self.fail_with("is there already and nothing was changed", "init", "--config", self.new, *GIVEN)
        os.unlink(self.new)
        self.fail_with("twisted-mail.service and", "init", "--config", self.new, *GIVEN)
        del before[Path(self.new)]
        self.assertEqual(before, {path: path.read_bytes() for path in Path(self.folder).rglob("*") if path.is_file()})

    def test_data_of_another_server_is_left_alone(self) -> None:
        os.makedirs(os.path.join(self.folder, "new", "maildirs", ".server"))
        self.fail_with("holds the data of a server already", "init", "--config", self.new, *GIVEN)

    def test_dry_run_shows_all_and_writes_nothing(self) -> None:
        said = self.succeed("init", "--config", self.new, *GIVEN[:4], "--dry-run")
        for part in (ZONE, 'hostname = "mail.example.org"\n', "ExecStart=", "useradd --system", self.new):
            self.assertIn(part, said)
        self.assertFalse(os.path.exists(os.path.dirname(self.new)))

    def test_failure_leaves_no_files_that_a_second_run_would_trip_over(self) -> None:
        self.patch(newserver, "load", lambda path: self.fail_on_purpose())
        self.fail_with("the disk", "init", "--config", self.new, *GIVEN, stdin="A secret\n")
        self.assertEqual([], [path for path in Path(self.folder, "new").rglob("*") if path.is_file()])

    def fail_on_purpose(self) -> None:
        raise OSError(28, "No space left on device")


class ACMETests(InitCase):
    def test_server_gets_its_certificate_itself_and_has_the_ports_for_it(self) -> None:
        self.patch(init, "find_spec", lambda name: object())
        said = self.init("--acme")
        config = load(self.new)
        self.assertEqual("https://acme-v02.api.letsencrypt.org/directory", config.tls.acme)
        self.assertEqual("postmaster@example.org", config.tls.acme_contact)
        self.assertEqual([80, 443], [address.port for address in (*config.listen.web, *config.listen.https)])
        self.assertNotIn("certbot", said)
        self.assertNotIn("tls/", said)
        self.assertIn("Let these ports through the firewall: 25, 465, 587, 110, 995, 80 and 443.", said)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "new", "tls")))

    def test_what_it_needs_is_told(self) -> None:
        self.fail_with("this is a trial", "init", "--config", self.new, *GIVEN, "--acme", "--trial")
        self.patch(init, "find_spec", lambda name: None)
        self.fail_with("pip install twisted-mail[acme]", "init", "--config", self.new, *GIVEN, "--acme")


class TrialTests(InitCase):
    def test_trial_is_on_loopback_above_1024_and_nothing_leaves(self) -> None:
        said = self.init("--trial")
        listen = tomllib.loads(Path(self.new).read_text())["listen"]
        self.assertEqual(
            {
                "smtp": ["tcp:1025:interface=127.0.0.1"],
                "submission": ["tcp:1587:interface=127.0.0.1"],
                "submissions": ["tcp:1465:interface=127.0.0.1"],
                "pop3": ["tcp:1110:interface=127.0.0.1"],
                "pop3s": ["tcp:1995:interface=127.0.0.1"],
            },
            listen,
        )
        self.assertFalse(load(self.new).relay.enabled)
        self.assertIn(f"-n mailserver --config {self.new}", said)
        self.assertNotIn("systemctl", said)

    def test_trial_of_root_stays_in_the_folder_where_it_was_begun(self) -> None:
        self.patch(os, "geteuid", lambda: 0)
        self.patch(os, "environ", {})
        path = init._config_path(argparse.Namespace(trial=True))
        self.assertEqual(os.path.abspath("mailserver.toml"), path)
        self.assertEqual(SYSTEM_CONFIG, init._config_path(argparse.Namespace(trial=False)))

    def test_who_may_not_have_port_25_gets_a_trial(self) -> None:
        self.patch(init, "may_use_low_ports", lambda: False)
        self.assertIn("This is a trial", self.init())


class QuestionTests(InitCase):
    def ask(self, *answers: str) -> tuple[list[str], list[str]]:
        """The questions; and what the dry run shows."""
        asked: list[str] = []
        left = list(answers)

        def answer(question: str) -> str:
            asked.append(question)
            return left.pop(0)

        self.patch(builtins, "input", answer)
        status, said, errors = self.run_command("init", "--config", self.new, "--dry-run", terminal=True)
        self.assertEqual((0, ""), (status, errors))
        return asked, said.splitlines()

    def test_three_questions_have_defaults(self) -> None:
        self.patch(os, "geteuid", lambda: 1000)
        self.patch(init.getpass, "getuser", lambda: "alice")
        asked, said = self.ask("example.org", "", "")
        self.assertEqual(
            [
                "Domain of the mail addresses, as in example.org: ",
                "Full name of this machine, as other servers see it [mail.example.org]: ",
                "First account [alice@example.org]: ",
            ],
            asked,
        )
        self.assertIn("(account alice@example.org)", said)

    def test_name_without_a_domain_is_of_the_domain(self) -> None:
        _, said = self.ask("example.org", "mx.example.net", "bob")
        self.assertIn("(account bob@example.org)", said)
        self.assertIn("(a certificate for mx.example.net)", said)

    def test_without_a_terminal_the_missing_option_is_named(self) -> None:
        self.fail_with("use --domain", "init", "--config", self.new)
        self.fail_with("use --account", "init", "--config", self.new, "--domain", "example.org")

    def test_what_cannot_be_is_refused(self) -> None:
        for arguments, words in (
            (("--domain", "not a domain"), "is not a domain name"),
            (("--domain", "example.org", "--account", "alice@example.net"), "is not in example.org"),
            (("--domain", "example.org", "--account", "a/b"), "an account's name takes"),
        ):
            self.fail_with(words, "init", "--config", self.new, *arguments)


class RecordTests(TestCase):
    def test_server_that_has_the_name_of_the_domain_has_one_spf_record(self) -> None:
        found = [each for each in records("example.org", Place("example.org", [], {})) if each.type == "TXT"]
        self.assertEqual(["v=spf1 mx -all"], [each.value for each in found if each.name == "example.org"])

    def test_zone_is_text_for_a_zone_file(self) -> None:
        self.assertEqual(ZONE, zone_text("example.org", PLACE))

    def test_unknown_address_is_a_line_to_fill_in(self) -> None:
        text = zone_text("example.org", Place("mail.example.org", [], usual_ports()))
        self.assertIn(";mail.example.org. 3600 IN A 192.0.2.25\n", text)

    def test_services_that_are_off_are_said_to_be_off(self) -> None:
        config = Config()
        self.assertEqual({"submission": 587, "pop3": 110}, ports_of(config))
        found = {
            each.name: each.value for each in records("example.org", Place("mx.example.org", [], ports_of(config)))
        }
        self.assertEqual("1 1 587 mx.example.org.", found["_submission._tcp.example.org"])
        self.assertEqual("0 0 0 .", found["_pop3s._tcp.example.org"])

    def test_only_addresses_that_others_can_reach_are_told(self) -> None:
        self.assertEqual(
            [], [each for each in dnsrecords.own_addresses() if each.startswith(("10.", "127.", "192.168."))]
        )


class ConfigFileTests(TestCase):
    def test_option_that_is_not_there_is_a_bug(self) -> None:
        self.assertRaises(KeyError, with_values, sample(), {"listen.imap": "[]"})

    def test_same_name_in_two_sections_is_told_apart(self) -> None:
        text = "#key = 1\n[a]\n#key = 2\n[b]\n# a text about key = 3\n#key = 3\n"
        changed = with_values(text, {"b.key": "4"})
        self.assertEqual("#key = 1\n[a]\n#key = 2\n[b]\n# a text about key = 3\nkey = 4\n", changed)
