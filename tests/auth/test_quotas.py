"""Whose quota holds."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.auth.database import NOTICED_AFTER, Database
from twisted_mail.auth.directory import Directory
from twisted_mail.auth.quotas import QUOTA, TOTAL, UNLIMITED, Quotas
from twisted_mail.smtp.address import Address

ALICE = Address("alice", "example.org")
BOB = Address("bob", "example.org")


class QuotaTests(SynchronousTestCase):
    def setUp(self) -> None:
        path = os.path.join(self.mktemp(), "directory.sqlite")
        self.directory = Directory(path)
        self.addCleanup(self.directory.close)
        self.directory.add_domain("example.org")
        for account in (ALICE, BOB):
            self.directory.add_account(account, "{X}x")
        database = Database(path)
        self.addCleanup(database.close)
        self.now = 100.0
        self.quotas = Quotas(database, lambda: self.now)

    def both(self) -> list[int | None]:
        return [self.quotas.of(ALICE), self.quotas.of(BOB)]

    def test_account_has_its_own_or_that_of_its_domain_or_none(self) -> None:
        self.assertEqual([None, None], self.both())
        self.directory.set_domain_attributes("example.org", {QUOTA: "1000"})
        self.assertEqual([1000, 1000], self.both())
        self.directory.set_attributes(ALICE, {QUOTA: "5"})
        self.assertEqual([5, 1000], self.both())
        self.directory.set_attributes(ALICE, {QUOTA: UNLIMITED})
        self.assertEqual([None, 1000], self.both())

    def test_domain_has_one_of_all_its_mailboxes(self) -> None:
        self.assertIsNone(self.quotas.of_domain("example.org"))
        self.directory.set_domain_attributes("example.org", {TOTAL: "1000"})
        self.assertEqual((1000, [None, None]), (self.quotas.of_domain("example.org"), self.both()))
        self.assertTrue(self.quotas.exist())

    def test_the_first_quota_is_seen_at_the_next_look(self) -> None:
        self.assertFalse(self.quotas.exist())
        self.directory.set_domain_attributes("example.org", {QUOTA: "1000"})
        self.assertFalse(self.quotas.exist())
        self.now += NOTICED_AFTER
        self.assertTrue(self.quotas.exist())
