"""Checks side by side: none waits for another, and one that hangs or fails is told as such."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from tests.cli.checks.situations import lines, situation
from twisted_mail.cli.checks.finding import Check, Finding, Situation, ok
from twisted_mail.cli.checks.running import run
from twisted_mail.cli.checks.table import CHECKS


class RunTests(TestCase):
    def test_one_that_hangs_holds_up_no_other_and_is_told(self) -> None:
        clock, freed = Clock(), Event()
        self.addCleanup(freed.set)

        def hang(situation: Situation) -> list[Finding]:
            freed.wait()
            return []

        checks = [Check("slow", "", hang), Check("quick", "", lambda situation: [ok("well")])]
        answers = run(checks, situation(), 5.0, clock.seconds)
        check, findings = next(answers)
        self.assertEqual(("quick", ["ok: well"]), (check.name, lines(findings)))
        clock.advance(6)
        ((check, findings),) = answers
        self.assertEqual(
            ("slow", ["FAULT: this check had no result after 5 seconds -> mailserver check slow"]),
            (check.name, lines(findings)),
        )

    def test_one_that_fails_says_so_and_the_others_go_on(self) -> None:
        def fail(situation: Situation) -> Iterator[Finding]:
            yield ok("so far")
            raise ZeroDivisionError("by nought")

        checks = [Check("bad", "", fail), Check("good", "", lambda situation: [ok("well")])]
        found = {check.name: lines(findings) for check, findings in run(checks, situation())}
        self.assertEqual(["ok: well"], found["good"])
        self.assertEqual(
            ["FAULT: this check failed: ZeroDivisionError: by nought -> please report this bug"], found["bad"]
        )


class TableTests(TestCase):
    def test_names_are_short_and_differ(self) -> None:
        names = [check.name for check in CHECKS]
        self.assertEqual(len(names), len(set(names)))
        for name in names:
            self.assertRegex(name, r"^[a-z-]{2,12}$")
