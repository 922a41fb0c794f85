"""Addresses that were refused too often, and what counts as that."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.queue.queueing import BUSY, NO_USER, ORIGIN, SILENT, START, Remote, clock_at, now, put
from twisted_mail.interfaces import IRelayDelivery, RemoteRefusal
from twisted_mail.queue.suppression import LASTS, WITHIN, Suppressing, Suppression, speaks_of_the_address
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import MailOptions
from twisted_mail.smtp.reply import Reply, SMTPError

DAY = 86_400
BOB = parse_address("bob@example.net")


class SuppressionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        self.clock = clock_at()
        self.remote = Remote(answer=lambda each: NO_USER)
        self.suppression = Suppression(self.folder)
        self.target = Suppressing(self.remote, self.suppression, self.clock)

    def send(self, address: str = "bob@example.net") -> SMTPError | None:
        """What became of a message to *address*, raised or answered."""
        try:
            (answer,) = now(put(self.target, address)).values()
        except SMTPError as error:
            return error
        return answer

    def listed(self) -> list[str]:
        return [each.address for each in self.suppression.suppressed(self.clock.seconds())]

    def test_third_failure_in_a_week_is_the_last_attempt(self) -> None:
        for _ in range(3):
            self.assertEqual([], self.listed())
            self.assertIs(NO_USER, self.send())
            self.clock.advance(DAY)
        self.assertEqual(["bob@example.net"], self.listed())
        refusal = self.send()
        assert refusal is not None
        self.assertEqual(550, refusal.reply.code)
        self.assertIn("was refused 3 times in a week and is not tried until 2027-02-16", refusal.reply.text)
        self.assertIn("550 5.1.1 Unknown", refusal.reply.text)
        self.assertEqual(3, len(self.remote.attempts))
        self.assertIs(NO_USER, self.send("eve@example.net"))

    def test_failures_that_lie_apart_are_not_too_many(self) -> None:
        for _ in range(10):
            self.assertIs(NO_USER, self.send())
            self.clock.advance(WITHIN / 2 + 1)
        self.assertEqual([], self.listed())

    def test_success_forgets_the_failures(self) -> None:
        self.send()
        self.send()
        self.remote.answer = lambda each: None
        self.assertIsNone(self.send())
        self.remote.answer = lambda each: NO_USER
        self.send()
        self.assertEqual([], self.listed())

    def test_suppressed_address_is_tried_again_after_a_month_or_when_it_is_removed(self) -> None:
        for end in (lambda: self.clock.advance(LASTS), lambda: self.suppression.remove(BOB)):
            for _ in range(3):
                self.send()
            self.assertEqual(["bob@example.net"], self.listed())
            end()
            self.assertEqual([], self.listed())
            self.assertIs(NO_USER, self.send())
            self.suppression.remove(BOB)
        self.assertFalse(self.suppression.remove(BOB))

    def test_only_a_server_that_knows_nobody_of_that_name_counts(self) -> None:
        for error, counts in (
            (NO_USER, True),
            (RemoteRefusal(Reply(550, "2.1", "switched off")), True),
            (RemoteRefusal(Reply(556, "1.10", "null MX"), by_remote=False), False),
            (RemoteRefusal(Reply(552, "2.2", "full")), False),
            (RemoteRefusal(Reply(550, "7.1", "your address is on a list")), False),
            (RemoteRefusal(Reply(550, "", "no")), False),
            (RemoteRefusal(Reply(450, "1.1", "perhaps later")), False),
            (SMTPError.of(550, "1.1", "of our own"), False),
            (BUSY, False),
            (SILENT, False),
        ):
            self.assertEqual(counts, speaks_of_the_address(error), str(error))

    def test_list_is_shared_and_half_a_file_is_none(self) -> None:
        for _ in range(3):
            self.send()
        other = Suppression(self.folder)
        (found,) = other.suppressed(START)
        self.assertEqual(("bob@example.net", "550 5.1.1 Unknown"), (found.address, found.reply))
        (name,) = os.listdir(f"{self.folder}/suppression")
        with open(f"{self.folder}/suppression/{name}", "w") as file:
            file.write('{"address": "bo')
        self.assertIsNone(other.find(BOB))
        other.sweep(START)
        self.assertEqual([], os.listdir(f"{self.folder}/suppression"))

    def test_what_is_of_no_use_any_more_is_swept(self) -> None:
        self.send()
        for _ in range(3):
            self.send("eve@example.net")
        self.clock.advance(WITHIN)
        self.send("joe@example.net")
        self.assertIsNone(self.suppression.find(BOB))
        self.assertEqual(["eve@example.net"], self.listed())
        self.clock.advance(LASTS)
        self.send("joe@example.net")
        self.assertEqual(1, len(os.listdir(f"{self.folder}/suppression")))

    def test_disk_that_fails_suppresses_nobody(self) -> None:
        with open(self.folder, "w"):
            pass  # a file where the folder should be
        for _ in range(4):
            self.assertIs(NO_USER, self.send())
        self.flushLoggedErrors(OSError)

    def test_who_reports_success_is_passed_on(self) -> None:
        delivery = now(self.target.begin(ORIGIN, None, MailOptions()))
        self.assertTrue(IRelayDelivery.providedBy(delivery))
        self.assertEqual(frozenset(), delivery.reports_success)  # type: ignore[attr-defined]
