"""What speaks for the clock, and what against it."""

from __future__ import annotations

import os
import time

from twisted.trial.unittest import TestCase

from tests.cli.checks.situations import config_of, lines, situation
from twisted_mail.cli.checks import clock
from twisted_mail.cli.checks.clock import check_clock

NOON = 1_800_000_000.0


class ClockTests(TestCase):
    def look(self, now: float) -> list[str]:
        return lines(check_clock(situation(self.config, now=now)))

    def setUp(self) -> None:
        self.config = config_of()
        self.patch(clock, "is_synchronised", lambda: True)

    def test_clock_that_is_kept_right_and_later_than_all_files_is_believed(self) -> None:
        self.assertEqual(["ok: the clock says 2027-01-15 08:00:00 UTC, and is kept right"], self.look(NOON))

    def test_file_from_the_future_is_told(self) -> None:
        os.utime(str(self.config.file), (NOON, NOON))
        found = self.look(NOON - 3600)
        self.assertEqual(
            [
                "FAULT: the clock says 2027-01-15 07:00:00 UTC, but the last change of "
                f"{self.config.file} is later than that -> timedatectl set-ntp true   (or install chrony)"
            ],
            found,
        )

    def test_clock_of_1970_is_not_believed(self) -> None:
        self.assertTrue(self.look(60.0)[0].startswith("FAULT: the clock says 1970-01-01 00:01:00 UTC, but "))

    def test_clock_that_nothing_keeps_right_is_advice(self) -> None:
        self.patch(clock, "is_synchronised", lambda: False)
        self.assertTrue(self.look(time.time())[0].endswith("nothing keeps it right -> " + clock._KEEP_RIGHT))


class KernelTests(TestCase):
    def test_kernel_answers(self) -> None:
        self.assertIn(clock.is_synchronised(), (True, False))
