"""When another certificate is asked for, what is done with it, and what happens where none comes."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from tests.certificates import LIFETIME, Issuer
from twisted_mail.certifying import (
    CHECKED_EVERY,
    PAUSES,
    CertificateFiles,
    Certifying,
    make_first_certificate,
    require_library,
    ways,
)
from twisted_mail.config import Config, ConfigError, load
from twisted_mail.owncertificate import AUTHORITY
from twisted_mail.web.challenges import Kind, RefusedError

ISSUER = Issuer()
NAMES = ("mail.example.org", "autoconfig.example.org")
DIRECTORY = "https://authority.example/directory"


def configured(
    folder: Path, directory: str = DIRECTORY, name: str = "autoconfig.example.org", listen: str = 'web = ["tcp:80"]'
) -> Config:
    path = folder / "mailserver.toml"
    tls = f'[tls]\nacme = "{directory}"\nacme_names = ["{name}"]\n'
    path.write_text(f'hostname = "mail.example.org"\n[listen]\n{listen}\n{tls}')
    return load(str(path))


class CertifyingTests(TestCase):
    def setUp(self) -> None:
        self.folder = Path(os.path.abspath(self.mktemp()))
        self.folder.mkdir()
        self.config = configured(self.folder)
        self.files = CertificateFiles.of(self.config)
        make_first_certificate(self.config)
        self.clock = Clock()
        self.clock.advance(datetime.now(UTC).timestamp())
        self.asked: list[Deferred[bytes]] = []
        self.installed: list[bytes] = []

    def start(self, config: Config | None = None) -> Certifying:
        certifying = Certifying(config or self.config, self.obtain, self.install, self.clock)
        certifying.start()
        return certifying

    def obtain(self) -> Deferred[bytes]:
        self.asked.append(Deferred())
        return self.asked[-1]

    def install(self) -> None:
        self.installed.append(Path(self.files.certificate).read_bytes())

    def give(self) -> bytes:
        chain = ISSUER.identity(*NAMES).certificate
        self.asked[-1].callback(chain)
        return chain

    def test_the_first_certificate_is_our_own_for_all_names_and_stays(self) -> None:
        leaf = x509.load_pem_x509_certificates(Path(self.files.certificate).read_bytes())[0]
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(list(NAMES), names.get_values_for_type(x509.DNSName))
        self.assertIn(AUTHORITY, leaf.issuer.rfc4514_string())
        before = Path(self.files.key).read_bytes()
        make_first_certificate(self.config)
        self.assertEqual(before, Path(self.files.key).read_bytes())
        self.assertEqual(0o600, os.stat(self.files.key).st_mode & 0o777)

    def test_while_it_is_our_own_another_is_asked_for_and_put_in_its_place(self) -> None:
        self.start()
        self.assertEqual([], self.installed)
        chain = self.give()
        self.assertEqual([chain], self.installed)
        self.clock.advance(CHECKED_EVERY)
        self.assertEqual(1, len(self.asked))

    def test_a_restart_asks_for_nothing(self) -> None:
        self.start().stop()
        self.give()
        self.start()
        self.assertEqual(1, len(self.asked))

    def test_it_is_renewed_a_third_of_its_life_before_the_end(self) -> None:
        self.start()
        self.give()
        whole = 2 * LIFETIME.total_seconds()  # it began that long ago, and ends as far ahead
        until_due = LIFETIME.total_seconds() - whole / 3
        while until_due > CHECKED_EVERY:
            self.clock.advance(CHECKED_EVERY)
            until_due -= CHECKED_EVERY
        self.assertEqual(1, len(self.asked))
        self.clock.advance(CHECKED_EVERY)
        self.assertEqual(2, len(self.asked))

    def test_other_names_or_another_authority_need_another_certificate(self) -> None:
        self.start()
        self.give()
        self.start(configured(self.folder, name="mta-sts.example.org"))
        self.start(configured(self.folder, "https://other.example/directory"))
        self.assertEqual(3, len(self.asked))

    def test_failures_are_tried_again_later_each_time_and_then_forgotten(self) -> None:
        self.start()
        for number, pause in enumerate((*PAUSES, PAUSES[-1]), 1):
            self.asked[-1].errback(RefusedError("the name does not lead here"))
            self.clock.advance(pause - 1)
            self.assertEqual(number, len(self.asked))
            self.clock.advance(1)
            self.assertEqual(number + 1, len(self.asked))
        self.assertEqual([], self.installed)
        self.give()
        self.assertEqual(1, len(self.installed))

    def test_a_fault_of_ours_is_logged_and_tried_again(self) -> None:
        self.start()
        self.asked[-1].errback(RuntimeError("a fault"))
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))
        self.clock.advance(PAUSES[0])
        self.assertEqual(2, len(self.asked))

    def test_after_the_end_nothing_is_asked_or_installed(self) -> None:
        certifying = self.start()
        certifying.stop()
        self.give()
        self.assertEqual([], self.installed)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_a_certificate_that_was_removed_is_asked_for_again(self) -> None:
        self.start()
        self.give()
        os.unlink(self.files.certificate)
        make_first_certificate(self.config)
        self.start()
        self.assertEqual(2, len(self.asked))


class WaysTests(TestCase):
    def setUp(self) -> None:
        self.folder = Path(os.path.abspath(self.mktemp()))
        self.folder.mkdir()

    def test_where_we_listen_at_the_port_itself_goes_first(self) -> None:
        for listen, expected in (
            ('web = ["tcp:80"]\nhttps = ["tcp:443"]', [Kind.HTTP, Kind.TLS_ALPN]),
            ('web = ["tcp:8025"]\nhttps = ["tcp:443"]', [Kind.TLS_ALPN, Kind.HTTP]),
            ('web = ["tcp:8025"]\nhttps = ["tcp:8443"]', [Kind.HTTP, Kind.TLS_ALPN]),
            ('web = []\nhttps = ["tcp:443"]', [Kind.TLS_ALPN]),
            ("", [Kind.HTTP]),
        ):
            self.assertEqual(expected, ways(configured(self.folder, listen=listen)))

    def test_without_the_library_it_is_told_what_to_install(self) -> None:
        loaded = {name: None for name in sys.modules if name == "acme" or name.startswith("acme.")}
        self.patch(sys, "modules", {**sys.modules, **loaded, "acme": None})
        sys.modules.pop("twisted_mail.web.acmeclient", None)
        error = self.assertRaises(ConfigError, require_library, configured(self.folder))
        self.assertIn("pip install twisted-mail[acme]", str(error))

    def test_a_configuration_that_cannot_work_is_told(self) -> None:
        error = self.assertRaises(ConfigError, configured, self.folder, listen="web = []")
        self.assertIn("tls.acme: needs a listener", str(error))
        path = self.folder / "mailserver.toml"
        path.write_text(f'[tls]\nacme = "{DIRECTORY}"\ncertificate = "fullchain.pem"\n')
        error = self.assertRaises(ConfigError, load, str(path))
        self.assertIn("tls.certificate: cannot stand beside acme", str(error))
