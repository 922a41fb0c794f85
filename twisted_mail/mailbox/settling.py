"""How long a time of modification must have passed before it shows every change that is still to come.

Two changes within one tick of a file system's clock have the same time, and whoever looked between them would not see
the second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

COARSE = 2_000_000_000
"""Nanoseconds: the coarsest clock of a file system that is still in use (FAT), which some network ones share."""
FINE = 100_000_000
"""Nanoseconds: ten ticks of the slowest clock of those that know parts of a second, the kernel's own."""
_SECOND = 1_000_000_000
_REALTIME_COARSE = 5
"""Of Linux; the time module does not name it."""
_CLOCK = _REALTIME_COARSE if sys.platform == "linux" else time.CLOCK_REALTIME


def now() -> int:
    """Nanoseconds since 1970, by the clock from which Linux takes the times of files: it may be some behind."""
    return time.clock_gettime_ns(_CLOCK)


def are_settled(times: Iterable[int], now: int) -> bool:
    """No change that is still to come can leave *times*, of files, as they are.

    Nanoseconds since 1970, as *now*, which was taken before they were.
    """
    return all(time < now - (FINE if time % _SECOND else COARSE) for time in times)
