"""The listing of a Maildir: sizes that are true, and a memory that is never out of date."""

from __future__ import annotations

import os
import time
from unittest import mock

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.mailbox import maildir
from twisted_mail.mailbox.snapshot import Snapshot, Snapshots


class SnapshotTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.snapshots = Snapshots(self.blocking)

    def current(self) -> Snapshot:
        return self.result(self.snapshots.current(self.path))

    def test_sizes_in_names_are_believed_without_opening_files(self) -> None:
        self.put_ours(1, b"one\n")
        self.put_ours(2, b"two\ntwo\n")
        with mock.patch("os.open", side_effect=AssertionError("opened")):
            self.assertEqual([5, 10], self.current().listing.sizes)
        self.assertEqual(0, self.hops)

    def test_foreign_sizes_are_counted_in_a_thread(self) -> None:
        self.put("new/1.a.h", b"a\nb")
        self.put("cur/2.a.h,S=4:2,S", b"a\r\n\n")
        self.assertEqual([6, 5], self.current().listing.sizes)
        self.assertEqual(1, self.hops)

    def test_counted_sizes_are_remembered_when_flags_and_folder_change(self) -> None:
        self.put("new/1.a.h", b"a\n")
        self.current()
        os.rename(f"{self.path}/new/1.a.h", f"{self.path}/cur/1.a.h:2,S")
        self.put_ours(1)
        with mock.patch("builtins.open", side_effect=AssertionError("opened")):
            snapshot = self.current()
        self.assertEqual(3, snapshot.listing.sizes[0])
        self.assertEqual("cur/1.a.h:2,S", snapshot.paths[0])
        self.assertEqual(1, self.hops)

    def test_unchanged_maildir_is_not_read_again(self) -> None:
        self.put_ours(1)
        self.age()
        first = self.current()
        with mock.patch("os.scandir", side_effect=AssertionError("read")):
            self.assertIs(first, self.current())

    def test_changed_maildir_is_read_again(self) -> None:
        self.age()
        self.assertEqual((), self.current().paths)
        path = self.put_ours(1)
        self.assertEqual((path,), self.current().paths)
        self.age()
        self.current()
        os.unlink(f"{self.path}/{path}")
        self.assertEqual((), self.current().paths)

    def test_change_within_one_tick_of_the_clock_is_seen(self) -> None:
        """A second change that leaves the folder's time as it is, as on a file system with whole seconds."""
        now = time.time_ns()
        os.utime(f"{self.path}/new", ns=(now, now))
        self.assertEqual((), self.current().paths)
        path = self.put_ours(1)
        os.utime(f"{self.path}/new", ns=(now, now))
        self.assertEqual((path,), self.current().paths)

    def test_missing_maildir_is_empty_and_seen_when_it_comes(self) -> None:
        path = self.path + "-later"
        self.assertEqual((), self.result(self.snapshots.current(path)).paths)
        os.rename(self.path, path)
        self.path = path
        self.put_ours(1)
        self.assertEqual(1, len(self.current().paths))

    def test_large_folder_is_read_in_a_thread(self) -> None:
        for number in range(300):
            self.put_ours(number)
        self.assertEqual(300, len(self.current().paths))
        size = os.stat(f"{self.path}/new").st_size
        self.assertEqual(size > 16 * 1024, self.hops == 1)

    def test_memory_is_bounded_and_forgets_the_oldest(self) -> None:
        snapshots = Snapshots(self.blocking, limit=60)
        others = [self.mktemp() for _ in range(3)]
        first, *_ = [self.result(snapshots.current(path)) for path in others]
        self.assertEqual(3, len(snapshots._remembered))
        for number in range(20):
            self.put_ours(number)
        self.result(snapshots.current(self.path))
        self.assertEqual([others[2], self.path], list(snapshots._remembered))
        self.assertIsNot(first, self.result(snapshots.current(others[0])))
        self.assertEqual(sum(s.weight for s in snapshots._remembered.values()), snapshots._weight)

    def test_file_that_goes_while_it_is_counted_is_left_out(self) -> None:
        self.put("new/1.a.h")
        self.put("new/2.a.h")
        really_scan = maildir.scan

        def scan(path: str) -> list[str]:
            found = really_scan(path)
            if os.path.exists(f"{self.path}/new/1.a.h"):
                os.unlink(f"{self.path}/new/1.a.h")
            return found

        with mock.patch.object(maildir, "scan", scan):
            snapshot = self.current()
        self.assertEqual(("new/2.a.h",), snapshot.paths)
        self.assertEqual(1, len(snapshot.listing))

    def test_file_that_cannot_be_read_is_listed_with_its_size_on_disk(self) -> None:
        self.put("new/1.a.h", b"a\nb\n")
        with mock.patch("builtins.open", side_effect=PermissionError):
            snapshot = self.current()
        self.assertEqual([4], snapshot.listing.sizes)
        self.assertEqual({}, snapshot.counted)

    def test_internationalised_messages_are_known_by_their_names(self) -> None:
        self.put("new/1.a.h,S=2,W=3,D=7:2,")
        self.put("new/2.a.h,S=2,W=3,D=0")
        self.put("new/3.a.h,S=2,W=3,D=nonsense")
        self.put("new/4.a.h,S=2,W=3")
        listing = self.current().listing
        self.assertEqual({0: 7, 1: 0}, listing.downgraded)
        self.assertEqual([3, 3, 3, 3], listing.sizes)
        self.assertEqual([7, 3, 3, 3], listing.in_ascii.sizes)
