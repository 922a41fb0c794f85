"""Logging in: the real directory, real hashes, a clock and threads under control."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable

import passlib.hash
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from twisted_mail.auth import checker as module
from twisted_mail.auth import passwords
from twisted_mail.auth.apppasswords import Purpose
from twisted_mail.auth.checker import PasswordChecker
from twisted_mail.auth.directory import Account, Directory
from twisted_mail.auth.logins import Logins
from twisted_mail.auth.recent import KEY_SIZE, REMEMBERED_FOR, RecentLogins
from twisted_mail.auth.throttle import ACCOUNT_RULE, Throttle
from twisted_mail.auth.verifiers import verifier_of
from twisted_mail.interfaces import AccountDisabled, LoginUnavailable, PasswordLogin
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

ALICE = Address("alice", "example.org")
HASH = passwords.hash_password("secret")
VERIFIER = str(verifier_of("secret", b"sixteen octets!!"))


class Threads:
    """Runs what blocks at once, or holds it until it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.holding = False
        self.held: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], object]) -> Deferred[object]:
        self.runs += 1
        if not self.holding:
            return execute(work)
        done: Deferred[object] = Deferred()
        self.held.append(lambda: done.callback(work()))
        return done


class CheckerTests(TestCase):
    def setUp(self) -> None:
        self.path = os.path.join(os.path.abspath(self.mktemp()), "directory.sqlite")
        self.directory = Directory(self.path)
        self.addCleanup(self.directory.close)
        self.directory.add_domain("example.org")
        self.directory.add_account(ALICE, HASH)
        self.clock = Clock()
        self.threads = Threads()
        self.checker = self.new_checker()

    def new_checker(self) -> PasswordChecker:
        logins = Logins(self.directory, self.clock, Throttle())
        recent = RecentLogins(self.clock, bytes(KEY_SIZE))
        return PasswordChecker(self.directory, self.threads, logins, recent, max_waiting=3)

    def login(self, user: str, password: str, peer: str = "192.0.2.1") -> Deferred[bytes | tuple[()]]:
        return self.checker.requestAvatarId(PasswordLogin(user, password, Origin(peer, "session")))

    def stored(self) -> str:
        account = self.directory.account(ALICE)
        assert account is not None
        return account.password

    def test_checker_is_what_cred_asks_for(self) -> None:
        verifyObject(ICredentialsChecker, self.checker)

    def test_right_password_gives_the_canonical_address(self) -> None:
        for user in ("alice@example.org", "Alice@EXAMPLE.org", "alice"):
            self.assertEqual(b"alice@example.org", self.successResultOf(self.login(user, "secret")))

    def test_credentials_of_cred_itself_are_taken(self) -> None:
        done = self.checker.requestAvatarId(UsernamePassword(b"alice@example.org", b"secret"))
        self.assertEqual(b"alice@example.org", self.successResultOf(done))

    def test_wrong_password_and_unknown_user_look_the_same_and_both_cost_a_thread(self) -> None:
        wrong = self.failureResultOf(self.login("alice@example.org", "guess"), UnauthorizedLogin)
        unknown = self.failureResultOf(self.login("nobody@example.org", "guess"), UnauthorizedLogin)
        nonsense = self.failureResultOf(self.login("@@", "guess"), UnauthorizedLogin)
        self.assertEqual(1, len({(f.type, str(f.value)) for f in (wrong, unknown, nonsense)}))
        self.assertEqual(3, self.threads.runs)

    def verified(self) -> list[str]:
        """With what passwords are checked from now on: schemes, with their parameters."""
        found: list[str] = []
        real = passwords.verify

        def counting(stored: str, password: bytes) -> bool:
            found.extend(re.findall(r"^{SCRAM-SHA-256}\d+|^\$argon2.*,p=1|^{SHA}", stored))
            return real(stored, password)

        self.patch(passwords, "verify", counting)
        return found

    def test_unknown_user_and_wrong_password_hash_once_with_the_same_parameters(self) -> None:
        self.directory.set_password(ALICE, HASH, VERIFIER)
        verified = self.verified()
        self.failureResultOf(self.login("alice@example.org", "guess"), UnauthorizedLogin)
        self.failureResultOf(self.login("nobody@example.org", "guess"), UnauthorizedLogin)
        self.assertEqual(["{SCRAM-SHA-256}32768"] * 2, verified)

    def test_verifier_decides_where_there_is_one(self) -> None:
        self.directory.set_password(ALICE, passwords.hash_password("other"), VERIFIER)
        self.failureResultOf(self.login("alice", "other"), UnauthorizedLogin)
        self.successResultOf(self.login("alice", "secret"))

    def test_wrong_password_of_one_without_a_verifier_takes_no_less_than_that_of_nobody(self) -> None:
        for stored in (HASH, "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="):
            self.directory.set_password(ALICE, stored)
            verified = self.verified()
            self.failureResultOf(self.login("alice", "guess"), UnauthorizedLogin)
            self.assertEqual(["{SCRAM-SHA-256}32768"], verified[1:])

    def test_what_is_stored_and_not_asked_makes_a_wrong_password_take_no_longer(self) -> None:
        for keeps_verifiers, stored, kind in (
            (False, HASH, "$argon2id"),
            (True, "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "{SCRAM"),
        ):
            self.directory.keeps_verifiers = keeps_verifiers
            self.directory.set_password(ALICE, stored, VERIFIER)
            self.checker = self.new_checker()
            verified = self.verified()
            self.failureResultOf(self.login("alice", "guess"), UnauthorizedLogin)
            self.assertEqual([True], [each.startswith(kind) for each in verified])

    def test_hash_decides_where_no_verifiers_are_kept_and_the_verifier_goes(self) -> None:
        self.directory.set_password(ALICE, HASH, VERIFIER)
        self.directory.keeps_verifiers = False
        self.checker = self.new_checker()
        verified = self.verified()
        self.failureResultOf(self.login("nobody@example.org", "guess"), UnauthorizedLogin)
        self.successResultOf(self.login("alice", "secret"))
        self.assertEqual(["$argon2id$v=19$m=19456,t=2,p=1"] * 2, verified)
        self.assertFalse(self.directory.everybody_has_a_verifier())
        self.assertEqual(HASH, self.stored())
        self.directory.keeps_verifiers = True
        self.checker = self.new_checker()
        self.successResultOf(self.login("alice", "secret"))
        self.assertTrue(self.directory.everybody_has_a_verifier())

    def test_password_in_another_spelling_of_unicode_is_the_same(self) -> None:
        self.directory.set_password(ALICE, HASH, str(verifier_of("caf\u00e9", b"salt")))
        self.successResultOf(self.login("alice", "cafe\u0301"))

    def test_password_of_which_saslprep_leaves_nothing_is_not_the_empty_one(self) -> None:
        self.directory.set_password(ALICE, HASH, str(verifier_of("\u00ad\u200b", b"salt")))
        for wrong in ("", "\u00ad"):
            self.failureResultOf(self.login("alice", wrong), UnauthorizedLogin)
        self.successResultOf(self.login("alice", "\u00ad\u200b"))

    def test_repeated_login_needs_no_thread_until_it_is_forgotten(self) -> None:
        self.directory.set_password(ALICE, HASH, self.directory.new_verifier(ALICE, "secret"))
        for _ in range(3):
            self.successResultOf(self.login("alice", "secret"))
            self.clock.advance(REMEMBERED_FOR - 1)
        self.assertEqual(1, self.threads.runs)
        self.clock.advance(2)
        self.successResultOf(self.login("alice", "secret"))
        self.assertEqual(2, self.threads.runs)

    def test_changed_password_is_known_at_once(self) -> None:
        self.successResultOf(self.login("alice", "secret"))
        self.directory.set_password(ALICE, passwords.hash_password("new"))
        self.failureResultOf(self.login("alice", "secret"), UnauthorizedLogin)
        self.successResultOf(self.login("alice", "new"))

    def test_removed_account_is_known_at_once(self) -> None:
        self.successResultOf(self.login("alice", "secret"))
        self.directory.remove_account(ALICE)
        self.failureResultOf(self.login("alice", "secret"), UnauthorizedLogin)

    def test_disabled_account_is_told_so_after_the_right_password_only(self) -> None:
        self.successResultOf(self.login("alice", "secret"))
        self.directory.set_disabled(ALICE, True)
        self.failureResultOf(self.login("alice", "secret"), AccountDisabled)
        failure = self.failureResultOf(self.login("alice", "guess"), UnauthorizedLogin)
        self.assertNotIsInstance(failure.value, AccountDisabled)
        self.directory.set_disabled(ALICE, False)
        self.successResultOf(self.login("alice", "secret"))

    def test_foreign_hash_is_replaced_after_the_right_password_only(self) -> None:
        foreign = passlib.hash.sha512_crypt.using(rounds=1000).hash("secret")
        self.directory.set_password(ALICE, passwords.take_foreign_hash(foreign))
        self.failureResultOf(self.login("alice", "guess"), UnauthorizedLogin)
        self.assertTrue(self.stored().startswith("{SHA512-CRYPT}"))
        self.successResultOf(self.login("alice", "secret"))
        self.assertTrue(self.stored().startswith("$argon2id$"))
        self.assertFalse(passwords.needs_rehash(self.stored()))
        runs = self.threads.runs
        self.successResultOf(self.login("alice", "secret"))
        self.assertEqual(runs, self.threads.runs)

    def test_verifier_is_made_at_the_next_login_where_there_is_none(self) -> None:
        self.assertFalse(self.directory.everybody_has_a_verifier())
        self.failureResultOf(self.login("alice", "guess"), UnauthorizedLogin)
        self.assertFalse(self.directory.everybody_has_a_verifier())
        self.successResultOf(self.login("alice", "secret"))
        account = self.directory.account(ALICE)
        assert account is not None
        self.assertEqual(HASH, account.password)
        self.assertEqual(self.directory.new_verifier(ALICE, "secret"), account.verifier)

    def test_login_is_answered_before_hash_and_verifier_are_renewed(self) -> None:
        self.directory.set_password(ALICE, "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=")  # of "secret"
        self.threads.holding = True
        done = self.login("alice", "secret")
        self.threads.held.pop()()
        self.assertEqual(b"alice@example.org", self.successResultOf(done))
        self.assertFalse(self.directory.everybody_has_a_verifier())
        (renew,) = self.threads.held
        self.successResultOf(self.login("alice", "secret"))  # remembered already
        renew()
        self.assertTrue(self.directory.everybody_has_a_verifier())
        self.assertFalse(passwords.needs_rehash(self.stored()))
        self.successResultOf(self.login("alice", "secret"))
        self.assertEqual(2, self.threads.runs)

    def test_renewal_that_was_not_made_is_made_at_the_next_login(self) -> None:
        self.threads.holding = True
        done = self.login("alice", "secret")
        self.threads.held.pop()()
        self.successResultOf(done)
        self.threads = Threads()  # the server has stopped, and another begins
        self.checker = self.new_checker()
        self.successResultOf(self.login("alice", "secret"))
        self.assertTrue(self.directory.everybody_has_a_verifier())

    def test_hash_changed_while_it_is_renewed_is_not_overwritten(self) -> None:
        self.threads.holding = True
        self.login("alice", "secret")
        self.threads.held.pop()()
        new = passwords.hash_password("new")
        self.directory.set_password(ALICE, new)
        self.threads.held.pop()()
        self.assertEqual(new, self.stored())
        self.assertFalse(self.directory.everybody_has_a_verifier())

    def test_app_password_logs_in_where_it_is_meant_for_without_a_thread_but_for_the_note(self) -> None:
        password = self.directory.app_passwords.add(ALICE, "phone", (Purpose.SMTP,), b"salt")
        for _ in range(3):
            self.assertEqual(b"alice@example.org", self.successResultOf(self.login("alice", password)))
        self.assertEqual(1, self.threads.runs)
        origin = Origin("192.0.2.1", "session", protocol="POP3")
        done = self.checker.requestAvatarId(PasswordLogin("alice", password, origin))
        self.failureResultOf(done, UnauthorizedLogin)

    def test_app_password_does_not_wait_while_the_account_is_attacked(self) -> None:
        password = self.directory.app_passwords.add(ALICE, "phone", (Purpose.SMTP,), b"salt")
        for _ in range(ACCOUNT_RULE.free + 1):
            self.login("alice", "guess").addErrback(lambda _: None)
        self.assertNoResult(self.login("alice", "secret"))
        self.successResultOf(self.login("alice", password))

    def test_app_password_of_a_disabled_account_is_told_so(self) -> None:
        password = self.directory.app_passwords.add(ALICE, "phone", (Purpose.SMTP,), b"salt")
        self.directory.set_disabled(ALICE, True)
        self.failureResultOf(self.login("alice", password), AccountDisabled)

    def test_note_that_cannot_be_written_does_not_stop_a_login(self) -> None:
        password = self.directory.app_passwords.add(ALICE, "phone", (Purpose.SMTP,), b"salt")

        def full(account: Address, name: str) -> None:
            raise module.DirectoryError("disk full")

        self.patch(self.directory.app_passwords, "note_use", full)
        self.successResultOf(self.login("alice", password))
        self.assertEqual(1, len(self.flushLoggedErrors(module.DirectoryError)))

    def test_hash_changed_meanwhile_is_not_overwritten(self) -> None:
        self.directory.set_password(ALICE, "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=")  # of "secret"
        self.threads.holding = True
        done = self.login("alice", "secret")
        new = passwords.hash_password("new")
        self.directory.set_password(ALICE, new)
        self.threads.held.pop()()
        self.assertEqual(b"alice@example.org", self.successResultOf(done))
        self.assertEqual(new, self.stored())

    def test_directory_that_cannot_be_written_does_not_stop_a_login(self) -> None:
        self.directory.set_password(ALICE, "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=")

        def full(account: Account, password: str, verifier: str) -> bool:
            raise module.DirectoryError("disk full")

        self.patch(self.directory, "replace_password", full)
        self.successResultOf(self.login("alice", "secret"))
        self.assertEqual(1, len(self.flushLoggedErrors(module.DirectoryError)))

    def test_too_many_at_once_are_turned_away_and_later_ones_served(self) -> None:
        self.threads.holding = True
        waiting = [self.login("alice", "secret") for _ in range(3)]
        self.failureResultOf(self.login("alice", "secret"), LoginUnavailable)
        waiting[0].cancel()
        self.failureResultOf(waiting[0])
        more = self.login("alice", "secret")
        self.assertNoResult(more)
        for let_go in self.threads.held[1:]:
            let_go()
        for done in (*waiting[1:], more):
            self.assertEqual(b"alice@example.org", self.successResultOf(done))

    def test_unreadable_directory_is_unavailable_not_a_wrong_password(self) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute("DROP TABLE account")
        self.failureResultOf(self.login("alice", "secret"), LoginUnavailable)
        self.assertEqual(1, len(self.flushLoggedErrors(sqlite3.OperationalError)))

    def test_guessing_is_slowed_down_and_the_right_password_waits_too(self) -> None:
        for _ in range(ACCOUNT_RULE.free):
            self.failureResultOf(self.login("alice", "guess"), UnauthorizedLogin)
        runs = self.threads.runs
        done = self.login("alice", "secret", peer="198.51.100.7")
        self.assertNoResult(done)
        self.assertEqual(runs, self.threads.runs)
        self.clock.advance(ACCOUNT_RULE.first)
        self.assertEqual(b"alice@example.org", self.successResultOf(done))

    def test_failures_are_counted_under_one_name_whether_the_user_exists_or_not(self) -> None:
        for name in ("alice", "nobody"):
            for spelling in (name, f"{name}%laptop", f"{name.upper()}@example.org", name, f"{name}@EXAMPLE.org"):
                self.failureResultOf(self.login(spelling, "guess"), UnauthorizedLogin)
            done = self.login(f"{name}@example.org", "guess", peer="198.51.100.7")
            self.assertNoResult(done)
            self.clock.advance(ACCOUNT_RULE.first)
            self.failureResultOf(done, UnauthorizedLogin)
            self.clock.advance(3600)

    def test_login_that_was_right_lately_is_not_slowed_down(self) -> None:
        self.successResultOf(self.login("alice", "secret"))
        for _ in range(ACCOUNT_RULE.free + 3):
            self.login("alice", "guess", peer="198.51.100.7").addErrback(lambda _: None)
        self.assertEqual(b"alice@example.org", self.successResultOf(self.login("alice", "secret")))

    def test_login_that_would_wait_too_long_is_turned_away(self) -> None:
        attempts = [self.login("alice", "guess") for _ in range(ACCOUNT_RULE.free)]
        for attempt in attempts:
            self.failureResultOf(attempt, UnauthorizedLogin)
        waiting = [self.login("alice", "guess") for _ in range(10)]
        refused = []
        for done in waiting:
            done.addErrback(lambda failure: refused.append(failure.type))
        self.clock.pump([0.5] * 120)
        self.assertEqual({UnauthorizedLogin, LoginUnavailable}, set(refused))
        self.assertEqual(10, len(refused))

    def test_disconnected_client_leaves_nothing_behind(self) -> None:
        for _ in range(ACCOUNT_RULE.free):
            self.failureResultOf(self.login("alice", "guess"), UnauthorizedLogin)
        done = self.login("alice", "guess")
        done.cancel()
        self.failureResultOf(done)
        self.assertEqual([], self.clock.getDelayedCalls())
