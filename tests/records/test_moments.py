"""Times as a person writes them."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.records.moments import parse_span

NOW = 1_795_240_000.0  # 2026-11-21 05:46:40 UTC
START = 1_795_237_800.0  # 05:10


class MomentTests(TestCase):
    def test_each_way_to_write_it_means_as_much_as_it_says(self) -> None:
        for text, since, seconds in (
            ("2026-11-21 05:10", START, 60),
            ("2026-11-21T05:10:00Z", START, 1),
            ("2026-11-21T05:10:00.123Z", START, 1),
            (" 2026-11-21 05 ", START - 600, 3600),
            ("2026-11-21", START - 600 - 5 * 3600, 86_400),
            ("10 minutes ago", NOW - 600, 600),
            ("2h ago", NOW - 7200, 7200),
        ):
            self.assertEqual((since, since + seconds), parse_span(text, NOW), text)

    def test_anything_else_is_no_time(self) -> None:
        for text in ("alice@example.org", "01a1fcb18de076a1a95e9fd5df09880b", "long ago", "2026-13-01", "<a@b>", ""):
            self.assertIsNone(parse_span(text, NOW), text)
