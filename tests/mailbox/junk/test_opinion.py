"""What is thought of a message, and what of that is said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.mailbox.junk.opinion import MINIMUM, Clue, Count, Opinion, evidence_of, is_trained, opinion_of

LEARNED = Count(100, 100)
COUNTS = st.builds(Count, st.integers(0, 10**6), st.integers(0, 10**6))


class OpinionTests(SynchronousTestCase):
    def test_words_of_one_kind_decide(self) -> None:
        words = [f"w{number}" for number in range(10)]
        for count, probability in ((Count(20, 0), 1.0), (Count(0, 20), 0.0), (Count(20, 20), 0.5)):
            opinion = opinion_of(dict.fromkeys(words, count), LEARNED)
            self.assertAlmostEqual(probability, opinion.probability, 3)

    def test_words_for_both_cancel_out(self) -> None:
        words = {f"j{n}": Count(20, 0) for n in range(10)} | {f"g{n}": Count(0, 20) for n in range(10)}
        self.assertAlmostEqual(0.5, opinion_of(words, LEARNED).probability, 3)
        self.assertIsNone(evidence_of(opinion_of(words, LEARNED), "alice"))

    def test_word_that_was_seen_seldom_says_less(self) -> None:
        opinion = opinion_of({"often": Count(50, 0), "once": Count(1, 0), "shared": Count(5, 5)}, LEARNED)
        self.assertEqual(["often", "once"], [clue.word for clue in opinion.clues])

    def test_kinds_weigh_the_same_however_much_was_learned_of_each(self) -> None:
        self.assertAlmostEqual(0.5, opinion_of({"w": Count(10, 100)}, Count(100, 1000)).probability)

    def test_nothing_known_is_no_opinion(self) -> None:
        self.assertEqual(Opinion(0.5, []), opinion_of({}, LEARNED))

    def test_points_grow_with_certainty(self) -> None:
        for probability, points in (
            *((1.0, 5.0), (0.99, 5.0), (0.96, 3.0), (0.8, 1.5), (0.79, None), (0.5, None), (0.21, None)),
            *((0.2, -1.0), (0.03, -2.0), (0.01, -3.0), (0.0, -3.0)),
        ):
            evidence = evidence_of(Opinion(probability, [Clue("x", 0.9)]), "alice@example.org")
            self.assertEqual(points, evidence and evidence.points, probability)
        evidence = evidence_of(Opinion(0.9984, []), "alice@example.org")
        assert evidence is not None
        self.assertEqual("looks like what alice@example.org calls junk (0.998)", evidence.reason)

    def test_few_lessons_say_nothing(self) -> None:
        for count, trained in (
            (Count(MINIMUM, MINIMUM), True),
            (Count(1000, MINIMUM - 1), False),
            (Count(0, 0), False),
        ):
            self.assertEqual(trained, is_trained(count))

    @given(st.dictionaries(st.text(), COUNTS, max_size=300), st.integers(1, 10**6), st.integers(1, 10**6))
    def test_any_counts_make_a_probability(self, words: dict[str, Count], junk: int, good: int) -> None:
        opinion = opinion_of(words, Count(junk, good))
        self.assertTrue(0.0 <= opinion.probability <= 1.0, opinion)
