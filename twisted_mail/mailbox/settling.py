"""How long a time of modification must have passed before it shows every change that is still to come.

Two changes within one tick of a file system's clock have the same time, and whoever looked between them would not see
the second.
"""

from __future__ import annotations

from collections.abc import Iterable

COARSE = 2_000_000_000
"""Nanoseconds: the coarsest clock of a file system that is still in use (FAT), which some network ones share."""
FINE = 100_000_000
"""Nanoseconds: ten ticks of the slowest clock of those that know parts of a second, the kernel's own."""
_SECOND = 1_000_000_000


def are_settled(times: Iterable[int], now: int) -> bool:
    """*times*, of files, and *now* in nanoseconds since 1970: no change that is still to come can leave them."""
    return all(time < now - (FINE if time % _SECOND else COARSE) for time in times)
