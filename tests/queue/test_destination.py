"""Lines: concurrency that adapts, dead destinations, fairness and priorities."""

from __future__ import annotations

import random

from twisted.trial.unittest import TestCase

from tests.queue.queueing import SILENT
from twisted_mail.queue.destination import (
    FIRST_PAUSE,
    FORGOTTEN_AFTER,
    INITIAL_WINDOW,
    LAST_PAUSE,
    TROUBLES,
    Bounds,
    Destinations,
)


class DestinationTests(TestCase):
    def lines(self, total: int = 100, per_destination: int = 8, **waiting: int) -> Destinations:
        """With so many messages in each line."""
        lines = Destinations(Bounds(total, per_destination))
        for name, count in waiting.items():
            for number in range(count):
                lines.put(name, f"{name}{number}", 0, 0.0)
        return lines

    def taken(self, lines: Destinations, now: float = 0.0) -> list[str]:
        found = []
        while (turn := lines.take(now)) is not None:
            found.append(turn[1])
        return found

    def die(self, lines: Destinations, name: str, now: float = 0.0) -> None:
        for number in range(TROUBLES):
            lines.put(name, f"dead{number}", 0, now)
        for _ in range(TROUBLES):
            self.assertIsNotNone(lines.take(now))
        for _ in range(TROUBLES):
            lines.silent(name, SILENT, now)

    def test_new_destination_starts_small_and_grows_with_each_answer_up_to_the_limit(self) -> None:
        lines = self.lines(a=100)
        self.assertEqual(["a0", "a1"], self.taken(lines))
        running, seen = INITIAL_WINDOW, []
        for _ in range(20):
            lines.answered("a", 0.0)
            running += len(self.taken(lines)) - 1
            seen.append(running)
        self.assertEqual([3, 4, 5, 6, 7, 8, 8], seen[:7])
        self.assertEqual(8, max(seen))

    def test_silence_halves_the_window(self) -> None:
        lines = self.lines(a=100)
        for _ in range(6):
            self.taken(lines)
            lines.answered("a", 0.0)
        self.assertEqual(8, lines.running + len(self.taken(lines)))
        self.assertEqual([], lines.silent("a", SILENT, 0.0))
        self.assertEqual([], self.taken(lines))
        for _ in range(4):
            lines.dropped("a", 0.0)
        self.assertEqual(1, len(self.taken(lines)))

    def test_dead_destination_gives_up_all_that_wait_and_is_left_alone(self) -> None:
        lines = self.lines(a=5)
        self.taken(lines)
        self.assertEqual([], lines.silent("a", SILENT, 0.0))
        self.assertEqual(["a2", "a3", "a4"], sorted([*lines.silent("a", SILENT, 0.0), *self.taken(lines)])[-3:])
        self.assertIs(SILENT, lines.trouble("a", FIRST_PAUSE - 1))
        self.assertIsNone(lines.trouble("a", FIRST_PAUSE))
        self.assertIsNone(lines.trouble("b", 0.0))

    def test_probe_is_a_single_delivery_and_its_failure_doubles_the_pause(self) -> None:
        lines = self.lines()
        self.die(lines, "a")
        now, pauses = 0.0, []
        for _ in range(8):
            start = now
            while lines.trouble("a", now):
                now += 1
            pauses.append(now - start)
            for number in range(3):
                lines.put("a", f"p{number}", 0, now)
            self.assertEqual(["p0"], self.taken(lines, now))
            self.assertEqual(["p1", "p2"], lines.silent("a", SILENT, now))
        self.assertEqual([FIRST_PAUSE, 120, 240, 480, 960, LAST_PAUSE, LAST_PAUSE, LAST_PAUSE], pauses)

    def test_probe_that_is_answered_brings_it_back(self) -> None:
        lines = self.lines()
        self.die(lines, "a")
        for number in range(9):
            lines.put("a", f"p{number}", 0, FIRST_PAUSE)
        self.assertEqual(["p0"], self.taken(lines, FIRST_PAUSE))
        self.assertTrue(lines.answered("a", FIRST_PAUSE))
        self.assertEqual(["p1", "p2"], self.taken(lines, FIRST_PAUSE))
        self.assertFalse(lines.answered("a", FIRST_PAUSE))

    def test_forgiven_destination_is_tried_at_once(self) -> None:
        lines = self.lines()
        self.die(lines, "a")
        lines.forgive("a")
        lines.forgive("unknown")
        lines.put("a", "p", 0, 1.0)
        self.assertEqual(["p"], self.taken(lines, 1.0))

    def test_destinations_take_turns(self) -> None:
        lines = self.lines(total=6, a=50, b=2, c=2)
        running = self.taken(lines)
        self.assertEqual(["a0", "b0", "c0"], running)
        order = list(running)
        while running:
            lines.answered(running.pop(0)[0], 0.0)
            new = self.taken(lines)
            order += new
            running += new
        self.assertEqual(54, len(order))
        self.assertLess(max(order.index("b1"), order.index("c1")), 8)

    def test_more_urgent_message_goes_first_also_before_other_destinations(self) -> None:
        lines = self.lines(total=2, a=3, b=3)
        lines.put("b", "b-urgent", 5, 0.0)
        lines.put("c", "c-bulk", -5, 0.0)
        order = running = self.taken(lines)
        while running:
            for each in running:
                lines.answered(each[0], 0.0)
            running = self.taken(lines)
            order = order + running
        self.assertEqual(("b-urgent", "c-bulk", 8), (order[0], order[-1], len(order)))

    def test_destination_with_a_bound_of_its_own_never_has_more(self) -> None:
        lines = Destinations(Bounds(by_destination={"a": 1}))
        for number in range(5):
            lines.put("a", f"a{number}", 0, 0.0)
            lines.put("b", f"b{number}", 0, 0.0)
        for _ in range(3):
            started = [turn for turn in iter(lambda: lines.take(0.0), None) if turn[0] == "a"]
            self.assertEqual(1, len(started))
            lines.answered("a", 0.0)

    def test_no_more_than_the_total_run(self) -> None:
        lines = self.lines(total=10, **{f"d{n}": 5 for n in range(20)})
        self.assertEqual(5, len(self.taken(lines)))  # half, because nobody has answered yet
        for number in range(5):
            lines.answered(f"d{number}", 0.0)
            self.taken(lines)
        self.assertEqual(10, lines.running)

    def test_silent_destinations_leave_half_to_those_that_answer(self) -> None:
        lines = self.lines(total=10, good=30)
        self.assertEqual(["good0", "good1"], self.taken(lines))
        for number in range(100):
            lines.put(f"dead{number}", f"x{number}", 0, 0.0)
        self.assertEqual(3, len(self.taken(lines)))  # and they never end
        done = 0
        running = ["good0", "good1"]
        while running:
            lines.answered("good", 0.0)
            running.pop()
            done += 1
            running += [each for each in self.taken(lines) if each.startswith("good")]
        self.assertEqual(30, done)

    def test_destination_without_anything_to_remember_is_forgotten(self) -> None:
        lines = self.lines(a=1)
        self.taken(lines)
        lines.answered("a", 0.0)
        self.die(lines, "b")
        self.assertEqual({"b"}, set(lines._lines))
        lines.sweep(FIRST_PAUSE + FORGOTTEN_AFTER)
        self.assertEqual(set(), set(lines._lines))

    def test_random_histories_keep_all_counts(self) -> None:
        generator = random.Random(7)
        lines, running, waiting, now = Destinations(Bounds(12, 5)), list[str](), 0, 0.0
        for step in range(5000):
            now += generator.random() * 20
            name = f"d{generator.randrange(6)}"
            match generator.randrange(4):
                case 0 | 1 if lines.trouble(name, now) is None:
                    lines.put(name, f"m{step}", generator.randrange(-2, 3), now)
                    waiting += 1
                case 2 if running:
                    ended = running.pop(generator.randrange(len(running)))
                    if generator.random() < 0.5:
                        waiting -= len(lines.silent(ended, SILENT, now))
                    else:
                        lines.answered(ended, now)
                case 3:
                    lines.sweep(now)
            while (turn := lines.take(now)) is not None:
                running.append(turn[0])
                waiting -= 1
            self.assertEqual(len(running), lines.running)
            self.assertLessEqual(max((running.count(each) for each in running), default=0), 5)
            self.assertEqual(waiting, sum(len(line.waiting) for line in lines._lines.values()))
            unproven = sum(line.running for line in lines._lines.values() if not line.answered)
            self.assertEqual(unproven, lines._unproven)
        while running:
            lines.answered(running.pop(), now)
            while (turn := lines.take(now)) is not None:
                running.append(turn[0])
                waiting -= 1
        self.assertEqual(0, waiting)
