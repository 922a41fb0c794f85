"""What SCRAM learns about users who exist, who have no verifier, and who do not exist; and how proofs become logins."""

from __future__ import annotations

import os
from collections.abc import Callable

import scramp
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from twisted_mail.auth.apppasswords import Purpose
from twisted_mail.auth.checker import AppPasswordUse, ProofChecker
from twisted_mail.auth.directory import Directory
from twisted_mail.auth.inquiries import MAX_LOOKING, Inquiries, OAuth
from twisted_mail.auth.logins import Logins
from twisted_mail.auth.throttle import ACCOUNT_RULE, Throttle
from twisted_mail.auth.tokens import Issuer, IssuerUnavailable
from twisted_mail.auth.verifiers import ITERATIONS, verifier_of
from twisted_mail.bearer import TokenOffered, TokenVerdict
from twisted_mail.crammd5 import ChallengeWanted, PasswordWanted, StoredPassword
from twisted_mail.interfaces import AccountDisabled, IInquiries, LoginUnavailable, ProvenLogin
from twisted_mail.sasl import Challenge, ProvenCredentials
from twisted_mail.scram import Scram, Secret, SecretWanted
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

ALICE = Address("alice", "example.org")
OLD = Address("old", "example.org")
BOTH = (Purpose.SMTP, Purpose.POP3)


def origin(protocol: str = "SMTP", peer: str = "192.0.2.1") -> Origin:
    return Origin(peer, "session", protocol)


class InquiryCase(TestCase):
    def setUp(self) -> None:
        self.path = os.path.join(os.path.abspath(self.mktemp()), "directory.sqlite")
        self.directory = Directory(self.path)
        self.addCleanup(self.directory.close)
        self.directory.add_domain("example.org")
        self.directory.add_accounts([self.directory.new_account(ALICE, "secret")])
        self.directory.add_account(OLD, "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=")
        self.clock = Clock()
        self.logins = Logins(self.directory, self.clock, Throttle())
        self.inquiries = Inquiries(self.directory, self.logins)
        self.checker = ProofChecker(self.logins, AppPasswordUse(self.directory, execute))

    def asked(self, user: str, where: Origin | None = None) -> Deferred[Secret]:
        answer = self.inquiries.answer(SecretWanted(user, ""), where or origin())
        return Deferred.fromCoroutine(answer)  # type: ignore[arg-type]  # Awaitable, and a coroutine it is

    def secret(self, user: str, where: Origin | None = None) -> Secret:
        return self.successResultOf(self.asked(user, where))

    def exchange(self, user: str, password: str, where: Origin | None = None) -> ProvenCredentials:
        """A whole run of SCRAM-SHA-256 with another implementation as the client."""
        client = scramp.ScramClient(["SCRAM-SHA-256"], user, password)
        scram = Scram(plus=False, binding_offered=False)
        wanted = scram.respond(client.get_client_first().encode())
        assert isinstance(wanted, SecretWanted)
        first = scram.inform(self.secret(wanted.user, where))
        assert isinstance(first, Challenge)
        client.set_server_first(first.data.decode())
        step = scram.respond(client.get_client_final().encode())
        if isinstance(step, Challenge):
            client.set_server_final(step.data.decode())
            step = scram.respond(b"")
        assert isinstance(step, ProvenCredentials)
        return step

    def login(self, proof: ProvenCredentials, where: Origin | None = None) -> Deferred[bytes | tuple[()]]:
        login = ProvenLogin(proof.user, proof.proven, proof.secret, where or origin())
        return self.checker.requestAvatarId(login)


class SecretTests(InquiryCase):
    def test_inquiries_and_checker_are_what_is_asked_for(self) -> None:
        verifyObject(IInquiries, self.inquiries)
        verifyObject(ICredentialsChecker, self.checker)

    def test_verifier_of_the_account_is_given_for_each_spelling_of_its_name(self) -> None:
        for user in ("alice@example.org", "Alice@EXAMPLE.org", "alice"):
            secret = self.secret(user)
            self.assertEqual(verifier_of("secret", secret.salt).keys, secret.keys[0])
            self.assertEqual(ITERATIONS, secret.iterations)

    def test_unknown_user_looks_like_one_who_exists_each_time(self) -> None:
        real = self.secret("alice")
        for users in (("bob", "Bob", "bob@example.org"), ("old", "old@example.org"), ("@@", "@@"), ("x@else.example",)):
            secrets = [self.secret(user) for user in users * 2]
            self.assertEqual(1, len({secret.salt for secret in secrets}), users)
            self.assertNotEqual(real.salt, secrets[0].salt)
            for secret in secrets:
                self.assertEqual((len(real.salt), real.iterations), (len(secret.salt), secret.iterations))
                self.assertEqual(len(real.keys), len(secret.keys))

    def test_salt_of_unknown_users_survives_a_restart(self) -> None:
        before = self.secret("bob").salt
        again = Directory(self.path)
        self.addCleanup(again.close)
        self.assertEqual(before, again.login_salt("bob"))

    def test_nonce_is_new_each_time(self) -> None:
        self.assertEqual(20, len({self.secret("alice").nonce for _ in range(20)}))

    def test_verifier_with_another_salt_is_used_as_it_is(self) -> None:
        foreign = verifier_of("secret", b"of another system", 4096)
        self.directory.set_password(ALICE, "hash", str(foreign))
        self.assertEqual((b"of another system", 4096), (self.secret("alice").salt, self.secret("alice").iterations))
        self.assertTrue(self.exchange("alice", "secret").proven)

    def test_attempt_waits_before_the_proof_can_be_shown(self) -> None:
        for user in ("alice@example.org", "nobody@example.org"):
            for _ in range(ACCOUNT_RULE.free + 1):
                self.logins.failed("198.51.100.1", user)
            waiting = self.asked(user)
            self.assertNoResult(waiting)
            self.clock.advance(ACCOUNT_RULE.spacing(ACCOUNT_RULE.free + 1))
            self.successResultOf(waiting)

    def test_attempt_that_would_wait_too_long_is_turned_away(self) -> None:
        for _ in range(ACCOUNT_RULE.free + 20):
            self.logins.failed("198.51.100.1", "alice@example.org")
        attempts = [self.asked("alice") for _ in range(5)]
        self.clock.pump([1.0] * 60)
        outcomes = [attempt.addErrback(lambda failure: failure.type) for attempt in attempts]
        self.assertIn(LoginUnavailable, [self.successResultOf(outcome) for outcome in outcomes])


class Issued:
    """Tokens that the test has given out: token -> address; `unknown` cannot be asked about."""

    def __init__(self) -> None:
        self.owners = {"alices": "Alice@example.org", "olds": "old@example.org", "strangers": "x@else.example"}
        self.owners |= {"local": "alice"}

    def address(self, token: str) -> str | None:
        if token == "unknown":
            raise IssuerUnavailable("down")
        return self.owners.get(token)


class TokenTests(InquiryCase):
    def setUp(self) -> None:
        super().setUp()
        oauth = OAuth(Issuer("https://login.example", "mail", "email"), Issued(), execute)
        self.inquiries = Inquiries(self.directory, self.logins, oauth)

    def verdict(self, user: str, token: str) -> Deferred[TokenVerdict]:
        answer = self.inquiries.answer(TokenOffered(user, token), origin())
        return Deferred.fromCoroutine(answer)  # type: ignore[arg-type]  # as above

    def test_good_token_logs_its_owner_in_whatever_the_spelling(self) -> None:
        for user in ("", "alice", "Alice@EXAMPLE.org", "alice@example.org%laptop"):
            self.assertEqual(TokenVerdict("alice@example.org"), self.successResultOf(self.verdict(user, "alices")))

    def test_token_of_somebody_else_of_nobody_here_and_a_bad_one_are_refused(self) -> None:
        refused = TokenVerdict("", "https://login.example/.well-known/openid-configuration")
        for user, token in (
            ("alice", "olds"),
            ("nobody", "alices"),
            ("", "strangers"),
            ("x@else.example", "strangers"),
            ("alice", "bad"),
            ("", "bad"),
        ):
            self.assertEqual(refused, self.successResultOf(self.verdict(user, token)), (user, token))

    def test_issuer_that_does_not_answer_is_no_wrong_token(self) -> None:
        self.failureResultOf(self.verdict("alice", "unknown"), LoginUnavailable)

    def test_too_many_at_once_are_turned_away(self) -> None:
        held: list[Deferred[object]] = []

        def hold(work: Callable[[], object]) -> Deferred[object]:
            held.append(Deferred())
            return held[-1]

        oauth = OAuth(Issuer("https://login.example", "mail", "email"), Issued(), hold)
        self.inquiries = Inquiries(self.directory, self.logins, oauth)
        waiting = [self.verdict("alice", "alices") for _ in range(MAX_LOOKING)]
        self.failureResultOf(self.verdict("alice", "alices"), LoginUnavailable)
        held[0].callback("alice@example.org")
        self.successResultOf(waiting[0])
        self.assertNoResult(self.verdict("alice", "alices"))


class SharedSecretTests(InquiryCase):
    def asked_password(self, user: str) -> StoredPassword:
        answer = self.inquiries.answer(PasswordWanted(user), origin())
        return self.successResultOf(Deferred.fromCoroutine(answer))  # type: ignore[arg-type]  # as above

    def test_only_accounts_that_opted_in_have_one(self) -> None:
        for user in ("alice", "old", "nobody"):
            self.assertEqual(StoredPassword(None), self.asked_password(user))
        self.directory.set_password(ALICE, "hash", "", "secret")
        self.assertEqual(StoredPassword("secret"), self.asked_password("alice"))

    def test_next_password_is_no_longer_readable(self) -> None:
        self.directory.set_password(ALICE, "hash", "", "secret")
        self.directory.set_password(ALICE, "hash", "")
        self.assertEqual(StoredPassword(None), self.asked_password("alice"))

    def test_challenge_is_new_each_time(self) -> None:
        challenges = {
            self.successResultOf(Deferred.fromCoroutine(self.inquiries.answer(ChallengeWanted(), origin())))  # type: ignore[arg-type]  # as above
            for _ in range(5)
        }
        self.assertEqual(5, len(challenges))


class ProofTests(InquiryCase):
    def test_right_password_logs_in(self) -> None:
        self.assertEqual(b"alice@example.org", self.successResultOf(self.login(self.exchange("alice", "secret"))))

    def test_wrong_password_unknown_user_and_missing_verifier_look_the_same_and_count(self) -> None:
        failures = [
            self.failureResultOf(self.login(self.exchange(user, "guess")), UnauthorizedLogin)
            for user in ("alice", "bob", "old", "@@")
        ]
        self.assertEqual(1, len({(failure.type, str(failure.value)) for failure in failures}))
        for _ in range(ACCOUNT_RULE.free - 1):
            self.failureResultOf(self.login(self.exchange("alice", "guess")), UnauthorizedLogin)
        self.assertNoResult(self.asked("alice"))

    def test_disabled_account_is_told_so_after_the_right_password_only(self) -> None:
        self.directory.set_disabled(ALICE, True)
        self.failureResultOf(self.login(self.exchange("alice", "guess")), UnauthorizedLogin)
        self.failureResultOf(self.login(self.exchange("alice", "secret")), AccountDisabled)

    def test_app_password_proves_itself_where_it_is_meant_for(self) -> None:
        salt = self.directory.salt(ALICE)
        phone = self.directory.app_passwords.add(ALICE, "phone", (Purpose.POP3,), salt)
        both = self.directory.app_passwords.add(ALICE, "laptop", BOTH, salt)
        for password, name in (("secret", ""), (phone, "phone"), (both, "laptop")):
            proof = self.exchange("alice", password, origin("POP3"))
            self.assertEqual((True, name), (proof.proven, proof.secret))
            self.assertEqual(b"alice@example.org", self.successResultOf(self.login(proof)))
        self.assertFalse(self.exchange("alice", phone, origin("SMTP")).proven)
        self.assertTrue(self.exchange("alice", both, origin("SMTP")).proven)

    def test_app_password_works_for_an_account_without_a_verifier_of_its_own(self) -> None:
        password = self.directory.app_passwords.add(OLD, "phone", BOTH, self.directory.salt(OLD))
        self.assertEqual("phone", self.exchange("old", password).secret)

    def test_use_of_an_app_password_is_noted(self) -> None:
        password = self.directory.app_passwords.add(ALICE, "phone", BOTH, self.directory.salt(ALICE))
        self.successResultOf(self.login(self.exchange("alice", password)))
        (listed,) = self.directory.app_passwords.list(ALICE)
        self.assertIsNotNone(listed.last_used)
