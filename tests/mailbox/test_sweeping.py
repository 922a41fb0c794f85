"""What the sweeper removes, what it leaves alone, and when it walks."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from twisted_mail.interfaces import LoginTooSoon
from twisted_mail.mailbox.journal import Bounds
from twisted_mail.mailbox.lock import MaildropLock
from twisted_mail.mailbox.sweeping import INTERVAL, MAX_AGE, Sweeper

LATER = MAX_AGE + 60


class SweepTests(TestCase):
    journal: Bounds | None = Bounds(seconds=3600)

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()

    def file(self, *names: str) -> Path:
        path = self.root.joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left behind")
        return path

    def sweeper(self, now: float, blocking: Callable[[Callable[[], object]], Deferred[object]] = execute) -> Sweeper:
        self.clock = Clock()
        self.clock.advance(now)
        sweeper = Sweeper(str(self.root), str(self.root / ".server" / "incoming"), self.journal, blocking, self.clock)
        self.addCleanup(sweeper.stop)
        return sweeper

    def test_old_files_in_tmp_and_incoming_go_and_messages_stay(self) -> None:
        left = [self.file("example.org", "alice", "tmp", "1.a.b"), self.file(".server", "incoming", "tmpfoo")]
        kept = [
            self.file("example.org", "alice", "new", "1.a.b,S=11,W=11"),
            self.file("example.org", "alice", "cur", "1.a.c:2,S"),
            self.file("example.org", "alice", "twisted-mail.lock"),
            self.file("example.org", "alice", "tmp", "folder", "1.a.b"),
            self.file(".server", "tmp", "tmp", "directory.sqlite"),
            self.file("README.md"),
        ]
        self.sweeper(time.time() + LATER).start()
        self.assertEqual([], [path for path in left if path.exists()])
        self.assertEqual([], [path for path in kept if not path.exists()])

    def test_folders_are_swept_as_well(self) -> None:
        folders = (".Junk", ".Work.Invoices")
        left = [self.file("example.org", "alice", folder, "tmp", "1.a.b") for folder in folders]
        kept = [self.file("example.org", "alice", folder, "new", "1.a.b") for folder in folders]
        self.sweeper(time.time() + LATER).start()
        self.assertEqual(
            [(False, True)] * 2, [(old.exists(), new.exists()) for old, new in zip(left, kept, strict=True)]
        )

    def test_young_file_stays_whatever_its_modification_time(self) -> None:
        path = self.file("example.org", "alice", "tmp", "1.a.b")
        os.utime(path, (0, 0))
        self.sweeper(time.time()).start()
        self.assertTrue(path.exists())

    def test_links_are_not_followed(self) -> None:
        elsewhere = Path(self.mktemp()).absolute()
        (elsewhere / "tmp").mkdir(parents=True)
        target = elsewhere / "tmp" / "file"
        target.write_text("somebody's")
        link = self.file("example.org", "alice", "tmp", "1.a.b").with_name("link")
        link.symlink_to(target)
        (self.root / "example.org" / "bob").symlink_to(elsewhere)
        self.sweeper(time.time() + LATER).start()
        self.assertTrue(target.exists())
        self.assertTrue(link.is_symlink())

    def test_missing_folders_are_nothing_to_sweep(self) -> None:
        removed: list[object] = []

        def remembering(call: Callable[[], object]) -> Deferred[object]:
            return execute(call).addCallback(lambda count: removed.append(count) or count)

        self.sweeper(time.time() + LATER, remembering).start()
        self.assertEqual([Counter()], removed)

    def test_it_walks_again_after_each_interval(self) -> None:
        self.sweeper(time.time()).start()
        path = self.file("example.org", "alice", "tmp", "1.a.b")
        walks = int(LATER / INTERVAL) + 1
        for _ in range(walks - 1):
            self.clock.advance(INTERVAL)
        self.assertTrue(path.exists())
        self.clock.advance(INTERVAL)
        self.assertFalse(path.exists())

    def test_walk_that_is_under_way_ends_when_it_is_stopped(self) -> None:
        path = self.file("example.org", "alice", "tmp", "1.a.b")
        calls: list[Callable[[], object]] = []

        def later(call: Callable[[], object]) -> Deferred[object]:
            calls.append(call)
            return Deferred()

        sweeper = self.sweeper(time.time() + LATER, later)
        sweeper.start()
        sweeper.stop()
        self.assertEqual([Counter()], [call() for call in calls])
        self.assertTrue(path.exists())

    def buried(self, seconds: float) -> Path:
        """A message that a session deleted then."""
        folder = f"{int(seconds)}.session,M=1,S=11"
        return self.file("example.org", "alice", "twisted-mail.deleted", folder, "new", "1.a.b")

    def test_deleted_messages_go_when_they_cannot_be_restored_any_more(self) -> None:
        now = time.time()
        old, young = self.buried(now - 3700), self.buried(now - 3500)
        self.sweeper(now).start()
        self.assertEqual((False, True), (old.exists(), young.exists()))

    def test_deleted_messages_go_where_undo_is_switched_off(self) -> None:
        self.journal = None
        buried = self.buried(time.time() - 1)
        self.sweeper(time.time()).start()
        self.assertFalse(buried.exists())

    def test_a_maildrop_that_is_open_is_left_to_its_session(self) -> None:
        buried = self.buried(0)
        lock = MaildropLock(str(self.root / "example.org" / "alice"), "a session")
        self.addCleanup(lock.release)
        self.sweeper(time.time()).start()
        self.assertTrue(buried.exists())

    def test_the_purge_is_no_login(self) -> None:
        self.buried(0)
        maildir = str(self.root / "example.org" / "alice")
        self.sweeper(time.time()).start()
        MaildropLock(maildir, "a session", login_delay=60).release()
        with self.assertRaises(LoginTooSoon):
            MaildropLock(maildir, "a session", login_delay=60)
