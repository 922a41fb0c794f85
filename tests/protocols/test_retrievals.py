"""When what was sent is told."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.pop3.listing import Listing
from twisted_mail.protocols.retrievals import LONGEST, MOST, Retrievals

LISTING = Listing([10 + index for index in range(3 * MOST)], [f"uid{index}" for index in range(3 * MOST)])


class RetrievalsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[tuple[Sequence[str], int, int | None]] = []
        self.sent = Retrievals(lambda *batch: self.told.append(batch), self.clock)
        self.sent.listing = LISTING

    def test_what_was_sent_is_told_at_the_end_and_once(self) -> None:
        self.sent.flush()
        self.sent.add([(0, None)])
        self.sent.add([(5, None)])
        self.assertEqual([], self.told)
        self.sent.flush()
        self.sent.flush()
        self.assertEqual([(["uid0", "uid5"], 25, None)], self.told)
        self.assertEqual(2, self.sent.count)

    def test_full_batch_is_told(self) -> None:
        for index in range(MOST + 1):
            self.sent.add([(index, None)])
        self.assertEqual([(LISTING.uids[:MOST], sum(LISTING.sizes[:MOST]), None)], self.told)

    def test_many_at_once_are_told_in_batches(self) -> None:
        self.sent.add([(index, None) for index in range(2 * MOST + 7)])
        self.assertEqual([MOST, MOST, 7], [len(uids) for uids, _, _ in self.told])
        self.assertEqual(list(LISTING.uids[: 2 * MOST + 7]), [uid for uids, _, _ in self.told for uid in uids])

    def test_old_batch_is_told_with_the_next_message(self) -> None:
        self.sent.add([(0, None)])
        self.clock.advance(LONGEST)
        self.sent.add([(1, None)])
        self.sent.add([(2, None)])
        self.assertEqual([(["uid0", "uid1"], 21, None)], self.told)

    def test_first_lines_of_messages_are_told_by_themselves(self) -> None:
        self.sent.add([(0, None), (1, 3), (2, 0), (3, None)])
        self.sent.flush()
        self.assertEqual([(["uid0", "uid3"], 23, None), (["uid1"], 11, 3), (["uid2"], 12, 0)], self.told)
        self.assertEqual(4, self.sent.count)

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
        sent.add([(0, None)])
        del connection
        self.assertIsNotNone(gone())
        sent.end()
        self.assertEqual([["uid0"]], told)
        self.assertIsNone(gone())
