"""A Maildir as a maildrop, on real directories, with other programs at work on them."""

from __future__ import annotations

import errno
import mmap
import os
from unittest import mock

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.framing import wire_size
from twisted_mail.interfaces import (
    DeletionFailed,
    IMaildrop,
    IMessageReader,
    MaildropLocked,
    MessageGone,
    MessageUnreadable,
)
from twisted_mail.mailbox import messagefile
from twisted_mail.mailbox.maildrop import MaildirReader
from twisted_mail.mailbox.messagefile import PIECE
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

ALICE = Address("alice", "example.org")
NOT_CACHED = BlockingIOError(errno.EAGAIN, "would wait for the disk")
ORIGIN = Origin("192.0.2.1", "abc", "POP3")


class MaildropTestCase(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.reader = MaildirReader(self.committer, self.blocking)

    def open_maildrop(self) -> IMaildrop:
        maildrop = self.result(self.reader.open_maildrop(self.path, ALICE, ORIGIN))
        self.addCleanup(maildrop.release)
        return maildrop

    def open_replaced(self, count: int) -> IMaildrop:
        """One of *count* messages, whose places a link, a pipe, a directory and then nothing have taken since."""
        secret = self.put("tmp/secret")
        paths = [self.put_ours(number) for number in range(count)]
        maildrop = self.open_maildrop()
        for path in paths:
            os.unlink(f"{self.path}/{path}")
        os.symlink(os.path.abspath(f"{self.path}/{secret}"), f"{self.path}/{paths[0]}")
        os.mkfifo(f"{self.path}/{paths[1]}")
        os.mkdir(f"{self.path}/{paths[2]}")
        return maildrop

    def text_of(self, maildrop: IMaildrop, index: int) -> bytes:
        return b"".join(self.pieces_of(maildrop, index))

    def pieces_of(self, maildrop: IMaildrop, index: int) -> list[bytes]:
        reader = self.result(maildrop.open(index))
        pieces = []
        while piece := self.result(reader.read()):
            pieces.append(piece)
        reader.close()
        return pieces

    def left(self) -> list[str]:
        return sorted(f"{f}/{name}" for f in ("new", "cur") for name in os.listdir(f"{self.path}/{f}"))

    def rename(self, old: str, new: str) -> None:
        os.rename(f"{self.path}/{old}", f"{self.path}/{new}")


class OpenTests(MaildropTestCase):
    def test_maildrop_provides_its_interface(self) -> None:
        self.put_ours(1)
        maildrop = self.open_maildrop()
        verifyObject(IMaildrop, maildrop)
        verifyObject(IMessageReader, self.result(maildrop.open(0)))

    def test_small_message_is_read_without_a_thread(self) -> None:
        self.put_ours(1, b"Subject: x\n\nhello\n")
        self.assertEqual([b"Subject: x\n\nhello\n"], self.pieces_of(self.open_maildrop(), 0))
        self.assertEqual(0, self.hops)

    def test_empty_file_is_an_empty_message(self) -> None:
        self.put_ours(1, b"")
        self.assertEqual([], self.pieces_of(self.open_maildrop(), 0))

    def test_large_message_comes_in_pieces(self) -> None:
        text = b"Subject: large\n\n" + b"0123456789abcde\n" * 50_000
        self.put_ours(1, text)
        pieces = self.pieces_of(self.open_maildrop(), 0)
        self.assertEqual(text, b"".join(pieces))
        self.assertLessEqual(max(map(len, pieces)), PIECE)

    def test_message_that_is_not_in_memory_comes_from_a_thread(self) -> None:
        for size in (1_000, 1_000_000):
            self.put_ours(size, b"x" * size)
        maildrop = self.open_maildrop()
        for error in (NOT_CACHED, OSError(errno.EOPNOTSUPP, "")):
            self.hops = 0
            with mock.patch("os.preadv", side_effect=error):
                self.assertEqual(b"x" * 1_000, self.text_of(maildrop, 0))
                self.assertEqual(1, self.hops)
                self.assertEqual(b"x" * 1_000_000, self.text_of(maildrop, 1))
                self.assertEqual(17, self.hops)  # sixteen pieces

    def test_message_of_which_a_part_is_in_memory_is_whole(self) -> None:
        self.put_ours(1, b"x" * 10_000)
        really_preadv = os.preadv

        def preadv(descriptor: int, buffers: list[bytearray], offset: int, flags: int) -> int:
            if offset >= 4096:
                raise NOT_CACHED
            return really_preadv(descriptor, [memoryview(buffers[0])[:4096]], offset, 0)

        with mock.patch("os.preadv", preadv):
            self.assertEqual(b"x" * 10_000, self.text_of(self.open_maildrop(), 0))
        self.assertEqual(1, self.hops)

    def test_system_without_nowait_reads_in_a_thread(self) -> None:
        self.put_ours(1, b"text\n")
        with mock.patch.object(messagefile, "_NOWAIT", None):
            self.assertEqual(b"text\n", self.text_of(self.open_maildrop(), 0))
        self.assertEqual(1, self.hops)

    def test_reader_that_is_closed_while_a_thread_reads_breaks_nothing(self) -> None:
        self.put_ours(1, b"x" * 1_000_000)
        maildrop = self.open_maildrop()
        waiting: list[tuple[object, Deferred[object]]] = []

        def later(call: object) -> Deferred[object]:
            waiting.append((call, Deferred()))
            return waiting[-1][1]

        maildrop._blocking = later  # type: ignore[attr-defined]
        before = len(os.listdir("/proc/self/fd"))
        with mock.patch("os.preadv", side_effect=NOT_CACHED):
            reader = self.result(maildrop.open(0))
            reading = Deferred.fromCoroutine(reader.read())
            reader.close()
        [(call, done)] = waiting
        done.callback(call())  # type: ignore[operator]
        self.assertEqual(PIECE, len(self.successResultOf(reading)))
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))

    def test_reading_leaves_no_descriptor_open(self) -> None:
        self.put_ours(1, b"text\n")
        self.put_ours(2, b"x" * 1_000_000)
        maildrop = self.open_maildrop()
        before = len(os.listdir("/proc/self/fd"))
        self.text_of(maildrop, 0)
        self.text_of(maildrop, 1)
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))


class AtHandTests(MaildropTestCase):
    def test_small_message_is_at_hand_under_any_name(self) -> None:
        self.put_ours(1, b"Subject: x\n\nhello\n")
        self.put("cur/1800000000.a.h:2,S", b"Subject: foreign\r\n\r\n")
        self.put_ours(1_000_000_000, b"")
        before = len(os.listdir("/proc/self/fd"))
        maildrop = self.open_maildrop()
        self.assertEqual(b"Subject: x\n\nhello\n", maildrop.at_hand(0))
        self.assertEqual(b"Subject: foreign\r\n\r\n", maildrop.at_hand(1))
        self.assertEqual(b"", maildrop.at_hand(2))
        self.assertEqual(before + 2, len(os.listdir("/proc/self/fd")))  # the lock and the Maildir
        maildrop.release()
        maildrop.release()
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))

    def test_message_of_whole_pages_is(self) -> None:
        for pages in (1, 2):
            self.put_ours(pages, b"x" * mmap.PAGESIZE * pages)
        maildrop = self.open_maildrop()
        self.assertEqual(b"x" * mmap.PAGESIZE, maildrop.at_hand(0))
        self.assertEqual(b"x" * mmap.PAGESIZE * 2, maildrop.at_hand(1))

    def test_part_of_a_message_never_is(self) -> None:
        """With a real page cache, from which the kernel was asked to drop what it has."""
        text = os.urandom(3 * mmap.PAGESIZE + 700)
        path = f"{self.path}/{self.put_ours(1, text)}"
        maildrop = self.open_maildrop()
        for place in range(0, len(text), 1000):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)  # it reads nothing but what is asked for
            os.pread(descriptor, 2000, 0)
            os.pread(descriptor, 1, place)
            os.close(descriptor)
            self.assertIn(maildrop.at_hand(0), (None, text))

    def test_nothing_is_where_the_maildir_cannot_be_opened(self) -> None:
        self.put_ours(1, b"one\n")
        maildrop = self.open_maildrop()
        with mock.patch("os.open", side_effect=OSError(errno.EMFILE, "too many")):
            self.assertIsNone(maildrop.at_hand(0))
        self.assertEqual(b"one\n", maildrop.at_hand(0))
        maildrop.release()

    def test_message_that_has_to_be_waited_for_is_not(self) -> None:
        self.put_ours(1, b"x" * 10_000)
        self.put("new/1800000000.a.h", b"x" * 10_000)
        maildrop = self.open_maildrop()
        really_preadv = os.preadv

        def a_part(descriptor: int, buffers: list[mmap.mmap], offset: int, flags: int) -> int:
            return really_preadv(descriptor, [memoryview(buffers[0])[: mmap.PAGESIZE]], offset, 0)

        for preadv in (mock.Mock(side_effect=NOT_CACHED), a_part):
            with mock.patch("os.preadv", preadv):
                self.assertIsNone(maildrop.at_hand(0))
                self.assertIsNone(maildrop.at_hand(1))
        with mock.patch.object(messagefile, "_NOWAIT", None):
            self.assertIsNone(maildrop.at_hand(0))

    def test_large_message_is_not(self) -> None:
        self.put_ours(1, b"x" * PIECE)
        self.put_ours(2, b"x" * (PIECE + 1))
        maildrop = self.open_maildrop()
        self.assertEqual(b"x" * PIECE, maildrop.at_hand(0))
        self.assertIsNone(maildrop.at_hand(1))

    def test_message_that_is_longer_than_its_name_says_comes_whole(self) -> None:
        path = self.put_ours(1, b"x" * 100)
        maildrop = self.open_maildrop()
        with open(f"{self.path}/{path}", "ab") as file:
            file.write(b"y" * 100)
        self.assertEqual(b"x" * 100 + b"y" * 100, maildrop.at_hand(0))

    def test_what_took_the_place_of_a_message_is_not(self) -> None:
        maildrop = self.open_replaced(4)
        self.assertEqual([None] * 4, [maildrop.at_hand(index) for index in range(4)])

    def test_message_that_was_moved_is_once_it_was_found(self) -> None:
        path = self.put_ours(1, b"one\n")
        maildrop = self.open_maildrop()
        self.rename(path, path.replace("new/", "cur/") + ":2,S")
        self.assertIsNone(maildrop.at_hand(0))
        self.assertEqual(b"one\n", self.text_of(maildrop, 0))
        self.assertEqual(b"one\n", maildrop.at_hand(0))


class OtherProgramsTests(MaildropTestCase):
    """Somebody else works on the Maildir while the session lasts."""

    def test_message_that_was_moved_and_flagged_is_found(self) -> None:
        self.put("new/1.a.h", b"one\n")
        self.put("cur/2.a.h:2,", b"two\n")
        maildrop = self.open_maildrop()
        self.rename("new/1.a.h", "cur/1.a.h:2,S")
        self.rename("cur/2.a.h:2,", "cur/2.a.h:2,RS")
        self.assertEqual(b"one\n", self.text_of(maildrop, 0))
        self.assertEqual(b"two\n", self.text_of(maildrop, 1))
        self.rename("cur/1.a.h:2,S", "cur/1.a.h:2,ST")
        self.assertEqual(b"one\n", self.text_of(maildrop, 0))

    def test_message_that_was_removed_is_gone_and_the_others_are_served(self) -> None:
        self.put("new/1.a.h")
        self.put("new/2.a.h", b"two\n")
        maildrop = self.open_maildrop()
        os.unlink(f"{self.path}/new/1.a.h")
        self.failure(maildrop.open(0), MessageGone)
        self.assertEqual(b"two\n", self.text_of(maildrop, 1))

    def test_new_mail_changes_nothing_in_the_session(self) -> None:
        self.put("new/5.a.h", b"five\n")
        maildrop = self.open_maildrop()
        self.put("new/1.a.h", b"one\n")
        self.assertEqual(1, len(maildrop.listing))
        self.assertEqual(b"five\n", self.text_of(maildrop, 0))

    def test_moved_message_is_deleted_where_it_is_now(self) -> None:
        self.put("new/1.a.h")
        self.put("new/2.a.h")
        maildrop = self.open_maildrop()
        self.rename("new/1.a.h", "cur/1.a.h:2,S")
        self.result(maildrop.update({0, 1}))
        self.assertEqual([], self.left())

    def test_twin_of_a_message_that_was_removed_stays(self) -> None:
        """Two files share the part of the name before the flags; another program removes one, we delete "it"."""
        self.put("cur/1.a.h:2,", b"one\n")
        self.put("cur/1.a.h:2,S", b"twin\n")
        maildrop = self.open_maildrop()
        self.assertEqual(2, len(set(maildrop.listing.uids)))
        os.unlink(f"{self.path}/cur/1.a.h:2,")
        self.failure(maildrop.open(0), MessageGone)
        self.result(maildrop.update({0}))
        self.assertEqual(["cur/1.a.h:2,S"], self.left())


class UnreadableTests(MaildropTestCase):
    def test_message_without_permission_is_unreadable_and_the_others_are_served(self) -> None:
        self.put_ours(1)
        self.put_ours(2, b"two\n")
        maildrop = self.open_maildrop()
        with mock.patch("os.open", side_effect=PermissionError(errno.EACCES, "denied")):
            self.failure(maildrop.open(0), MessageUnreadable)
        self.assertEqual(b"two\n", self.text_of(maildrop, 1))

    def test_what_took_the_place_of_a_message_is_not_read(self) -> None:
        maildrop = self.open_replaced(3)
        for index in range(3):
            self.failure(maildrop.open(index), MessageUnreadable)

    def test_broken_disk_is_this_messages_trouble(self) -> None:
        self.put_ours(1, b"x" * 1_000_000)
        reader = self.result(self.open_maildrop().open(0))
        with mock.patch("os.preadv", side_effect=OSError(errno.EIO, "broken")):
            self.failure(reader.read(), MessageUnreadable)
        reader.close()

    def test_shortage_of_the_server_is_not_blamed_on_the_message(self) -> None:
        self.put_ours(1)
        maildrop = self.open_maildrop()
        with mock.patch("os.open", side_effect=OSError(errno.EMFILE, "too many")):
            error = self.failure(maildrop.open(0), OSError)
        self.assertEqual(errno.EMFILE, error.errno)


class OnDiskTests(MaildropTestCase):
    def test_any_text_is_served_with_the_size_that_was_listed(self) -> None:
        texts = [
            b"Subject: crlf\r\n\r\none\r\n",
            b"Subject: mixed\r\n\none\r\ntwo\n",
            b"Subject: nul\n\n\0\0\n",
            b"no header, no line end",
            b".first octet\n",
            b"",
            b"Subject: long line\n\n" + b"x" * 100_000 + b"\n",
            b"Subject: bare cr\n\na\rb\r",
        ]
        for number, text in enumerate(texts):
            self.put(f"new/{number}.with space ö.h", text)
        maildrop = self.open_maildrop()
        for index, text in enumerate(texts):
            self.assertEqual(text, self.text_of(maildrop, index))
            self.assertEqual(wire_size(text), maildrop.listing.sizes[index])
        self.assertEqual(len(texts), len(set(maildrop.listing.uids)))

    def test_uids_stay_over_logins_moves_and_flags(self) -> None:
        self.put_ours(1)
        self.put("new/2.with space.h")
        first = self.open_maildrop()
        first.release()
        for path in self.left():
            self.rename(path, "cur/" + path.removeprefix("new/") + ":2,FS")
        self.assertEqual(first.listing.uids, self.open_maildrop().listing.uids)


class UpdateTests(MaildropTestCase):
    def test_marked_messages_are_unlinked_and_their_folders_synced(self) -> None:
        paths = [self.put_ours(1), self.put("cur/1700000005.a.h:2,S"), self.put_ours(9)]
        maildrop = self.open_maildrop()
        synced = []
        with mock.patch("os.fsync", side_effect=lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}"))):
            self.result(maildrop.update({0, 1}))
        self.assertEqual([paths[2]], self.left())
        self.assertEqual(["cur", "new"], sorted(os.path.basename(path) for path in synced))

    def test_nothing_marked_costs_nothing(self) -> None:
        self.put_ours(1)
        self.result(self.open_maildrop().update(set()))
        self.assertEqual([], self.committer.jobs)

    def test_message_that_cannot_be_removed_is_reported_and_the_others_go(self) -> None:
        paths = [self.put_ours(number) for number in range(3)]
        maildrop = self.open_maildrop()
        really_unlink = os.unlink

        def unlink(path: str) -> None:
            if path.endswith(paths[1]):
                raise PermissionError(errno.EPERM, "immutable")
            really_unlink(path)

        with mock.patch("os.unlink", unlink):
            failure = self.failure(maildrop.update({0, 1, 2}), DeletionFailed)
        self.assertIn("1 of 3", str(failure))
        self.assertEqual([paths[1]], self.left())

    def test_folder_that_cannot_be_synced_is_a_failure(self) -> None:
        self.put_ours(1)
        maildrop = self.open_maildrop()
        with mock.patch("os.fsync", side_effect=OSError(errno.EIO, "broken")):
            self.failure(maildrop.update({0}), DeletionFailed)

    def test_many_deletions_are_several_jobs(self) -> None:
        for number in range(1001):
            self.put_ours(number, b"")
        self.result(self.open_maildrop().update(set(range(1001))))
        self.assertEqual([], self.left())
        self.assertEqual(2, len(self.committer.jobs))


class LockingTests(MaildropTestCase):
    def test_second_login_is_locked_out_until_the_first_releases(self) -> None:
        first = self.open_maildrop()
        opening = Deferred.fromCoroutine(self.reader.open_maildrop(self.path, ALICE, ORIGIN))
        text = str(self.failure(opening, MaildropLocked))
        self.assertTrue(text.startswith("alice@example.org from 192.0.2.1 since 20"), text)
        self.assertIn("session abc", text)
        first.release()
        self.open_maildrop()

    def test_login_that_is_cancelled_while_it_lists_leaves_no_lock(self) -> None:
        self.put("new/1.a.h")
        reader = MaildirReader(self.committer, lambda call: Deferred())
        opening = Deferred.fromCoroutine(reader.open_maildrop(self.path, ALICE, ORIGIN))
        opening.addErrback(lambda failure: None)
        opening.cancel()
        self.open_maildrop()

    def test_missing_maildir_is_an_empty_maildrop(self) -> None:
        maildrop = self.result(self.reader.open_maildrop(self.path + "-none", ALICE, ORIGIN))
        self.assertEqual(0, len(maildrop.listing))
        self.result(maildrop.update(set()))
        maildrop.release()
        self.assertFalse(os.path.exists(self.path + "-none"))
