"""When a message is tried again, when it is given up, and when its sender hears that it is late.  Pure.

The first retry comes after minutes, because most failures are short or greylisting; the later ones grow to hours, and
after days the message returns (RFC 5321 §4.5.4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

JITTER = 0.2
"""Up to this part of an interval is added at random, so that what failed together does not come back together."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds throughout."""

    intervals: tuple[int, ...] = (300, 900, 1800, 3600, 14_400)
    """Between attempts; the last repeats."""
    give_up_after: int = 5 * 86_400
    delay_report_after: int | None = 4 * 3600
    """None: a delay is reported only to those who asked for it, after four hours too."""

    def next_due(self, attempts: int, now: float, expires: float, chance: float) -> float | None:
        """When to try again after attempt number *attempts* (from 1); None: never.

        *chance* is random, from 0 up to 1.  The last attempt is made when the time is over, not before.
        """
        if now >= expires:
            return None
        interval = self.intervals[min(attempts, len(self.intervals)) - 1]
        return min(now + interval * (1 + JITTER * chance), expires)


@dataclass(frozen=True, slots=True)
class RetryPolicies:
    """The policy of each recipient's domain."""

    default: RetryPolicy = RetryPolicy()
    by_domain: Mapping[str, RetryPolicy] = field(default_factory=dict)

    def of(self, domain: str) -> RetryPolicy:
        return self.by_domain.get(domain, self.default)
