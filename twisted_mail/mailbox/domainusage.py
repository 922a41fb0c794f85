"""How many octets of mail a domain keeps: the sum of its mailboxes, and what has come since.

While there is room the sum may be MAX_AGE old; when it matters, at most RECOUNT.  A count is one job in a thread: two
looks at the times of each mailbox's folders, and a listing of those that have changed (1000 mailboxes: some 30 ms, and
0.1 s for each 100,000 messages to list).  Who waits for a count waits for the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import DeferredLock

from twisted_mail.mailbox import settling
from twisted_mail.mailbox.usage import Sums, Usages

MAX_AGE = 600 * 10**9
RECOUNT = 60 * 10**9
"""Nanoseconds: a domain that is full stays so for that long after room was made."""


@dataclass(slots=True)
class _Sum:
    octets: int
    counted: int
    """Nanoseconds since 1970."""


class DomainUsages(Sums):
    """By the paths of the domains' folders."""

    def __init__(self, usages: Usages, clock: Callable[[], int] = settling.now) -> None:
        """*clock*: the time in nanoseconds."""
        super().__init__()
        self._usages = usages
        self._clock = clock
        self._sums: dict[str, _Sum] = {}
        self._counting: dict[str, DeferredLock] = {}

    def grew(self, path: str, octets: int) -> None:
        if (known := self._sums.get(path)) is not None:
            known.octets += octets

    async def _on_disk(self, path: str, limit: int) -> int:
        known = self._known(path, limit)
        if known is not None:
            return known
        lock = self._counting.setdefault(path, DeferredLock())
        await lock.acquire()
        try:
            known = self._known(path, limit)  # another has counted meanwhile
            if known is None:
                known = await self._usages.total(path)
                self._sums[path] = _Sum(known, self._clock())
            return known
        finally:
            lock.release()

    def _known(self, path: str, limit: int) -> int | None:
        """None: it must be counted."""
        known = self._sums.get(path)
        if known is None or self._clock() - known.counted >= (MAX_AGE if known.octets <= limit else RECOUNT):
            return None
        return known.octets
