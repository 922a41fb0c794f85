"""What is counted, and when it is counted again."""

from __future__ import annotations

import os

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.mailbox.settling import FINE
from twisted_mail.mailbox.usage import MAX_AGE, Usages, measure

SECOND = 10**9


class UsageTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = 4_000_000_000 * SECOND
        self.usages = Usages(self.blocking, lambda: self.now)

    def octets(self, limit: int = 10**9) -> int:
        return self.result(self.usages.octets(self.path, limit))

    def test_names_are_believed_and_other_files_are_asked(self) -> None:
        self.put("new/1700000001.a.mx,S=500,W=510", b"x")
        self.put("cur/1700000002.b.mx,S=70,W=75:2,S", b"x")
        self.put("cur/1700000003.c.mx:2,S=9", b"four")
        self.assertEqual(574, measure(self.path))

    def test_folders_count_and_what_was_deleted_does_not(self) -> None:
        for folder in (".Junk", "twisted-mail.deleted"):
            os.makedirs(f"{self.path}/{folder}/cur")
            self.put(f"{folder}/cur/1700000001.a.mx,S=500,W=510")
        self.assertEqual(500, measure(self.path))

    def test_missing_maildir_is_empty(self) -> None:
        self.assertEqual(0, self.result(self.usages.octets(self.mktemp(), 10)))

    def test_deliveries_are_added_and_nothing_is_listed_for_a_minute(self) -> None:
        self.assertEqual(0, self.octets())
        self.put("new/1700000001.a.mx,S=500,W=510")
        self.usages.expect(self.path, 400)
        self.usages.came(self.path, 400)
        self.assertEqual([400, 1], [self.octets(), self.hops])
        self.now += MAX_AGE
        self.assertEqual([500, 2], [self.octets(), self.hops])

    def test_one_that_is_full_is_listed_again_only_when_something_has_changed(self) -> None:
        path = self.put("new/1700000001.a.mx,S=500,W=510")
        self.assertEqual(500, self.octets(100))
        for _ in range(3):
            self.now += MAX_AGE
            self.assertEqual([500, 1], [self.octets(100), self.hops])
        os.unlink(f"{self.path}/{path}")
        self.age(-10)
        self.assertEqual([0, 2], [self.octets(100), self.hops])

    def test_one_that_changes_just_now_is_listed_each_time(self) -> None:
        self.put("new/1700000001.a.mx,S=500,W=510")
        self.now = os.stat(f"{self.path}/new").st_mtime_ns + FINE
        self.assertEqual([500, 500, 2], [self.octets(100), self.octets(100), self.hops])
