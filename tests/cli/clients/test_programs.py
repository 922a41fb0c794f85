"""The table of mail programs, and what each thinks of a certificate (on real ports: integration/test_try_as.py)."""

from __future__ import annotations

import string
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import TestCase

from tests.certificates import Issuer
from twisted_mail import owncertificate
from twisted_mail.cli.clients.program import Need, Step
from twisted_mail.cli.clients.programs import APPLE_MAIL, OUTLOOK, PROGRAMS, THUNDERBIRD
from twisted_mail.cli.clients.replay import _SECRETS, _values
from twisted_mail.cli.clients.trust import problem
from twisted_mail.cli.roundtrip import Trial
from twisted_mail.smtp.address import Address

TRIAL = Trial(Address("try-1", "example.org"), "a secret", "This line comes back: 17")


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificates(pem)[0].public_bytes(Encoding.DER)


def steps_of(name: str) -> list[Step]:
    program = PROGRAMS[name]
    scripts = (program.sending, program.fetching)
    return [step for script in scripts for step in (*script.before_tls, *script.steps)]


class TableTests(TestCase):
    def test_each_sends_fetches_deletes_and_leaves_in_order(self) -> None:
        for name, program in PROGRAMS.items():
            sent = [step.line.split(":")[0] for step in program.sending.steps]
            order = [sent.index(verb) for verb in ("MAIL FROM", "RCPT TO", "DATA", "{message}\r\n.", "QUIT")]
            self.assertEqual(sorted(order), order, name)
            fetched = [step.line for step in program.fetching.steps]
            self.assertEqual(["RETR 1", "DELE 1", "QUIT"], fetched[-3:], name)

    def test_starttls_is_the_last_step_before_tls_where_it_is_used_at_all(self) -> None:
        for name, program in PROGRAMS.items():
            for script, verb in ((program.sending, "STARTTLS"), (program.fetching, "STLS")):
                uses = any(access.security == "STARTTLS" for access in script.access)
                self.assertEqual([verb] if uses else [], [step.line for step in script.before_tls][-1:], name)

    def test_all_that_is_filled_in_has_a_value_and_no_secret_goes_without_tls(self) -> None:
        values = _values(TRIAL, ["a line"])
        for name, program in PROGRAMS.items():
            for step in steps_of(name):
                fields = {field for _, field, _, _ in string.Formatter().parse(step.line) if field}
                self.assertLessEqual(fields, set(values), name)
            for step in (*program.sending.before_tls, *program.fetching.before_tls):
                self.assertFalse(any(secret in step.line for secret in _SECRETS), name)

    def test_message_is_dot_stuffed_and_its_size_is_that_on_the_wire(self) -> None:
        values = _values(TRIAL, ["ü", ".x"])
        self.assertEqual(("ü\r\n..x", "8"), (values["message"], values["size"]))


class NeedTests(TestCase):
    def test_word_and_parameter_are_looked_for_in_any_case(self) -> None:
        offer = ["mail.example.org", "", "auth plain SCRAM-SHA-256", "STARTTLS"]
        self.assertTrue(Need("AUTH", "PLAIN", "").is_met_by(offer))
        self.assertFalse(Need("AUTH", "LOGIN", "").is_met_by(offer))
        self.assertTrue(Need("STARTTLS", "", "").is_met_by(offer))
        self.assertFalse(Need("STLS", "", "").is_met_by(offer))


class TrustTests(TestCase):
    def test_certificate_of_the_right_name_is_taken_by_all(self) -> None:
        own = der(owncertificate.make("of a test", ["mail.example.org"]).chain)
        for program in PROGRAMS.values():
            self.assertEqual("", problem(program, own, "mail.example.org", ""), program.title)

    def test_another_name_is_told_with_both(self) -> None:
        identity = Issuer().identity("www.example.org", "example.org")
        self.assertEqual(
            "your certificate names www.example.org, example.org and not mail.example.org",
            problem(OUTLOOK, der(identity.certificate), "mail.example.org", "Hostname mismatch"),
        )

    def test_unknown_authority_is_told_with_what_the_library_says(self) -> None:
        identity = Issuer().identity("mail.example.org")
        self.assertEqual(
            "no authority that it knows stands behind your certificate (unable to get local issuer certificate)",
            problem(
                THUNDERBIRD, der(identity.certificate), "mail.example.org", "unable to get local issuer certificate"
            ),
        )

    def test_apples_own_rules_are_told_and_are_nobody_elses(self) -> None:
        self.patch(owncertificate, "_VALID", timedelta(days=900))
        long = der(owncertificate.make("of a test", ["mail.example.org"]).chain)
        self.assertEqual(
            "your certificate is made for 901 days, and it takes 825 at most",
            problem(APPLE_MAIL, long, "mail.example.org", ""),
        )
        self.assertEqual("", problem(THUNDERBIRD, long, "mail.example.org", ""))
        without_usage = der(Issuer().identity("mail.example.org").certificate)
        self.assertEqual(
            "your certificate does not say that it is for servers (extended key usage serverAuth)",
            problem(APPLE_MAIL, without_usage, "mail.example.org", ""),
        )
