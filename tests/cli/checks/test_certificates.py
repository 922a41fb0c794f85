"""The certificate's names and days (what the server shows: integration/test_check.py)."""

from __future__ import annotations

import time
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.certificates import LIFETIME, Issuer
from tests.cli.checks.situations import config_of, lines, situation
from twisted_mail.cli.certificatefile import covers
from twisted_mail.cli.checks.certificates import check_certificates
from twisted_mail.config import Config

NO_PORTS = "[listen]\npop3s = []\nsubmissions = []\n"
TLS = '[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n'
DAY = 86_400


class CertificateTests(TestCase):
    def config(self, *names: str) -> Config:
        config = config_of(NO_PORTS + TLS)
        assert config.tls.certificate is not None
        Path(config.tls.certificate).write_bytes(Issuer().identity(*names).certificate)
        return config

    def look(self, config: Config, days: float = 0.0) -> list[str]:
        """*days* from now on, which is two before the end."""
        found = lines(check_certificates(situation(config, now=time.time() + days * DAY)))
        return [line.replace(str(config.tls.certificate), "FILE") for line in found]

    def test_names_are_compared_with_the_host_name(self) -> None:
        self.assertEqual("ok: the certificate is for mail.example.org", self.look(self.config("mail.example.org"))[1])
        self.assertEqual(
            "FAULT: the certificate is for www.example.org, example.org and not for mail.example.org: mail programs "
            "will not trust it -> certbot certonly --standalone -d mail.example.org   (or write the name that it has "
            "as hostname)",
            self.look(self.config("www.example.org", "example.org"))[1],
        )
        self.assertIn("is for no name at all", self.look(self.config())[1])

    def test_certificates_for_other_names_count_too(self) -> None:
        config = config_of(NO_PORTS + TLS + 'names = "live"\n')
        assert config.tls.certificate is not None
        folder = Path(config.tls.certificate).parent / "live" / "mail.example.org"
        folder.mkdir(parents=True)
        Path(config.tls.certificate).write_bytes(Issuer().identity("www.example.org").certificate)
        (folder / "privkey.pem").touch()
        (folder / "fullchain.pem").write_text("not yet")
        found = self.look(config)
        self.assertTrue(found[1].startswith(f"FAULT: {folder}/fullchain.pem cannot be read: "), found)
        self.assertTrue(found[2].startswith("FAULT: the certificate is for www.example.org and not for "), found)
        (folder / "fullchain.pem").write_bytes(Issuer().identity("mail.example.org").certificate)
        self.assertEqual("ok: the certificate is for mail.example.org", self.look(config)[2])

    def test_star_is_one_whole_label(self) -> None:
        self.assertTrue(covers(["*.example.org"], "mail.example.org"))
        self.assertTrue(covers(["MAIL.example.org"], "mail.example.org"))
        self.assertFalse(covers(["*.example.org"], "example.org"))
        self.assertFalse(covers(["*.org"], "mail.example.org"))

    def test_days_that_are_left_matter_the_more_the_fewer_they_are(self) -> None:
        config = self.config("mail.example.org")
        for days, expected in (
            (-30.0, "ok: FILE is good for 31 days more, until "),
            (-10.0, "advice: FILE is good for 11 days more, until "),
            (0.0, "FAULT: FILE is good for 1 days more, until "),
            (3.0, "FAULT: FILE ended on "),
        ):
            found = self.look(config, days + 0.01)[0]
            self.assertTrue(found.startswith(expected), found)
        self.assertEqual(2, LIFETIME.days)

    def test_without_a_certificate_nobody_can_log_in(self) -> None:
        self.assertEqual(
            ["FAULT: there is no certificate, so nobody can log in -> name a certificate and its key in [tls]"],
            lines(check_certificates(situation(config_of()))),
        )
        plain = config_of("[auth]\nallow_plaintext = true\n")
        self.assertTrue(lines(check_certificates(situation(plain)))[0].startswith("advice: there is no certificate"))

    def test_file_that_is_none_is_told(self) -> None:
        config = self.config("mail.example.org")
        assert config.tls.certificate is not None
        Path(config.tls.certificate).write_text("nothing of the kind")
        self.assertTrue(self.look(config)[0].startswith("FAULT: FILE cannot be read: "))
