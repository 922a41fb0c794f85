"""When what was sent is told."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.pop3.listing import Listing
from twisted_mail.protocols.retrievals import LONGEST, MOST, Retrievals

LISTING = Listing([10 + index for index in range(2 * MOST)], [f"uid{index}" for index in range(2 * MOST)])


class RetrievalsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[tuple[Sequence[str], int, int | None]] = []
        self.sent = Retrievals(lambda *batch: self.told.append(batch), self.clock)
        self.sent.listing = LISTING

    def test_what_was_sent_is_told_at_the_end_and_once(self) -> None:
        self.sent.flush()
        self.sent.add(0)
        self.sent.add(5)
        self.assertEqual([], self.told)
        self.sent.flush()
        self.sent.flush()
        self.assertEqual([(["uid0", "uid5"], 25, None)], self.told)
        self.assertEqual(2, self.sent.count)

    def test_full_batch_is_told(self) -> None:
        for index in range(MOST + 1):
            self.sent.add(index)
        self.assertEqual([(LISTING.uids[:MOST], sum(LISTING.sizes[:MOST]), None)], self.told)

    def test_old_batch_is_told_with_the_next_message(self) -> None:
        self.sent.add(0)
        self.clock.advance(LONGEST)
        self.sent.add(1)
        self.sent.add(2)
        self.assertEqual([(["uid0", "uid1"], 21, None)], self.told)

    def test_first_lines_of_a_message_are_told_at_once_and_by_themselves(self) -> None:
        self.sent.add(0)
        self.sent.add(1, 3)
        self.assertEqual([(["uid1"], 11, 3)], self.told)
        self.sent.flush()
        self.assertEqual((["uid0"], 10, None), self.told[-1])
        self.assertEqual(2, self.sent.count)

    def test_who_is_told_is_let_go_at_the_end(self) -> None:
        """A connection has its retrievals: neither may keep the other in memory."""

        class Connection:
            def tell(self, uids: Sequence[str], octets: int, lines: int | None) -> None:
                told.append(uids)

        told: list[Sequence[str]] = []
        connection = Connection()
        gone = weakref.ref(connection)
        sent = Retrievals(connection.tell, self.clock)
        sent.listing = LISTING
        sent.add(0)
        del connection
        self.assertIsNotNone(gone())
        sent.end()
        self.assertEqual([["uid0"]], told)
        self.assertIsNone(gone())
