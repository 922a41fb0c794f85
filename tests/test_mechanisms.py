from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.crammd5 import ChallengeWanted
from twisted_mail.mechanisms import MECHANISMS, CertificateWanted, Certified, External, Login, Plain, offered
from twisted_mail.sasl import Challenge, PasswordCredentials, ProvenCredentials, SASLError, Step


class PlainTests(TestCase):
    def test_good_responses_give_credentials(self) -> None:
        for response, user, password in (
            (b"\0alice\0secret", "alice", "secret"),
            (b"alice\0alice\0secret", "alice", "secret"),
            ("\0jürgen\0geheim ß".encode(), "jürgen", "geheim ß"),
        ):
            self.assertEqual(PasswordCredentials(user, password), Plain().respond(response))

    def test_without_initial_response_an_empty_challenge_asks_for_it(self) -> None:
        plain = Plain()
        self.assertEqual(Challenge(b""), plain.respond(None))
        self.assertEqual(PasswordCredentials("alice", "secret"), plain.respond(b"\0alice\0secret"))

    def test_malformed_responses_are_refused(self) -> None:
        for response in (
            b"",
            b"alice",
            b"alice\0secret",
            b"\0alice\0sec\0ret",
            b"bob\0alice\0secret",
            b"\0\0secret",
            b"\0alice\0",
            b"\0al\xffice\0secret",
            b"\0al\nice\0secret",
            b"\0al\x1bice\0secret",
        ):
            self.assertRaises(SASLError, Plain().respond, response)


class LoginTests(TestCase):
    def test_prompts_are_exactly_what_clients_look_for(self) -> None:
        login = Login()
        self.assertEqual(Challenge(b"Username:"), login.respond(None))
        self.assertEqual(Challenge(b"Password:"), login.respond(b"alice"))
        self.assertEqual(PasswordCredentials("alice", "secret"), login.respond(b"secret"))

    def test_initial_response_is_the_name(self) -> None:
        login = Login()
        self.assertEqual(Challenge(b"Password:"), login.respond(b"alice"))
        self.assertEqual(PasswordCredentials("alice", "secret"), login.respond(b"secret"))

    def test_empty_or_malformed_answers_are_refused(self) -> None:
        for name, password in ((b"", b"secret"), (b"alice", b""), (b"al\0ice", b"secret"), (b"alice", b"\xff")):
            login = Login()
            login.respond(name)
            self.assertRaises(SASLError, login.respond, password)


class CredentialsTests(TestCase):
    def test_password_is_not_shown_in_a_log(self) -> None:
        self.assertNotIn("secret", repr(PasswordCredentials("alice", "secret")))

    def test_every_mechanism_starts_with_a_challenge_where_no_initial_response_came(self) -> None:
        for row in MECHANISMS.values():
            first = Challenge if row.name != "CRAM-MD5" else ChallengeWanted
            self.assertIsInstance(row.begin(()).respond(None), first)


class ExternalTests(TestCase):
    def external(self, response: bytes, *addresses: str) -> Step:
        exchange = External()
        self.assertEqual(CertificateWanted(), exchange.respond(response))
        return exchange.inform(Certified(addresses))

    def test_address_of_the_certificate_logs_in_with_and_without_an_identity(self) -> None:
        for response in (b"", b"alice@example.org", b"Alice@Example.org"):
            proof = self.external(response, "Alice@example.org")
            assert isinstance(proof, ProvenCredentials)
            self.assertEqual((True, "alice@example.org"), (proof.proven, proof.user.lower()))

    def test_other_identity_or_no_certificate_proves_nothing(self) -> None:
        self.assertEqual(ProvenCredentials("", proven=False), self.external(b""))
        self.assertEqual(ProvenCredentials("alice@example.org", False), self.external(b"alice@example.org"))
        self.assertEqual(
            ProvenCredentials("bob@example.org", False), self.external(b"bob@example.org", "a@example.org")
        )

    def test_one_of_several_addresses_must_be_named(self) -> None:
        addresses = ("a@example.org", "b@example.org")
        self.assertRaises(SASLError, self.external, b"", *addresses)
        self.assertEqual(ProvenCredentials("b@example.org", proven=True), self.external(b"b@example.org", *addresses))

    def test_malformed_identity_is_refused(self) -> None:
        for response in (b"\xff", b"a\0b", b"a\nb"):
            self.assertRaises(SASLError, External().respond, response)


class OfferTests(TestCase):
    def test_scram_comes_first_and_channel_binding_needs_tls(self) -> None:
        names = tuple(MECHANISMS)
        self.assertEqual(("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"), offered(names, tls=True)[:2])
        self.assertEqual("SCRAM-SHA-256", offered(names, tls=False)[0])
        self.assertNotIn("SCRAM-SHA-256-PLUS", offered(names, tls=False))
