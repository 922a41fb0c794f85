"""mailserver.toml: defaults, what each error says, and where a configuration is found."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import TestCase

from twisted_mail import config as config_module
from twisted_mail.config import TLS, Config, ConfigError, Listen, ListenAddress, demo_config, find_config, load
from twisted_mail.filterconfig import Filter
from twisted_mail.relayconfig import RelayDomain, RelaySender

SAMPLE = Path(__file__).parent.parent / "etc" / "mailserver.toml"

# what is written -> (line, key, words of the error)
WRONG = {
    'hostnam = "mail.example.org"': (1, "hostnam", 'write "hostname"'),
    'hostname = "not a name"': (1, "hostname", 'as in "mail.example.org"'),
    "hostname = 5": (1, "hostname", 'hostname = "..."'),
    '\n[limits]\nrecipients = 10\nmesage_size = "5 MB"': (4, "limits.mesage_size", 'write "message_size"'),
    '[limits]\n\nmessage_size = "5 Mbit"': (3, "limits.message_size", 'write it like "50 MiB"'),
    "[limits]\nmessage_size = -5": (2, "limits.message_size", "from 1 up"),
    "[limits]\nrecipients = true": (2, "limits.recipients", "whole number"),
    '[limits]\nrecipients = "10"': (2, "limits.recipients", "without quotes"),
    '[limits]\nhostname = "mail.example.org"': (2, "limits.hostname", "move it above the first [section]"),
    "limits = 5": (1, "limits", "write [limits] on a line of its own"),
    "limits.recipients = 0": (1, "limits.recipients", "from 1 up"),
    "[limits]\nfrogs = 1": (2, "limits.frogs", "takes message_size, recipients"),
    '[auth]\nmechanisms = ["PLAIN", "GSSAPI"]': (2, "auth.mechanisms", "there is SCRAM-SHA-256-PLUS"),
    '[auth]\nmechanisms = "PLAIN"': (2, "auth.mechanisms", 'as in ["PLAIN", "LOGIN"]'),
    '[proxy]\nlisteners = ["smtp"]': (2, "proxy.listeners", 'trusted = ["192.0.2.7"]'),
    '[proxy]\nlisteners = ["imap"]\ntrusted = ["::1"]': (2, "proxy.listeners", "there is smtp, submission"),
    '[proxy]\ntrusted = ["localhost"]': (2, "proxy.trusted", 'write it like "192.0.2.7"'),
    '[proxy]\ntrusted = "10.0.0.0/8"': (2, "proxy.trusted", 'trusted = ["192.0.2.7"]'),
    '[filters.x]\nkind = "magic"': (2, "filters.x.kind", "must be one of"),
    '[filters.x]\non_failure = "drop"': (2, "filters.x.on_failure", "must be one of auto, accept, tempfail"),
    '[filters.x]\nlisteners = ["pop3"]': (2, "filters.x.listeners", "must be one of smtp, submission, lmtp"),
    '[filters."x y"]\nkind = "python"': (1, "filters.x y", "letters, digits, - and _ only"),
    '[log]\nlevel = "loud"': (2, "log.level", "there is debug, info"),
    '[log]\nlevels = { queues = "debug" }': (2, "log.levels", "there is smtp, pop3"),
    '[log]\nlevels = "debug"': (2, "log.levels", 'levels = { queue = "debug" }'),
    '[log]\nformat = "xml"': (2, "log.format", '"auto", "text" or "json"'),
    "[pop3]\nundo = 7": (2, "pop3.undo", '"7 seconds"'),
    '[pop3]\nundo = "week"': (2, "pop3.undo", "write it like"),
    '[limits]\nmessage_rate = "fast"': (2, "limits.message_rate", '"100 per minute"'),
    "[limits]\nmessage_rate = 5": (2, "limits.message_rate", 'message_rate = "..."'),
    '[oauth]\nissuer = "https://login.example"': (2, "oauth.issuer", "needs an audience"),
    '[oauth]\nissuer = "login.example"': (2, "oauth.issuer", "https://"),
    '[oauth]\nintrospection = "http://login.example/x"': (2, "oauth.introspection", "https://"),
    '[oauth]\nkeys = "ftp://login.example/x"': (2, "oauth.keys", "https://"),
    "[auth]\nallow_plaintext = 1": (2, "auth.allow_plaintext", "true or false"),
    '[listen]\nsmtp = "tcp:25"': (2, "listen.smtp", 'smtp = ["tcp:25"]'),
    '[listen]\nsmtp = [\n  "tpc:25",\n]': (2, "listen.smtp", 'write "tcp:" instead'),
    "[listen]\nsmtp = [25]": (2, "listen.smtp", 'write smtp = ["tcp:25"]'),
    '[lisen]\nsmtp = ["tcp:25"]': (1, "lisen", 'write "listen"'),
    'workers = "many"': (1, "workers", '"auto"'),
    "workers = 0": (1, "workers", "from 1 up"),
    'data = ""': (1, "data", "the path"),
    "[relay]\ngive_up_after = 5": (2, "relay.give_up_after", '"5 minutes"'),
    '[relay]\nretry = ["5"]': (2, "relay.retry", "write it like"),
    "[relay]\nretry = []": (2, "relay.retry", 'retry = ["5 minutes", "1 hour"]'),
    "[relay]\n\ndomains = 5": (3, "relay.domains", "write [relay.domains.NAME]"),
    '[relay.domains]\n"example.net" = 5': (2, "relay.domains.example.net", 'write [relay.domains."example.net"]'),
    '[relay.domains."not a name"]\nretry = ["1m"]': (1, "relay.domains.not a name", 'as in "example.net"'),
    '[relay.domains."example.net"]\n\nretry = 5': (3, "relay.domains.example.net.retry", "a list of texts"),
    '[relay.domains."example.net"]\nretries = ["1m"]': (2, "relay.domains.example.net.retries", 'write "retry"'),
    "[relay.domains.example.net]\nconnections = 1": (1, "relay.domains.example.net", "unknown key"),
    '[relay.senders.org]\nsmarthost = "x"': (2, "relay.senders.org.smarthost", '"tcp:x:587"'),
    '[checks]\ntrusted_sealers = ["a b"]': (2, "checks.trusted_sealers", 'as in "example.net"'),
    '[checks]\nreports_from = "dmarc"': (2, "checks.reports_from", 'as in "dmarc@example.org"'),
    '[junk]\nblock_lists = ["a b"]': (2, "junk.block_lists", 'as in "example.net"'),
    '[junk]\nallow_lists = ["bl.example.net=2"]': (2, "junk.allow_lists", "like"),
    '[junk]\naction = "drop"': (2, "junk.action", 'write action = "junk"'),
    '[junk]\ngreylist_points = "3"': (2, "junk.greylist_points", "without quotes"),
    "[junk]\ngreylist_points = 0": (2, "junk.greylist_points", "over 0"),
    "[junk]\ngreylist_delay = 5": (2, "junk.greylist_delay", '"5 minutes"'),
    "[checks]\nenabled = false\n[junk]\ngreylist = true": (4, "junk.greylist", "enabled = true"),
    '[limits]\nearly_talkers = "drop"': (2, "limits.early_talkers", "must be one of reject, suspect"),
    '[checks]\nenabled = false\n[junk]\nblock_lists = ["bl.example.net"]': (
        *(4, "junk.block_lists"),
        "enabled = true",
    ),
    '[dns]\nservers = ["localhost"]': (2, "dns.servers", 'like "192.0.2.53"'),
    '[dns]\nservers = ["192.0.2.53:99999"]': (2, "dns.servers", "a port that does not exist"),
    "routes = 5": (1, "routes", "write [routes]"),
    '[routes]\nexample.net = "tcp:192.0.2.1"': (1, "routes", "quotes around it"),
    '[routes]\n"example.net" = "192.0.2.1"': (1, "routes", "is not an endpoint"),
    '[routes]\n"not a name" = "tcp:192.0.2.1"': (1, "routes", 'like "example.net"'),
    '[relay]\nsmarthost = "smtp.example.net"': (2, "relay.smarthost", '"tcp:smtp.example.net:587"'),
    '[tls]\ncertificate = "gone.pem"\nkey = "gone.pem"': (2, "tls.certificate", "No such file"),
    '[tls]\ncertificate = "mailserver.toml"': (2, "tls.certificate", "write key ="),
    '[tls]\nnames = "gone"': (2, "tls.names", "/etc/letsencrypt/live"),
    '[tls]\nclient_authority = "gone.pem"': (2, "tls.client_authority", "No such file"),
    '[tls]\nkey = "mailserver.toml"': (2, "tls.key", "write certificate ="),
    '[tls]\ncertificate = "mailserver.toml"\nkey = "."': (3, "tls.key", "Is a directory"),
    '[listen]\nsmtp = []\nsubmissions = ["tcp:465"]': (3, "listen.submissions", "write submissions = []"),
    'listen = { pop3s = ["tcp:995"] }': (1, "listen.pop3s", "name it and its key in [tls]"),
}
NOT_TOML = {
    "hostname = mail.example.org": 1,
    'data = "maildirs"\n[limits\n': 2,
    'data = "maildirs"\ndata = "maildirs"': 2,
    'data = "maildirs': 1,
}


class ConfigTests(TestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, "mailserver.toml")

    def write(self, text: str) -> str:
        Path(self.path).write_text(text)
        return self.path

    def error(self, text: str) -> str:
        with self.assertRaises(ConfigError, msg=text) as caught:
            load(self.write(text))
        return str(caught.exception)

    def make_tls_files(self) -> None:
        os.mkdir(os.path.join(self.folder, "tls"))
        for name in ("fullchain.pem", "privkey.pem"):
            Path(self.folder, "tls", name).write_text("")

    def test_wrong_values_are_refused_with_line_key_and_remedy(self) -> None:
        for text, (line, key, words) in WRONG.items():
            error = self.error(text)
            self.assertTrue(error.startswith(f"{self.path}, line {line}: {key}: "), f"{text!r}: {error}")
            self.assertIn(words, error)
            self.assertNotIn("\n", error)

    def test_what_is_not_toml_is_refused_with_its_line(self) -> None:
        for text, line in NOT_TOML.items():
            error = self.error(text)
            self.assertTrue(error.startswith(f"{self.path}, line {line}: not valid TOML"), error)
            self.assertNotIn("\n", error)

    def test_a_file_that_cannot_be_read_is_refused_by_name(self) -> None:
        with self.assertRaisesRegex(ConfigError, f"^{re.escape(self.path)}: .*No such file"):
            load(self.path)
        Path(self.path).write_bytes(b'hostname = "\xff"')
        with self.assertRaisesRegex(ConfigError, "UTF-8"):
            load(self.path)

    def test_sample_with_every_option_uncommented_has_the_defaults(self) -> None:
        self.make_tls_files()
        uncommented = re.sub(r"^#(?=\w)", "", SAMPLE.read_text(), flags=re.MULTILINE)
        defaults = load(self.write(""))
        self.assertEqual(replace(defaults, hostname="mail.example.org"), load(self.write(uncommented)))
        self.assertEqual(os.path.join(self.folder, "tls", "privkey.pem"), defaults.tls.key)

    def test_undo_is_switched_off_with_0(self) -> None:
        for value in ('"0"', "0", '"0 days"'):
            self.assertEqual(0, load(self.write(f"[pop3]\nundo = {value}")).pop3.undo)
        self.assertEqual(7 * 86_400, load(self.write("")).pop3.undo)

    def test_resolvers_are_addresses_with_a_port(self) -> None:
        written = '[dns]\nservers = ["127.0.0.1:5353", "192.0.2.53", "[::1]:54", "2001:db8::53"]'
        expected = (("127.0.0.1", 5353), ("192.0.2.53", 53), ("::1", 54), ("2001:db8::53", 53))
        self.assertEqual(expected, load(self.write(written)).dns.servers)

    def test_sample_names_every_option(self) -> None:
        uncommented = re.sub(r"^#(?=\w)", "", SAMPLE.read_text(), flags=re.MULTILINE)
        written = set(re.findall(r"^(\w+) =", uncommented, re.MULTILINE))
        config = demo_config()
        sections = (config.listen, config.tls, config.limits, config.auth, config.oauth, config.pop3)
        sections += (config.proxy, config.dns, config.checks, config.junk, config.relay)
        sections += (config.log, config.journal, config.metrics, config.chaos)
        options = {name for part in sections for name in part.__slots__} | {"hostname", "data", "workers"}
        options -= {"domains", "senders"}  # tables: see the next test
        self.assertEqual(options, written)

    def test_sample_shows_every_option_of_the_tables(self) -> None:
        uncommented = re.sub("^#     ", "", SAMPLE.read_text(), flags=re.MULTILINE)
        config = load(self.write(uncommented))
        relay = config.relay
        self.assertEqual(RelayDomain((60, 600), 2 * 86_400, 3600, 2), relay.domains["example.net"])
        file = os.path.join(self.folder, "smarthost-example.org")
        self.assertEqual(RelaySender("tcp:smtp.example.com:587", "example", file), relay.senders["example.org"])
        self.assertEqual(Filter("python", "", 30, "accept", ("smtp", "submission")), config.filters["tidy"])
        self.assertEqual(Filter("milter", "unix:/run/opendkim/opendkim.sock"), config.filters["opendkim"])

    def test_what_a_table_leaves_out_is_as_in_its_section(self) -> None:
        relay = load(self.write('[relay.domains."Bücher.example"]\nconnections = 1')).relay
        self.assertEqual({"xn--bcher-kva.example": RelayDomain(None, None, None, 1)}, relay.domains)
        self.assertEqual({}, relay.senders)

    def test_sample_as_it_is_loads(self) -> None:
        self.assertEqual(load(self.write("")), load(self.write(SAMPLE.read_text())))

    def test_routes_lead_domains_and_all_below_them_to_servers(self) -> None:
        text = '[routes]\n"B\u00fccher.example" = "lmtp:unix:/run/lmtp"\n".inside.example" = "tcp:192.0.2.1:26"'
        routes = load(self.write(text)).routes
        self.assertEqual({"xn--bcher-kva.example", ".inside.example"}, set(routes))
        self.assertEqual(("192.0.2.1", 26), (routes[".inside.example"].address, routes[".inside.example"].port))
        self.assertTrue(routes["xn--bcher-kva.example"].lmtp)

    def test_paths_are_relative_to_the_file(self) -> None:
        self.make_tls_files()
        config = load(self.write('data = "mail"\n[tls]\ncertificate = "tls/fullchain.pem"\nkey = "tls/privkey.pem"'))
        self.assertEqual(os.path.join(self.folder, "mail"), config.data)
        self.assertEqual(os.path.join(self.folder, "tls", "fullchain.pem"), config.tls.certificate)
        self.assertEqual(os.path.join(self.folder, "mail", ".server", "directory.sqlite"), config.directory_file)
        self.assertEqual("/srv/mail", load(self.write('data = "/srv/mail"')).data)

    def test_without_tls_files_at_the_default_paths_there_are_none(self) -> None:
        self.assertEqual(TLS(None, None), load(self.write("")).tls)

    def test_without_a_certificate_tls_ports_may_be_left_unsaid_or_switched_off(self) -> None:
        for text in ("", 'listen = { smtp = ["tcp:25"] }', "[listen]\nsubmissions = []\npop3s = []"):
            self.assertIsNone(load(self.write(text)).tls.certificate, text)

    def test_administration_does_not_need_the_key(self) -> None:
        path = self.write('[tls]\ncertificate = "gone.pem"\nkey = "gone.pem"')
        self.assertEqual(os.path.join(self.folder, "gone.pem"), load(path, check_files=False).tls.key)

    def test_units_lists_and_flags_become_values(self) -> None:
        text = (
            'hostname = "Mail.Bücher.example"\nworkers = "auto"\n'
            '[listen]\nsmtp = ["tcp:2525:interface=127.0.0.1", "tcp6:2525"]\npop3 = []\n'
            '[limits]\nmessage_size = 4096\n[auth]\nallow_plaintext = true\n[relay]\nretry = ["1m", "1h"]\n'
        )
        config = load(self.write(text))
        self.assertEqual("mail.xn--bcher-kva.example", config.hostname)
        self.assertEqual(len(os.sched_getaffinity(0)), config.workers)
        self.assertEqual([2525, 2525], [address.port for address in config.listen.smtp])
        self.assertEqual((), config.listen.pop3)
        self.assertEqual(4096, config.limits.message_size)
        self.assertEqual((60, 3600), config.relay.retry)
        self.assertIs(True, config.auth.allow_plaintext)
        self.assertEqual(self.path, config.file)

    def test_an_address_knows_where_it_was_written(self) -> None:
        config = load(self.write('[listen]\nsmtp = ["tcp:2525"]'))
        self.assertEqual(f"{self.path}, line 2: listen.smtp", config.listen.smtp[0].where)
        self.assertEqual(f"{self.path}: listen.pop3", config.listen.pop3[0].where)

    def test_demo_mode_stays_on_this_machine(self) -> None:
        config = demo_config()
        addresses = [a for name in Listen.__slots__ for a in getattr(config.listen, name)]
        self.assertEqual([1025, 1587, 1465, 1110, 1995, 8025], [a.port for a in addresses])
        self.assertTrue(all(a.is_loopback for a in addresses))
        self.assertEqual(("localhost", os.path.abspath("maildirs")), (config.hostname, config.data))
        self.assertFalse(config.auth.allow_plaintext)
        self.assertIsNone(config.file)
        assert config.tls.key is not None
        self.assertTrue(config.tls.key.startswith(os.path.abspath("maildirs/.server/tls/")))

    def test_defaults_of_the_design(self) -> None:
        config = Config(hostname="mail.example.org")
        self.assertEqual((ListenAddress.parse("tcp:25"),), config.listen.smtp)
        self.assertEqual(50 * 1024 * 1024, config.limits.message_size)
        limits = config.limits
        self.assertEqual((1000, 10_000, 50), (limits.recipients, limits.connections, limits.connections_per_host))
        self.assertFalse(config.auth.allow_plaintext)


class FindConfigTests(TestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        self.patch(os, "environ", {})
        self.patch(config_module, "SEARCHED", ("mailserver.toml", "etc.toml"))

    def test_the_argument_comes_first_then_environment_then_files(self) -> None:
        self.assertIsNone(find_config(None))
        Path("etc.toml").write_text("")
        self.assertEqual("etc.toml", find_config(None))
        Path("mailserver.toml").write_text("")
        self.assertEqual("mailserver.toml", find_config(None))
        self.patch(os, "environ", {"MAILSERVER_CONFIG": "env.toml"})
        self.assertEqual("env.toml", find_config(None))
        self.assertEqual("given.toml", find_config("given.toml"))
