"""Undo: what a session deleted can be brought back as it was, for a while."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from unittest import mock

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.interfaces import DeletionFailed, MaildropLocked
from twisted_mail.mailbox import maildir
from twisted_mail.mailbox.journal import FOLDER, Bounds, DeletedSession, may_exceed, purge, sessions
from twisted_mail.mailbox.lock import MaildropLock
from twisted_mail.mailbox.maildrop import MaildirReader
from twisted_mail.mailbox.undo import restore
from twisted_mail.pop3.listing import Listing
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

ALICE = Address("alice", "example.org")


class JournalTestCase(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.reader = MaildirReader(self.committer, self.blocking, journal=Bounds())

    def delete(self, session: str, *indexes: int) -> Listing:
        """A session that deletes messages; the listing that it had."""
        maildrop = self.result(self.reader.open_maildrop(self.path, ALICE, Origin("192.0.2.1", session)))
        try:
            self.result(maildrop.update(set(indexes)))
        finally:
            maildrop.release()
        return maildrop.listing

    def listing(self) -> Listing:
        return self.delete("look")

    def journal(self) -> list[str]:
        found = []
        for folder, _, names in os.walk(f"{self.path}/{FOLDER}"):
            found += [f"{os.path.basename(folder)}/{name}" for name in names]
        return sorted(found)


class JournalTests(JournalTestCase):
    def test_deleted_messages_are_gone_for_pop3_and_kept_in_the_journal(self) -> None:
        paths = [self.put_ours(1, b"one\n"), self.put("cur/1700000002.b.h:2,S", b"two\n"), self.put_ours(3)]
        self.delete("abc", 0, 1)
        self.assertEqual(1, len(self.listing()))
        self.assertEqual(sorted(paths[:2]), self.journal())
        [kept] = sessions(self.path)
        self.assertEqual(("abc", 2, 10), (kept.session, kept.messages, kept.octets))
        self.assertLess(abs(time.time() - kept.seconds), 60)

    def test_restored_messages_have_their_uids_and_order_again(self) -> None:
        self.put_ours(1, b"one\n")
        self.put("cur/1700000002.b.h:2,S", b"two\n")
        self.put("new/1700000003.with space.h", b"three\n")
        self.put_ours(4, b"four\n")
        before = self.delete("abc", 0, 1, 2)
        self.assertEqual(3, restore(self.path, "abc"))
        after = self.listing()
        self.assertEqual((before.uids, before.sizes), (after.uids, after.sizes))
        self.assertEqual([], sessions(self.path))
        self.assertEqual([], self.journal())

    def test_each_session_is_restored_for_itself(self) -> None:
        for number in range(4):
            self.put_ours(number)
        uids = self.listing().uids
        self.delete("first", 0)
        self.delete("second", 0, 1)
        self.assertEqual(["first", "second"], [kept.session for kept in sessions(self.path)])
        restore(self.path, "second")
        self.assertEqual(list(uids[1:]), list(self.listing().uids))
        restore(self.path, "first")
        self.assertEqual(list(uids), list(self.listing().uids))

    def test_session_that_deleted_nothing_leaves_nothing(self) -> None:
        self.put_ours(1)
        self.delete("abc")
        self.assertFalse(os.path.exists(f"{self.path}/{FOLDER}"))
        self.assertRaises(LookupError, restore, self.path, "abc")

    def test_maildrop_in_use_is_not_restored_into(self) -> None:
        self.put_ours(1)
        self.delete("abc", 0)
        lock = MaildropLock(self.path, "a session")
        self.assertRaises(MaildropLocked, restore, self.path, "abc")
        lock.release()
        self.assertEqual(1, restore(self.path, "abc"))

    def test_both_folders_are_synced_before_the_answer(self) -> None:
        self.put_ours(1)
        synced = []
        with (
            mock.patch("twisted_mail.syncing.SHARED_FROM", 100),
            mock.patch("os.fsync", side_effect=lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}"))),
        ):
            self.delete("abc", 0)
        [kept] = sessions(self.path)
        root = os.path.abspath(self.path)
        self.assertLessEqual({f"{root}/new", f"{root}/{kept.folder}/new", f"{root}/{FOLDER}", root}, set(synced))

    def test_message_that_cannot_be_moved_is_reported(self) -> None:
        self.put_ours(1)
        with mock.patch("os.rename", side_effect=PermissionError(errno.EPERM, "immutable")):
            maildrop = self.result(self.reader.open_maildrop(self.path, ALICE, Origin("", "abc")))
            self.failure(maildrop.update({0}), DeletionFailed)
            maildrop.release()
        self.assertEqual(1, len(self.listing()))

    def test_on_a_full_disk_messages_are_unlinked_and_leave_no_folder(self) -> None:
        kept = self.put_ours(9)
        for full in ("new", FOLDER):
            self.put_ours(1)
            self.put_ours(2)
            really_make = os.mkdir

            def mkdir(path: str, mode: int, full: str = full, really_make: Callable[..., None] = really_make) -> None:
                if os.path.basename(path) == full:
                    raise OSError(errno.ENOSPC, "full")
                really_make(path, mode)

            with mock.patch("os.mkdir", mkdir):
                self.delete("abc", 0, 1)
            self.assertEqual([kept], maildir.scan(self.path))
            self.assertFalse(os.path.exists(f"{self.path}/{FOLDER}"))

    def test_message_whose_name_finds_no_room_in_the_journal_is_unlinked(self) -> None:
        paths = [self.put_ours(number) for number in range(3)]
        really_rename = os.rename

        def rename(old: str, new: str) -> None:
            if old.endswith(paths[1]):
                raise OSError(errno.EDQUOT, "full")
            really_rename(old, new)

        with mock.patch("os.rename", rename):
            self.delete("abc", 0, 1)
        self.assertEqual([paths[0]], self.journal())
        self.assertEqual([paths[2]], maildir.scan(self.path))

    def test_moved_message_is_buried_where_it_is_now(self) -> None:
        self.put("new/1.a.h")
        maildrop = self.result(self.reader.open_maildrop(self.path, ALICE, Origin("", "abc")))
        os.rename(f"{self.path}/new/1.a.h", f"{self.path}/cur/1.a.h:2,S")
        self.result(maildrop.update({0}))
        maildrop.release()
        self.assertEqual(["cur/1.a.h:2,S"], self.journal())


class PurgeTests(JournalTestCase):
    def bury(self, count: int) -> None:
        """*count* sessions, a minute apart, each with one message of 10 octets."""
        for number in range(count):
            self.put_ours(number, b"123456789\n")
            with mock.patch("time.time", return_value=1_800_000_000 + number * 60):
                self.delete(f"s{number}", 0)

    def left(self) -> list[str]:
        return [kept.session for kept in sessions(self.path)]

    def test_old_sessions_go(self) -> None:
        self.bury(3)
        self.assertEqual(2, purge(self.path, Bounds(seconds=100), 1_800_000_000 + 180))
        self.assertEqual(["s2"], self.left())
        self.assertEqual(1, len(self.journal()))

    def test_oldest_sessions_go_when_there_are_too_many_messages(self) -> None:
        self.bury(4)
        purge(self.path, Bounds(messages=2), 1_800_000_000)
        self.assertEqual(["s2", "s3"], self.left())

    def test_oldest_sessions_go_when_there_are_too_many_octets(self) -> None:
        self.bury(4)
        purge(self.path, Bounds(octets=35), 1_800_000_000)
        self.assertEqual(["s1", "s2", "s3"], self.left())

    def test_purge_of_nothing_is_nothing(self) -> None:
        self.assertEqual(0, purge(self.path, Bounds(), 0))

    def test_quit_keeps_the_journal_within_its_bounds(self) -> None:
        self.reader = MaildirReader(self.committer, self.blocking, journal=Bounds(messages=2))
        self.bury(5)
        self.assertEqual(["s3", "s4"], self.left())

    def test_small_sessions_look_at_the_journal_seldom_and_large_ones_always(self) -> None:
        bounds = Bounds(messages=1000, octets=1000)
        small = [may_exceed(DeletedSession("s", 0, 1, 1), bounds) for _ in range(2000)]
        self.assertTrue(50 < small.count(True) < 300, small.count(True))
        for messages, octets in ((63, 1), (1, 63)):
            self.assertTrue(all(may_exceed(DeletedSession("s", 0, messages, octets), bounds) for _ in range(100)))
