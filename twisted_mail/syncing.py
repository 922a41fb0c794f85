"""Getting many files, or many directories, to disk at once.  For the committer (durable.py) only.

A few are synced one by one.  From SHARED_FROM on, one syncfs(2) for each file system stands for all of them: each
fsync is a flush of the disk's cache, and 20 small messages cost 2.3 ms with two syncfs against 6.5 ms with 40 fsync
(docs/decisions/0008).  It waits for everybody's dirty pages, so it is given up for a while when it takes long for
little.  Since Linux 5.8 syncfs reports errors of writing; then all that shared it count as failed.
"""

from __future__ import annotations

import ctypes
import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

SHARED_FROM = 4
"""Files or directories."""
SHARED_SIZE = 4 * 1024 * 1024
"""Octets up to which a batch is synced together: above, the data takes longer than the flushes."""
TOO_LONG = 0.25
"""Seconds for a shared sync: somebody else writes much to the same file system."""
PAUSE = 30.0
"""Seconds for which shared syncs are given up then."""

Key = TypeVar("Key", int, str)
Failures = dict[Key, OSError]


class Syncing:
    """Remembers whether shared syncs are worth it at present.  One object for each committer's thread."""

    def __init__(self) -> None:
        self._not_before = 0.0
        self._syncfs = _find_syncfs()

    def sync_files(self, descriptors: Sequence[int]) -> Failures[int]:
        """Have these files on disk, data and metadata; descriptor -> error where that failed."""
        return self._sync(descriptors, os.fstat, os.fsync, lambda descriptor: descriptor)

    def sync_directories(self, paths: Sequence[str]) -> Failures[str]:
        """Have the names in these directories on disk; path -> error where that failed."""
        return self._sync(paths, os.stat, sync_directory, _open_directory)

    def _sync(
        self,
        keys: Sequence[Key],
        status: Callable[[Key], os.stat_result],
        sync_one: Callable[[Key], None],
        descriptor_of: Callable[[Key], int],
    ) -> Failures[Key]:
        if len(keys) < SHARED_FROM or self._syncfs is None or time.monotonic() < self._not_before:
            return _each(keys, sync_one)
        failures: Failures[Key] = {}
        file_systems: dict[int, list[Key]] = {}
        size = 0
        for key in keys:
            try:
                found = status(key)
            except OSError as error:
                failures[key] = error
                continue
            size += found.st_size if stat.S_ISREG(found.st_mode) else 0
            file_systems.setdefault(found.st_dev, []).append(key)
        for together in file_systems.values():
            if len(together) < SHARED_FROM or size > SHARED_SIZE:
                failures |= _each(together, sync_one)
            else:
                failures |= self._shared(together, descriptor_of)
        return failures

    def _shared(self, keys: Sequence[Key], descriptor_of: Callable[[Key], int]) -> Failures[Key]:
        """One syncfs for all of *keys*, which are on one file system."""
        assert self._syncfs is not None
        started = time.monotonic()
        try:
            descriptor = descriptor_of(keys[0])
            try:
                self._syncfs(descriptor)
            finally:
                if descriptor is not keys[0]:
                    os.close(descriptor)
        except OSError as error:
            return dict.fromkeys(keys, error)
        ended = time.monotonic()
        if ended - started > TOO_LONG:
            self._not_before = ended + PAUSE
        return {}


def sync_directory(path: str) -> None:
    """Have the names in one directory on disk.  Raises OSError."""
    descriptor = _open_directory(path)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _each(keys: Iterable[Key], sync_one: Callable[[Key], None]) -> Failures[Key]:
    failures: Failures[Key] = {}
    for key in keys:
        try:
            sync_one(key)
        except OSError as error:
            failures[key] = error
    return failures


def _open_directory(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _find_syncfs() -> Callable[[int], None] | None:
    """syncfs(2) raising OSError, or None where the system has none.  The os module lacks it."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if function is None:
        return None

    def syncfs(descriptor: int) -> None:
        if function(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return syncfs
