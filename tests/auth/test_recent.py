"""The memory of right logins."""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from twisted_mail.auth.directory import Account
from twisted_mail.auth.recent import KEY_SIZE, REMEMBERED_FOR, RecentLogins
from twisted_mail.smtp.address import Address

ALICE = Address("alice", "example.org")
HASH = "{ARGON2ID}one of its kind"
KEY = os.urandom(KEY_SIZE)


class RecentLoginsTests(TestCase):
    def test_memory_is_bounded_and_the_oldest_goes_first(self) -> None:
        recent = RecentLogins(Clock(), KEY, size=2)
        account = Account(ALICE, HASH, False, 0)
        for password in (b"a", b"b", b"c"):
            recent.remember(account, password)
        self.assertEqual([False, True, True], [recent.has(account, password) for password in (b"a", b"b", b"c")])

    def test_address_hash_and_password_all_count(self) -> None:
        recent = RecentLogins(Clock(), KEY)
        recent.remember(Account(ALICE, HASH, False, 0), b"secret")
        others = [
            (Account(Address("bob", "example.org"), HASH, False, 0), b"secret"),
            (Account(ALICE, HASH + "x", False, 0), b"secret"),
            (Account(ALICE, HASH, False, 0), b"secret "),
        ]
        self.assertEqual([False] * 3, [recent.has(*other) for other in others])

    def test_neither_password_nor_hash_is_kept(self) -> None:
        recent = RecentLogins(Clock(), KEY)
        recent.remember(Account(ALICE, HASH, False, 0), b"secret")
        (digest,) = recent._until
        self.assertEqual(32, len(digest))

    def test_others_hear_of_a_login_and_know_it(self) -> None:
        told: list[str] = []
        here, there, stranger = (
            RecentLogins(Clock(), KEY, told.append),
            RecentLogins(Clock(), KEY),
            RecentLogins(Clock(), bytes(32)),
        )
        account = Account(ALICE, HASH, False, 0)
        here.remember(account, b"secret")
        for other in (there, stranger):
            other.hear(*told)
        self.assertTrue(there.has(account, b"secret"))
        self.assertFalse(there.has(account, b"guess"))
        self.assertFalse(stranger.has(account, b"secret"), "another server has another key")

    def test_login_is_forgotten_after_a_while(self) -> None:
        clock = Clock()
        recent = RecentLogins(clock, KEY)
        account = Account(ALICE, HASH, False, 0)
        recent.remember(account, b"secret")
        clock.advance(REMEMBERED_FOR + 1)
        self.assertFalse(recent.has(account, b"secret"))
