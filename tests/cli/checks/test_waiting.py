"""The queue in one sentence."""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.internet.defer import execute
from twisted.trial.unittest import TestCase

from tests.cli.checks.situations import config_of, lines, situation
from tests.queue.queueing import InlineCommitter, NoSync, clock_at, message, now, put
from twisted_mail.cli.checks.waiting import check_queue
from twisted_mail.queue.entry import QueueEntry
from twisted_mail.queue.lock import SchedulerLock
from twisted_mail.queue.spool import Spool

NOBODY_SENDS = "and no process sends them -> systemctl start twisted-mail   (then: journalctl -u twisted-mail)"


class QueueTests(TestCase):
    def setUp(self) -> None:
        self.config = config_of()
        self.folder = os.path.join(self.config.server_folder, "queue")
        self.time = float(int(time.time()))

    def put(self, age: float) -> QueueEntry:
        clock = clock_at(self.time - age)
        spool = Spool(self.folder, InlineCommitter(NoSync()), execute, clock)
        found: list[QueueEntry] = []
        spool.on_arrival = found.append
        now(put(spool, "bob@example.net", content=message(at=clock.seconds())))
        return found[0]

    def look(self) -> list[str]:
        return lines(check_queue(situation(self.config, now=self.time)))

    def test_queue_that_was_never_made_or_is_empty_is_right(self) -> None:
        self.assertEqual(["ok: nothing has been sent to other servers yet"], self.look())
        self.put(1)
        for name in os.listdir(f"{self.folder}/messages"):
            os.unlink(f"{self.folder}/messages/{name}")
        self.assertEqual(["ok: no messages wait to be sent"], self.look())

    def test_number_size_and_age_are_told(self) -> None:
        size = self.put(60).size
        self.assertEqual([f"ok: 1 message waits to be sent, {size} octets, the oldest for 1 minute"], self.look())
        self.put(600)
        self.assertEqual([f"ok: 2 messages wait to be sent, {2 * size} octets, the oldest for 10 minutes"], self.look())

    def test_messages_that_are_due_and_that_nobody_sends_are_a_fault(self) -> None:
        self.put(3 * 3600)
        found = self.look()
        self.assertTrue(found[0].startswith("FAULT: 1 message waits to be sent, "))
        self.assertTrue(found[0].endswith(f"the oldest for 3 hours, {NOBODY_SENDS}"), found)

    def test_old_messages_that_are_being_sent_are_advice(self) -> None:
        size = self.put(2 * 86_400).size
        lock = SchedulerLock(self.folder)
        self.assertTrue(lock.take())
        self.addCleanup(lock.release)
        self.assertEqual(
            [
                f"advice: 1 message waits to be sent, {size} octets, the oldest for 2 days"
                " -> mailserver queue list   (it says why each waits)"
            ],
            self.look(),
        )

    def test_question_makes_no_files(self) -> None:
        self.put(3 * 3600)
        before = sorted(Path(self.folder).rglob("*"))
        self.look()
        self.assertEqual(before, sorted(Path(self.folder).rglob("*")))

    def test_damaged_files_are_told(self) -> None:
        self.put(1)
        Path(self.folder, "damaged", "x.envelope").touch()
        expected = f"FAULT: 1 files of the queue were damaged and put aside -> ls -l {self.folder}/damaged"
        self.assertEqual(expected, self.look()[0])
