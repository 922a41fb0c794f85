"""Which waiting message is due when: one heap and one dictionary, some 350 octets a message.  Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable


class Timetable:
    """Messages by their due times (Unix times in seconds)."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        """Holds what `_due` says, and pairs that are no longer true, which are dropped when they come up."""

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._due

    def __len__(self) -> int:
        return len(self._due)

    def put(self, identifier: str, due: float) -> None:
        """Add a message, or change when it is due."""
        self._due[identifier] = due
        heapq.heappush(self._heap, (due, identifier))

    def put_all(self, due: Iterable[tuple[str, float]]) -> None:
        """Many at once."""
        self._due.update(due)
        self._heap = [(when, identifier) for identifier, when in self._due.items()]
        heapq.heapify(self._heap)

    def remove(self, identifier: str) -> None:
        """Safe where it is not there."""
        self._due.pop(identifier, None)

    def next_due(self) -> float | None:
        """When the first is due; None where there is none."""
        while self._heap:
            due, identifier = self._heap[0]
            if self._due.get(identifier) == due:
                return due
            heapq.heappop(self._heap)
        return None

    def pop_due(self, now: float, limit: int) -> list[str]:
        """At most *limit* of those that are due, the longest overdue first; they are in the table no more."""
        found: list[str] = []
        while len(found) < limit and (due := self.next_due()) is not None and due <= now:
            _, identifier = heapq.heappop(self._heap)
            del self._due[identifier]
            found.append(identifier)
        return found
