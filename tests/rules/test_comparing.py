"""Texts and what they are compared with."""

from __future__ import annotations

import fnmatch
import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.rules.comparing import Comparison, Match, matches

CASES = [
    # text, pattern, whether it matches
    ("", "", True),
    ("a", "", False),
    ("", "*", True),
    ("abc", "abc", True),
    ("abc", "a*", True),
    ("abc", "*c", True),
    ("abc", "*b*", True),
    ("abc", "a?c", True),
    ("abc", "a?", False),
    ("abc", "??", False),
    ("abc", "*?c", True),
    ("aa", "a*a", True),
    ("a", "a*a", False),
    ("abab", "ab*ab", True),
    ("abxab", "*ab", True),
    ("a*c", r"a\*c", True),
    ("abc", r"a\*c", False),
    ("a?", r"a\?", True),
    ("a\\", "a\\\\", True),
    ("a\\", "a\\", True),
    ("two\nlines", "two*lines", True),
    ("[x] (y).+", "[x] (y).+", True),
]


class ComparingTests(SynchronousTestCase):
    def test_matches(self) -> None:
        for text, pattern, expected in CASES:
            self.assertEqual(expected, matches(text, pattern), (text, pattern))

    @given(st.text("ab", max_size=12), st.text("ab*?", max_size=8))
    def test_matches_is_what_a_regular_expression_says(self, text: str, pattern: str) -> None:
        self.assertEqual(re.match(fnmatch.translate(pattern), text) is not None, matches(text, pattern))

    def test_hostile_pattern_takes_no_time(self) -> None:
        self.assertFalse(matches("a" * 20_000, "*a" * 30 + "b"))

    def test_case_counts_only_where_that_is_wanted(self) -> None:
        for match, key in ((Match.IS, "HELLO"), (Match.CONTAINS, "ELL"), (Match.MATCHES, "H*O")):
            self.assertTrue(Comparison(match, ("no", key)).fits("hello"))
            self.assertFalse(Comparison(match, ("no", key), exact=True).fits("hello"))
        self.assertFalse(Comparison(Match.IS, ("Ä",)).fits("ä"))  # i;ascii-casemap knows ASCII only

    def test_what_fits_everything_is_known(self) -> None:
        self.assertTrue(Comparison(Match.CONTAINS, ("x", "")).fits_all)
        self.assertTrue(Comparison(Match.MATCHES, ("**",)).fits_all)
        for comparison in (
            Comparison(Match.IS, ("",)),
            Comparison(Match.MATCHES, ("",)),
            Comparison(Match.MATCHES, ("*x",)),
            Comparison(Match.CONTAINS, ("x",)),
        ):
            self.assertFalse(comparison.fits_all, comparison)
