"""A span of time as a person names it: "2026-11-21 05:10", "10 minutes ago".  UTC, as in the log.  Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from twisted_mail.units import parse_duration

_FORMATS = (
    ("%Y-%m-%d %H:%M:%S", timedelta(seconds=1)),
    ("%Y-%m-%d %H:%M", timedelta(minutes=1)),
    ("%Y-%m-%d %H", timedelta(hours=1)),
    ("%Y-%m-%d", timedelta(days=1)),
)
"""How it may be written, and how long that is."""
_FRACTION = re.compile(r"\.\d+$")


def parse_span(text: str, now: float) -> tuple[float, float] | None:
    """From and until, Unix times; None: that is no time.  "10 minutes ago" is all since then."""
    ago = re.fullmatch(r"(.+?)\s+ago", text.strip())
    if ago:
        try:
            return now - parse_duration(ago.group(1)), now
        except ValueError:
            return None
    written = _FRACTION.sub("", text.strip().removesuffix("Z").replace("T", " "))
    for form, length in _FORMATS:
        try:
            start = datetime.strptime(written, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return start.timestamp(), (start + length).timestamp()
    return None
