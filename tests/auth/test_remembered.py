"""What is remembered of the directory, and when it is forgotten."""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.auth import remembered
from twisted_mail.auth.database import NOTICED_AFTER, Database
from twisted_mail.auth.remembered import Remembered


class RememberedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        path = os.path.join(os.path.abspath(self.mktemp()), "directory.sqlite")
        self.here, self.elsewhere = Database(path), Database(path)
        self.addCleanup(self.here.close)
        self.addCleanup(self.elsewhere.close)
        self.asked: list[str] = []
        self.remembered = Remembered[str, int](self.here, self.work_out, self.clock.seconds)

    def work_out(self, name: str) -> int:
        self.asked.append(name)
        if name == "nobody":
            raise LookupError(name)
        return len(name)

    def change(self, database: Database, name: str) -> None:
        with database.transaction() as writer:
            writer.execute("INSERT INTO domain (name, created, position) VALUES (?, 0, 1)", (name,))

    def test_answer_is_worked_out_once(self) -> None:
        self.assertEqual([1, 2, 1, 2], [self.remembered(name) for name in ("a", "bb", "a", "bb")])
        self.clock.advance(3600)
        self.assertEqual(1, self.remembered("a"))
        self.assertEqual(["a", "bb"], self.asked)

    def test_change_of_this_process_is_noticed_at_once(self) -> None:
        self.remembered("a")
        self.change(self.here, "example.org")
        self.remembered("a")
        self.assertEqual(["a", "a"], self.asked)

    def test_change_of_another_process_is_noticed_soon(self) -> None:
        self.remembered("a")
        self.change(self.elsewhere, "example.org")
        self.remembered("a")
        self.assertEqual(["a"], self.asked)
        self.clock.advance(NOTICED_AFTER)
        self.remembered("a")
        self.assertEqual(["a", "a"], self.asked)

    def test_one_look_is_for_all_who_remember(self) -> None:
        another = Remembered[str, int](self.here, self.work_out, self.clock.seconds)
        self.remembered("a")
        another("a")
        self.change(self.elsewhere, "example.org")
        self.clock.advance(NOTICED_AFTER)
        self.remembered("a")
        another("a")
        self.assertEqual(["a"] * 4, self.asked, "also the second one forgets")

    def test_refusal_is_asked_for_again(self) -> None:
        for _ in range(2):
            self.assertRaises(LookupError, self.remembered, "nobody")
        self.assertEqual(["nobody", "nobody"], self.asked)

    def test_memory_is_bounded(self) -> None:
        self.patch(remembered, "MOST", 3)
        for name in "abcda":
            self.remembered(name)
        self.assertEqual(["a", "b", "c", "d", "a"], self.asked)
