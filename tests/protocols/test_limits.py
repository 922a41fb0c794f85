"""How many connections there may be, in one process and over several."""

from __future__ import annotations

from mmap import mmap

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.protocols.limits import SLOTS, ConnectionLimits, HostCounts, LocalCounts, SharedCounts, _slot

A, B = "192.0.2.1", "192.0.2.2"


def columns(count: int) -> list[SharedCounts]:
    """The counts of *count* processes that share one memory."""
    memory = mmap(-1, SharedCounts.WIDTH * count)
    return [SharedCounts(memory, number, count) for number in range(count)]


class CountsTests(SynchronousTestCase):
    """What both kinds of counts do alike."""

    def each(self) -> list[HostCounts]:
        return [LocalCounts(), *columns(1)]

    def test_nothing_yet_is_zero(self) -> None:
        for counts in self.each():
            self.assertEqual((0, 0), (counts.of(A), counts.total()))

    def test_hosts_are_counted_apart_and_together(self) -> None:
        for counts in self.each():
            counts.add(A, 1)
            counts.add(A, 1)
            counts.add(B, 1)
            counts.add(A, -1)
            self.assertEqual((1, 1, 2), (counts.of(A), counts.of(B), counts.total()))

    def test_what_came_and_left_leaves_nothing(self) -> None:
        for counts in self.each():
            for host in (A, B, "2001:db8::1", ""):
                counts.add(host, 1)
                counts.add(host, -1)
                self.assertEqual((0, 0), (counts.of(host), counts.total()))

    def test_local_counts_forget_hosts_that_left(self) -> None:
        counts = LocalCounts()
        for number in range(1000):
            counts.add(f"192.0.2.{number}", 1)
            counts.add(f"192.0.2.{number}", -1)
        self.assertEqual(0, len(counts._by_host))


class SharedCountsTests(SynchronousTestCase):
    def test_all_processes_see_the_sum(self) -> None:
        several = columns(3)
        for number, counts in enumerate(several):
            for _ in range(number + 1):
                counts.add(A, 1)
        several[1].add(B, 1)
        for counts in several:
            self.assertEqual((6, 1, 7), (counts.of(A), counts.of(B), counts.total()))

    def test_each_process_writes_its_own_column_only(self) -> None:
        memory = mmap(-1, 2 * SharedCounts.WIDTH)
        first, second = (SharedCounts(memory, number, 2) for number in range(2))
        first.add(A, 1)
        self.assertEqual(bytes(SharedCounts.WIDTH), memory[SharedCounts.WIDTH :])
        column = memory[: SharedCounts.WIDTH]
        second.add(A, 1)
        self.assertEqual(column, memory[: SharedCounts.WIDTH])

    def test_a_cleared_column_takes_its_connections_out_of_the_sum(self) -> None:
        # what the parent does when a worker has died
        memory = mmap(-1, 2 * SharedCounts.WIDTH)
        dead, alive = (SharedCounts(memory, number, 2) for number in range(2))
        dead.add(A, 1)
        alive.add(A, 1)
        memory[: SharedCounts.WIDTH] = bytes(SharedCounts.WIDTH)
        self.assertEqual((1, 1), (alive.of(A), alive.total()))

    def test_no_slot_is_that_of_the_total_or_outside(self) -> None:
        slots = {_slot(f"192.0.{n // 256}.{n % 256}") for n in range(20_000)}
        self.assertGreater(min(slots), 0)
        self.assertLessEqual(max(slots), SLOTS)
        # hosts that share a slot are few, also where many addresses differ in one octet only
        self.assertGreater(len(slots), 15_000)


class ConnectionLimitsTests(SynchronousTestCase):
    def test_one_more_than_a_host_may_have_is_refused_and_not_counted(self) -> None:
        limits = ConnectionLimits(10, 2)
        self.assertEqual([None, None], [limits.admit(A), limits.admit(A)])
        self.assertIn("from your address", limits.admit(A) or "")
        self.assertEqual(2, limits.open)
        self.assertIsNone(limits.admit(B))

    def test_one_more_than_all_may_have_is_refused(self) -> None:
        limits = ConnectionLimits(2, 2)
        self.assertEqual([None, None], [limits.admit(A), limits.admit(B)])
        refusal = limits.admit("192.0.2.3") or ""
        self.assertIn("Too many connections", refusal)
        self.assertNotIn("your address", refusal)

    def test_room_comes_back_when_one_leaves(self) -> None:
        limits = ConnectionLimits(2, 1)
        limits.admit(A)
        limits.leave(A)
        self.assertIsNone(limits.admit(A))
        self.assertEqual(1, limits.open)

    def test_peers_without_an_address_count_in_all_only(self) -> None:
        limits = ConnectionLimits(3, 1)
        self.assertEqual([None, None, None], [limits.admit("") for _ in range(3)])
        self.assertIsNotNone(limits.admit(""))

    def test_limits_hold_over_processes(self) -> None:
        first, second = (ConnectionLimits(3, 2, counts) for counts in columns(2))
        self.assertEqual([None, None], [first.admit(A), second.admit(A)])
        self.assertIsNotNone(first.admit(A))
        self.assertIsNotNone(second.admit(A))
        self.assertIsNone(second.admit(B))
        self.assertIsNotNone(first.admit("192.0.2.3"))
        first.leave(A)
        self.assertIsNone(second.admit(A))
