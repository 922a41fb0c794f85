from __future__ import annotations

import random

from twisted.trial.unittest import TestCase

from twisted_mail.queue.timetable import Timetable


class TimetableTests(TestCase):
    def test_messages_come_out_when_they_are_due_the_longest_overdue_first(self) -> None:
        table = Timetable()
        for name, due in (("c", 30.0), ("a", 10.0), ("b", 20.0)):
            table.put(name, due)
        self.assertEqual(10.0, table.next_due())
        self.assertEqual([], table.pop_due(9, 5))
        self.assertEqual(["a"], table.pop_due(25, 1))
        self.assertEqual(["b"], table.pop_due(25, 5))
        self.assertEqual(30.0, table.next_due())
        self.assertNotIn("a", table)

    def test_message_that_is_put_again_is_due_at_the_later_word_only(self) -> None:
        table = Timetable()
        for due in (10.0, 50.0, 30.0):
            table.put("a", due)
        self.assertEqual(1, len(table))
        self.assertEqual([], table.pop_due(29, 5))
        self.assertEqual(["a"], table.pop_due(60, 5))
        self.assertIsNone(table.next_due())

    def test_removed_message_is_never_due(self) -> None:
        table = Timetable()
        table.put_all([("a", 1.0), ("b", 2.0)])
        table.remove("a")
        table.remove("never there")
        self.assertEqual(["b"], table.pop_due(5, 5))

    def test_random_changes_agree_with_a_dictionary(self) -> None:
        generator, table, expected = random.Random(5), Timetable(), dict[str, float]()
        for _ in range(2000):
            name, due = f"m{generator.randrange(50)}", generator.uniform(0, 100)
            match generator.randrange(4):
                case 0:
                    table.remove(name)
                    expected.pop(name, None)
                case 1:
                    popped = table.pop_due(due / 10, 3)
                    overdue = sorted(
                        (each for each in expected if expected[each] <= due / 10), key=expected.__getitem__
                    )
                    self.assertEqual(overdue[:3], popped)
                    for each in popped:
                        del expected[each]
                case _:
                    table.put(name, due)
                    expected[name] = due
            self.assertEqual(min(expected.values(), default=None), table.next_due())
