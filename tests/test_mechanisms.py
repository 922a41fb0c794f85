from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.mechanisms import MECHANISMS, Login, Plain, offered
from twisted_mail.sasl import Challenge, PasswordCredentials, SASLError


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
            self.assertIsInstance(row.begin(()).respond(None), Challenge)


class OfferTests(TestCase):
    def test_scram_comes_first_and_channel_binding_needs_tls(self) -> None:
        names = tuple(MECHANISMS)
        self.assertEqual(("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"), offered(names, tls=True)[:2])
        self.assertEqual("SCRAM-SHA-256", offered(names, tls=False)[0])
        self.assertNotIn("SCRAM-SHA-256-PLUS", offered(names, tls=False))
