"""What was found out a moment ago, and need not be asked again: a dictionary that forgets, with a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Forgetful(Generic[K, V]):
    """Holds no value that is None."""

    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        """*size*: entries; the one that was put first goes first.  *clock*: seconds."""
        self._size = size
        self._clock = clock
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """None: not known, or too old."""
        found = self._entries.get(key)
        return found[1] if found is not None and found[0] > self._clock() else None

    def put(self, key: K, value: V, seconds: float) -> None:
        """To be remembered for *seconds*."""
        self._entries[key] = (self._clock() + seconds, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
