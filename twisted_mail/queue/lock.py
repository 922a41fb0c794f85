"""Which process schedules: the one that holds flock(2) on a file of the queue.  It dies with the process."""

from __future__ import annotations

import fcntl
import os


class SchedulerLock:
    """Held from a `take` that answered True until `release`."""

    def __init__(self, folder: str) -> None:
        self._path = f"{folder}/scheduler.lock"
        self._descriptor = -1

    def take(self) -> bool:
        """False: another process schedules.  Raises OSError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Safe more than once."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def is_scheduled(folder: str) -> bool:
    """Whether some process schedules at this moment.  Raises OSError."""
    lock = SchedulerLock(folder)
    if not lock.take():
        return True
    lock.release()
    return False
