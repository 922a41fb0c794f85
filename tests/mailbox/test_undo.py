"""What can be brought back, of maildrops and of views, and that it comes back as it was."""

from __future__ import annotations

import os

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.interfaces import MaildropLocked
from twisted_mail.mailbox import maildir
from twisted_mail.mailbox.journal import FOLDER, Bounds
from twisted_mail.mailbox.lock import MaildropLock
from twisted_mail.mailbox.maildrop import MaildirReader
from twisted_mail.mailbox.undo import purge, restore, undoable
from twisted_mail.mailbox.views import Views
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

ALICE = Address("alice", "example.org")
CAME = 1_700_000_000


class UndoTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.reader = MaildirReader(self.committer, self.blocking, journal=Bounds())
        self.views = Views(self.committer, self.blocking, clock=lambda: CAME + 100.0)
        for number in range(3):
            self.put_ours(number, b"%d\n" % number)
        self.uids = maildir.unique_ids(maildir.scan(self.path))

    def session(self, view: str, session: str, *deleted: int) -> list[str]:
        """One session, which deletes; what it saw."""
        maildrop = self.result(self.reader.open_maildrop(self.path, ALICE, Origin("192.0.2.1", session)))
        if view:
            maildrop = self.result(self.views.open(maildrop, self.path, view, session))
        self.result(maildrop.update(set(deleted)))
        maildrop.release()
        return list(maildrop.listing.uids)

    def seen(self, view: str = "") -> list[str]:
        return self.session(view, "look")

    def known(self) -> list[tuple[str, int, int | None, str]]:
        return [(item.session, item.messages, item.octets, item.view) for item in undoable(self.path)]

    def test_deleted_messages_come_back(self) -> None:
        self.session("", "abc", 0, 2)
        self.assertEqual([("abc", 2, 6, "")], self.known())
        self.assertEqual(2, restore(self.path, "abc"))
        self.assertEqual(self.uids, self.seen())
        self.assertEqual([], self.known())

    def test_messages_dropped_from_a_view_come_back_to_it(self) -> None:
        self.seen("phone")
        self.session("laptop", "abc", 0)
        self.session("laptop", "def", 0)
        self.assertEqual([("abc", 1, None, "laptop"), ("def", 1, None, "laptop")], self.known())
        self.assertEqual(1, restore(self.path, "abc"))
        self.assertEqual([self.uids[0], self.uids[2]], self.seen("laptop"))

    def test_a_message_that_went_with_its_last_view_comes_back_to_that_view(self) -> None:
        self.seen("phone")
        self.session("laptop", "abc", 0)
        self.session("phone", "def", 0, 1)
        self.assertEqual(self.uids[1:], self.seen())
        self.assertEqual(2, restore(self.path, "def"))
        self.assertEqual(self.uids, self.seen())
        self.assertEqual(self.uids, self.seen("phone"))
        self.assertEqual(self.uids[1:], self.seen("laptop"))

    def test_what_is_not_kept_cannot_be_restored(self) -> None:
        self.assertRaises(LookupError, restore, self.path, "abc")
        self.assertRaises(LookupError, restore, f"{self.path}-none", "abc")

    def test_an_open_maildrop_is_left_alone(self) -> None:
        self.session("", "abc", 0)
        lock = MaildropLock(self.path, "a session")
        self.assertRaises(MaildropLocked, restore, self.path, "abc")
        self.assertRaises(MaildropLocked, purge, self.path, Bounds(0, 0, 0), CAME)
        lock.release()
        self.assertEqual(1, restore(self.path, "abc"))

    def test_a_session_that_died_before_it_deleted_anything_is_forgotten(self) -> None:
        os.makedirs(f"{self.path}/{FOLDER}/{CAME}.abc,M=2,S=6/new")
        self.assertEqual(0, restore(self.path, "abc"))
        self.assertEqual([], self.known())
