"""Sizes and durations."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.units import duration_text, parse_duration, parse_rate, parse_size, size_text

SIZES = {
    "50 MiB": 50 * 1024 * 1024,
    "10 MB": 10_000_000,
    "512KiB": 524_288,
    "1.5 kb": 1500,
    "2 gib": 2 * 1024**3,
    "300 B": 300,
    "4096": 4096,
    " 7 MB ": 7_000_000,
}
DURATIONS = {
    "30 seconds": 30,
    "1 second": 1,
    "5 minutes": 300,
    "5m": 300,
    "4h": 14_400,
    "5 days": 432_000,
    "2 Weeks": 1_209_600,
    "1.5 hours": 5400,
}


class UnitTests(TestCase):
    def test_sizes_a_person_writes_are_octets(self) -> None:
        self.assertEqual(SIZES, {text: parse_size(text) for text in SIZES})

    def test_octets_in_words_are_what_a_person_would_write(self) -> None:
        for text in ("1 GiB", "1536 KiB", "10 MB", "1500 B", "3 GB"):
            self.assertEqual(text, size_text(parse_size(text)))

    def test_durations_a_person_writes_are_seconds(self) -> None:
        self.assertEqual(DURATIONS, {text: parse_duration(text) for text in DURATIONS})

    def test_what_is_no_size_is_refused_with_an_example(self) -> None:
        for text in ("", "many", "5 Mbit", "-5 MB", "0", "0.1 B", "5 minutes", "5 MB MB", "9" * 400):
            with self.assertRaisesRegex(ValueError, "write it like", msg=text):
                parse_size(text)

    def test_what_is_no_duration_is_refused_with_an_example(self) -> None:
        for text in ("", "5", "soon", "-5 m", "0 days", "5 MB", "1h 30m"):
            with self.assertRaisesRegex(ValueError, "write it like", msg=text):
                parse_duration(text)

    def test_rates_a_person_writes_are_numbers_and_seconds(self) -> None:
        rates = {"100 per minute": (100, 60), "5/s": (5, 1), "1000 an hour": (1000, 3600), "2 a day": (2, 86_400)}
        self.assertEqual(rates, {text: parse_rate(text) for text in rates})
        self.assertIsNone(parse_rate("off"))

    def test_what_is_no_rate_is_refused_with_an_example(self) -> None:
        for text in (
            "",
            "fast",
            "100",
            "per minute",
            "0 per minute",
            "-1 per hour",
            "5 per fortnight",
            "1.5 per second",
        ):
            with self.assertRaisesRegex(ValueError, "write it like", msg=text):
                parse_rate(text)

    def test_durations_are_told_in_the_largest_unit_that_fits(self) -> None:
        told = {1: "1 second", 90: "90 seconds", 3600: "1 hour", 2_592_000: "30 days", 0: "0 days"}
        self.assertEqual(told, {seconds: duration_text(seconds) for seconds in told})
