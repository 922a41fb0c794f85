"""The progress display: what stands on a terminal, and that a pipe sees nothing of it."""

from __future__ import annotations

import io
import sys

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from twisted_mail.cli.progress import Progress, tracked


class TerminalIO(io.StringIO):
    def isatty(self) -> bool:
        return True


class ProgressTests(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.screen = TerminalIO()

    def progress(self, total: int | None) -> Progress:
        return Progress("hashing", total, stream=self.screen, clock=self.clock.seconds)

    def test_rate_and_time_left_are_told_once_they_can_be_known(self) -> None:
        with self.progress(2000) as progress:
            progress.advance(30)
            self.assertEqual("hashing: 30 of 2000", str(progress))
            self.clock.advance(2)
            progress.advance(70)
            self.assertEqual("hashing: 100 of 2000, 50/s, 38 s left", str(progress))

    def test_long_and_slow_work_is_told_in_larger_units(self) -> None:
        for total, left in ((13, "70 s"), (100, "16 min"), (1000, "2 h 46 min")):
            progress = self.progress(total)
            self.clock.advance(60)
            progress.advance(6)
            expected = f"hashing: 6 of {total}, 0.1/s, "
            self.assertTrue(str(progress).startswith(expected), str(progress))
            self.assertEqual(left, str(progress).removeprefix(expected).removesuffix(" left"))

    def test_unknown_total_has_a_rate_and_no_end(self) -> None:
        progress = self.progress(None)
        self.clock.advance(2)
        progress.advance(100, "INBOX")
        self.assertEqual("hashing: 100, 50/s, INBOX", str(progress))

    def test_line_is_written_over_and_ended(self) -> None:
        with self.progress(2) as progress:
            self.clock.advance(1)
            progress.advance(1, "a long note")
            self.clock.advance(1)
            progress.advance(1)
        shown = self.screen.getvalue().split("\r")[1:]
        self.assertEqual("hashing: 0 of 2", shown[0])
        self.assertEqual("hashing: 1 of 2, 1.0/s, 1 s left, a long note", shown[1])
        self.assertEqual("hashing: 2 of 2, 1.0/s".ljust(len(shown[1])), shown[2])
        self.assertTrue(shown[-1].endswith("\n"))

    def test_screen_is_written_a_few_times_a_second_only(self) -> None:
        with self.progress(10_000) as progress:
            for _ in range(10_000):
                self.clock.advance(0.0001)
                progress.advance()
        self.assertLess(self.screen.getvalue().count("\r"), 15)

    def test_pipe_sees_nothing(self) -> None:
        pipe = io.StringIO()
        self.patch(sys, "stderr", pipe)
        self.assertEqual([1, 2, 3], list(tracked([1, 2, 3], "counting")))
        self.assertEqual("", pipe.getvalue())

    def test_tracked_items_are_counted_on_a_terminal(self) -> None:
        self.patch(sys, "stderr", self.screen)
        self.assertEqual([1, 2, 3], list(tracked([1, 2, 3], "counting")))
        self.assertTrue(self.screen.getvalue().endswith("\rcounting: 3 of 3\n"), self.screen.getvalue())
