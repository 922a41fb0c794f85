"""Several devices on one mailbox: what each sees, and when a message goes for good."""

from __future__ import annotations

import errno
import os
from collections.abc import Set
from unittest import mock

from zope.interface.verify import verifyObject

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.interfaces import DeletionFailed, IMaildrop, NoSuchView
from twisted_mail.mailbox import maildir, views
from twisted_mail.mailbox.maildrop import MaildirReader
from twisted_mail.mailbox.views import FOLDER, FORGET_SECONDS, MAX_VIEWS, RECENT_SECONDS, Views, load_all
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

ALICE = Address("alice", "example.org")
CAME = 1_700_000_000
DAY = 86_400


class ViewsTestCase(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.time = float(CAME + DAY)
        self.reader = MaildirReader(self.committer, self.blocking)
        self.views = Views(self.committer, self.blocking, clock=lambda: self.time)
        for number in range(3):
            self.put_ours(number, b"%d\n" % number)
        self.uids = [maildir.uid_of(maildir.name_of(path)) for path in maildir.scan(self.path)]

    def open_view(self, name: str) -> IMaildrop:
        maildrop = self.result(self.reader.open_maildrop(self.path, ALICE, Origin("192.0.2.1", "abc")))
        try:
            view = self.result(self.views.open(maildrop, self.path, name, "abc")) if name else maildrop
        except BaseException:
            maildrop.release()
            raise
        self.addCleanup(view.release)
        return view

    def delete(self, name: str, *indexes: int) -> Set[int]:
        """What the view says is not in it any more."""
        view = self.open_view(name)
        gone = self.result(view.update(set(indexes)))
        view.release()
        return gone

    def seen(self, name: str) -> list[str]:
        view = self.open_view(name)
        view.release()
        return list(view.listing.uids)

    def on_disk(self) -> list[str]:
        return [maildir.uid_of(maildir.name_of(path)) for path in maildir.scan(self.path)]


class ViewsTests(ViewsTestCase):
    def test_view_is_a_maildrop(self) -> None:
        verifyObject(IMaildrop, self.open_view("laptop"))

    def test_deletion_hides_from_one_view_only(self) -> None:
        self.seen("phone")
        self.delete("laptop", 0)
        self.assertEqual(self.uids[1:], self.seen("laptop"))
        self.assertEqual(self.uids, self.seen("phone"))
        self.assertEqual(self.uids, self.seen(""))

    def test_numbers_are_the_views_own(self) -> None:
        self.delete("laptop", 0)
        view = self.open_view("laptop")
        reader = self.result(view.open(0))
        self.assertEqual(b"1\n", self.result(reader.read()))
        self.assertEqual(b"1\n", view.at_hand(0))
        view.release()
        self.delete("laptop", 1)
        self.assertEqual([self.uids[1]], self.seen("laptop"))

    def test_message_goes_when_every_view_has_dropped_it(self) -> None:
        self.seen("phone")
        self.delete("laptop", 0, 1)
        self.assertEqual(self.uids, self.on_disk())
        self.delete("phone", 1, 2)
        self.assertEqual([self.uids[0], self.uids[2]], self.on_disk())

    def test_single_view_deletes_at_once(self) -> None:
        self.delete("laptop", 2)
        self.assertEqual(self.uids[:2], self.on_disk())

    def test_login_without_a_view_deletes_for_all(self) -> None:
        self.seen("phone")
        self.delete("", 0)
        self.assertEqual(self.uids[1:], self.seen("phone"))

    def test_message_that_one_view_dropped_long_ago_goes_without_the_others(self) -> None:
        self.seen("lost-phone")
        self.delete("laptop", 0)
        self.time += FORGET_SECONDS + DAY
        self.delete("laptop", 0)
        self.assertEqual(self.uids[1:], self.on_disk())

    def test_removed_view_holds_nothing_back(self) -> None:
        self.seen("phone")
        self.delete("laptop", 0)
        views.remove(self.path, "phone")
        self.delete("laptop", 0)
        self.assertEqual([self.uids[2]], self.on_disk())
        self.assertRaises(LookupError, views.remove, self.path, "phone")

    def test_state_forgets_messages_that_are_gone(self) -> None:
        self.seen("phone")
        self.delete("laptop", 0)
        self.delete("", 0)
        self.delete("laptop", 0)
        self.assertEqual({self.uids[1]}, set(load_all(self.path)["laptop"].dropped))


class SpecialViewsTests(ViewsTestCase):
    def test_recent_shows_thirty_days_whatever_others_drop(self) -> None:
        self.delete("recent", 0)
        self.delete("laptop", 0, 1, 2)
        self.assertEqual(self.uids, self.seen("recent"))
        self.time = CAME + RECENT_SECONDS + 1.5
        self.assertEqual(self.uids[2:], self.seen("recent"))

    def test_recent_lets_go_what_is_older(self) -> None:
        self.seen("recent")
        self.delete("laptop", 0, 1)
        self.time = CAME + RECENT_SECONDS + 1
        self.delete("laptop", 0)
        self.assertEqual([self.uids[1], self.uids[2]], self.on_disk())

    def test_keep_ignores_deletion_and_holds_all(self) -> None:
        self.assertEqual(set(), self.delete("keep", 0, 1, 2))
        self.assertEqual({0, 1, 2}, self.delete("laptop", 0, 1, 2))
        self.assertEqual(self.uids, self.seen("keep"))
        self.assertEqual([], self.seen("laptop"))

    def test_message_without_a_date_in_its_name_counts_as_new(self) -> None:
        self.put("new/undated")
        self.time += 10 * 365 * DAY
        self.assertEqual(["undated"], self.seen("recent"))


class NamesTests(ViewsTestCase):
    def test_name_is_taken_in_any_case(self) -> None:
        self.delete("LapTop", 0)
        self.seen("laptop")
        self.assertEqual(["laptop"], list(load_all(self.path)))

    def test_name_that_is_no_file_of_ours_is_refused(self) -> None:
        for name in ("..", ".hidden", "a/b", "", "x" * 33, "ü", "a b", "a\0", "new\n"):
            maildrop = self.result(self.reader.open_maildrop(self.path, ALICE, Origin("", "abc")))
            self.failure(self.views.open(maildrop, self.path, name, "abc"), NoSuchView)
            maildrop.release()
        self.assertFalse(os.path.exists(f"{self.path}/{FOLDER}"))

    def test_views_of_an_account_are_bounded(self) -> None:
        for number in range(MAX_VIEWS):
            self.seen(f"v{number}")
        maildrop = self.result(self.reader.open_maildrop(self.path, ALICE, Origin("", "abc")))
        self.failure(self.views.open(maildrop, self.path, "one-more", "abc"), NoSuchView)
        maildrop.release()
        self.assertEqual(self.uids, self.seen("v0"))

    def test_missing_maildir_has_empty_views(self) -> None:
        maildrop = self.result(self.reader.open_maildrop(self.path + "-none", ALICE, Origin("", "abc")))
        view = self.result(self.views.open(maildrop, self.path + "-none", "laptop", "abc"))
        self.assertEqual(0, len(view.listing))
        self.assertFalse(os.path.exists(self.path + "-none"))


class TroubleTests(ViewsTestCase):
    def test_view_that_cannot_be_written_deletes_nothing(self) -> None:
        view = self.open_view("laptop")
        with mock.patch("os.rename", side_effect=OSError(errno.ENOSPC, "full")):
            self.failure(view.update({0}), DeletionFailed)
        view.release()
        self.assertEqual(self.uids, self.seen("laptop"))
        self.assertEqual(["laptop"], os.listdir(f"{self.path}/{FOLDER}"))

    def test_file_that_cannot_be_removed_stays_hidden_and_is_tried_again(self) -> None:
        view = self.open_view("laptop")
        with mock.patch("os.unlink", side_effect=PermissionError(errno.EPERM, "immutable")):
            self.result(view.update({0}))
        self.flushLoggedErrors(DeletionFailed)
        view.release()
        self.assertEqual(self.uids[1:], self.seen("laptop"))
        self.delete("laptop", 0)
        self.assertEqual([self.uids[2]], self.on_disk())

    def test_damaged_state_hides_no_more_than_it_says(self) -> None:
        self.seen("laptop")
        with open(f"{self.path}/{FOLDER}/laptop", "wb") as file:
            file.write(b"\xff\n1700000000\nx y z\n1700000000 " + self.uids[1].encode() + b" abc")
        self.assertEqual([self.uids[0], self.uids[2]], self.seen("laptop"))
