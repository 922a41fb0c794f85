"""Small charts: bars, as SVG inside the page.  What they show stands beside them as numbers, too.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.template import Tag, tags

from twisted_mail.affairs import Trend

HEIGHT = 40
"""Units of the picture; a bar is one wide."""


def chart(trend: Trend, minutes: int, bar: int) -> Tag:
    """The last *minutes*, a bar for each *bar* of them."""
    values = combined(trend.values[-minutes:], bar, is_level=trend.is_level)
    most = max(values, default=0.0)
    text = f"{_now(trend, values)}, most {_number(most)}{trend.unit}{'' if trend.is_level else f' in {_span(bar)}'}"
    picture = Tag("svg")(
        Tag("path")(d=_bars(values, most), class_="bars"),
        viewBox=f"0 0 {len(values)} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        class_="chart",
        **{"aria-label": f"{trend.title}: {text}"},
    )
    return tags.div(tags.h3(trend.title), picture, tags.p(text, class_="faint"), class_="card")


def combined(values: Sequence[float], size: int, *, is_level: bool) -> list[float]:
    """*size* of them as one: their sum, or of a level the highest."""
    parts = [values[start : start + size] for start in range(0, len(values), size)]
    return [float(max(part) if is_level else sum(part)) for part in parts]


def _now(trend: Trend, values: Sequence[float]) -> str:
    return f"now {_number(values[-1])}{trend.unit}" if trend.is_level else f"{_number(sum(values))} in all"


def _bars(values: Sequence[float], most: float) -> str:
    """Of a path; one that is not nothing can be seen."""
    heights = [max(HEIGHT * value / most, 1.0) if value > 0 else 0.0 for value in values]
    return " ".join(
        f"M{index + 0.1:.1f} {HEIGHT}v-{height:.1f}h.8v{height:.1f}z" for index, height in enumerate(heights) if height
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _span(minutes: int) -> str:
    return "a minute" if minutes == 1 else f"{minutes} minutes"
