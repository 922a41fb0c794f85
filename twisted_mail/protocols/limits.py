"""How many connections there may be, in all and from one host, over all processes of the server."""

from __future__ import annotations

import math
from collections import Counter
from mmap import mmap
from typing import Protocol
from zlib import crc32

from twisted_mail.protocols.rates import HostBuckets, Rate

SLOTS = 65_536
"""Hosts are counted by slot: two that share one share their limit, which is rare and does no harm."""


class HostCounts(Protocol):
    """Open connections."""

    def add(self, host: str, change: int) -> None:
        """One more or one less of *host*."""

    def of(self, host: str) -> int: ...
    def total(self) -> int: ...


class LocalCounts:
    """The counts of a server that is one process."""

    def __init__(self) -> None:
        self._by_host: Counter[str] = Counter()
        self._total = 0

    def add(self, host: str, change: int) -> None:
        self._total += change
        self._by_host[host] += change
        if not self._by_host[host]:
            del self._by_host[host]

    def of(self, host: str) -> int:
        return self._by_host.get(host, 0)

    def total(self) -> int:
        return self._total


class SharedCounts:
    """The counts of several processes, in memory that they share.  Each writes a column of its own, without a lock."""

    WIDTH = 4 * (SLOTS + 1)
    """Octets of a column: the total, then a number for each slot."""

    def __init__(self, memory: mmap, column: int, columns: int) -> None:
        """*memory*: WIDTH octets for each of *columns*; *column* is ours."""
        numbers = memoryview(memory).cast("I")
        self._columns = [numbers[n * (SLOTS + 1) : (n + 1) * (SLOTS + 1)] for n in range(columns)]
        self._own = self._columns[column]

    def add(self, host: str, change: int) -> None:
        self._own[0] += change
        self._own[_slot(host)] += change

    def of(self, host: str) -> int:
        slot = _slot(host)
        return sum(column[slot] for column in self._columns)

    def total(self) -> int:
        return sum(column[0] for column in self._columns)


class ConnectionLimits:
    """Says whether one more connection may come."""

    def __init__(
        self,
        connections: int,
        connections_per_host: int,
        counts: HostCounts | None = None,
        rate: Rate | None = None,
        here: int | None = None,
    ) -> None:
        """*rate*: of new connections from one host; *here*: how many this process alone can have (open files)."""
        self._connections = connections
        self._per_host = connections_per_host
        self._counts = counts or LocalCounts()
        self._arrivals = HostBuckets(rate) if rate else None
        self._most_here = connections if here is None else here
        self._here = 0

    @property
    def open(self) -> int:
        return self._counts.total()

    def admit(self, host: str, now: float = 0.0) -> str | None:
        """Count one more connection from *host*; a refusal in words, not counted, where it would be too many."""
        if self._counts.total() >= self._connections or self._here >= self._most_here:
            return "Too many connections, try again later"
        if host and self._counts.of(host) >= self._per_host:
            return "Too many connections from your address, try again later"
        if self._arrivals is not None and (wait := self._arrivals.take(host, now)):
            return f"Too many connections from your address, try again in {math.ceil(wait)} seconds"
        self._counts.add(host, 1)
        self._here += 1
        return None

    def leave(self, host: str) -> None:
        """An admitted connection is closed."""
        self._counts.add(host, -1)
        self._here -= 1


def _slot(host: str) -> int:
    return 1 + crc32(host.encode()) % SLOTS
