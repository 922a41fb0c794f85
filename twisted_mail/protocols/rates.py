"""How often something may happen: token buckets, in memory, bounded in number.

A bucket is full at first and fills up again evenly.  Each process counts by itself; addresses of this machine are not
counted, because programs there speak for many people.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_mail.networks import host_key

MAX_BUCKETS = 20_000
"""A limit's buckets; the one touched longest ago goes first, and is full again then."""


@dataclass(frozen=True, slots=True)
class Rate:
    """*count* at once, and as many again in *seconds*."""

    count: int
    seconds: float


class Buckets:
    """One bucket for each key."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, and when there were so many

    def take(self, key: str, now: float) -> float:
        """0: one token is taken.  Else the seconds until there is one; nothing is taken then."""
        count = self._rate.count
        per_second = count / self._rate.seconds
        tokens, since = self._buckets.pop(key, (float(count), now))
        tokens = min(count, tokens + (now - since) * per_second)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / per_second
        self._buckets[key] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        return wait

    def __len__(self) -> int:
        return len(self._buckets)


class HostBuckets:
    """One bucket for each host, or network that counts as one."""

    def __init__(self, rate: Rate) -> None:
        self._buckets = Buckets(rate)

    def take(self, host: str, now: float) -> float:
        """As Buckets.take."""
        key = host_key(host)
        return self._buckets.take(key, now) if key else 0.0
