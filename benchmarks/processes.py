"""What the processes of a server use, from /proc: the one that was started and all that came of it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a whole server."""

    cpu: float
    """Seconds of all processes so far, also of those that have ended and were waited for."""
    memory: int
    """Octets: proportional set size (PSS), in which shared pages count once."""
    descriptors: int
    processes: int


def usage(pid: int) -> Usage:
    """Of *pid* and its descendants."""
    family = descendants(pid)
    return Usage(sum(map(_cpu, family)), sum(map(_memory, family)), sum(map(_descriptors, family)), len(family))


def cpu(pid: int) -> float:
    """Seconds, as in `Usage`."""
    return sum(map(_cpu, descendants(pid)))


def descendants(pid: int) -> list[int]:
    """*pid* first."""
    family = [pid]
    for member in family:
        for thread in _listing(f"/proc/{member}/task"):
            family += map(int, _text(f"/proc/{member}/task/{thread}/children").split())
    return family


def _cpu(pid: int) -> float:
    # after the command's name, which may hold anything: utime, stime, cutime and cstime are fields 14 to 17
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def _memory(pid: int) -> int:
    for line in _text(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _descriptors(pid: int) -> int:
    return len(_listing(f"/proc/{pid}/fd"))


def _text(path: str) -> str:
    """Empty where the process is gone by now."""
    with suppress(OSError):
        return Path(path).read_text()
    return ""


def _listing(path: str) -> list[str]:
    with suppress(OSError):
        return os.listdir(path)
    return []
