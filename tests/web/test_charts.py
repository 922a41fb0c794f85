"""Bars, and the numbers beside them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.affairs import Trend
from twisted_mail.web.charts import HEIGHT, chart, combined
from twisted_mail.web.layout import flat


class ChartTests(SynchronousTestCase):
    def shown(self, *values: float, is_level: bool = False, unit: str = "", bar: int = 1) -> str:
        return flat(chart(Trend("Logins & more", unit, values, is_level), len(values), bar)).decode()

    def test_counts_add_up_and_levels_do_not(self) -> None:
        self.assertEqual([3, 7], combined([1, 2, 3, 4], 2, is_level=False))
        self.assertEqual([2, 4], combined([1, 2, 3, 4], 2, is_level=True))

    def test_the_numbers_are_told_without_the_picture(self) -> None:
        self.assertIn('aria-label="Logins &amp; more: 6 in all, most 3 in a minute"', self.shown(1, 2, 3))
        self.assertIn('<p class="faint">now 3 ms, most 4.5 ms</p>', self.shown(4.5, 3, is_level=True, unit=" ms"))
        self.assertIn("most 3 in 2 minutes", self.shown(1, 2, 0, bar=2))

    def test_the_highest_fills_the_picture_and_little_can_be_seen(self) -> None:
        text = self.shown(1000, 0, 1)
        self.assertIn(f"M0.1 {HEIGHT}v-{HEIGHT}.0h.8v{HEIGHT}.0z M2.1 {HEIGHT}v-1.0h.8v1.0z", text)
        self.assertNotIn("M1.1", text)

    def test_nothing_is_no_bar(self) -> None:
        self.assertIn('d=""', self.shown(0, 0))
