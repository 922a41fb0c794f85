"""When what was sent is told."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.protocols.retrievals import LONGEST, MOST, Retrievals


class RetrievalsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[tuple[Sequence[str], int]] = []
        self.sent = Retrievals(lambda uids, octets: self.told.append((uids, octets)), self.clock)

    def test_what_was_sent_is_told_at_the_end_and_once(self) -> None:
        self.sent.flush()
        self.sent.add("a", 10)
        self.sent.add("b", 5)
        self.assertEqual([], self.told)
        self.sent.flush()
        self.sent.flush()
        self.assertEqual([(["a", "b"], 15)], self.told)

    def test_full_batch_is_told(self) -> None:
        for number in range(MOST + 1):
            self.sent.add(str(number), 1)
        self.assertEqual([([str(number) for number in range(MOST)], MOST)], self.told)

    def test_old_batch_is_told_with_the_next_message(self) -> None:
        self.sent.add("a", 1)
        self.clock.advance(LONGEST)
        self.sent.add("b", 1)
        self.sent.add("c", 1)
        self.assertEqual([(["a", "b"], 2)], self.told)
