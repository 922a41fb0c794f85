"""Removes what crashes left behind: old files in the `tmp/` of Maildirs, and in the folder of incoming messages.

A file in `tmp/` that nothing has touched for 36 hours belongs to no delivery any more: every Maildir program may
remove it.  The walk runs in a thread; what it cannot read or remove stays, and is tried again the next time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_mail.content import Blocking

MAX_AGE = 36 * 3600.0
"""Seconds, as the Maildir format has it."""
INTERVAL = 6 * 3600.0
"""Seconds between two walks."""


class Sweeper:
    """Walks at the start and then every INTERVAL."""

    _log = Logger()

    def __init__(self, root: str, incoming: str, blocking: Blocking, clock: IReactorTime) -> None:
        """*root* holds DOMAIN/USER/; *clock* gives Unix time, as a reactor does."""
        self._root = root
        self._incoming = incoming
        self._blocking = blocking
        self._clock = clock
        self._timer = LoopingCall(self._sweep)
        self._timer.clock = clock

    def start(self) -> None:
        self._timer.start(INTERVAL).addErrback(lambda failure: self._log.failure("the sweep failed", failure))

    def stop(self) -> None:
        """No further walk; one that is under way ends early."""
        if self._timer.running:
            self._timer.stop()

    async def _sweep(self) -> None:
        before = self._clock.seconds() - MAX_AGE
        removed = await self._blocking(lambda: self._walk(before))
        if removed:
            self._log.info("{count} files left behind by crashes were removed", count=removed)

    def _walk(self, before: float) -> int:
        """In a thread.  How many files were removed."""
        removed = 0
        for folder in (self._incoming, *_temporary_folders(self._root)):
            if not self._timer.running:
                break
            removed += sweep(folder, before)
        return removed


def sweep(folder: str, before: float) -> int:
    """Remove the files of *folder* that were last touched *before* (Unix time); how many were.  Blocks."""
    return sum(_remove_if_old(entry.path, before) for entry in _entries(folder))


def _remove_if_old(path: str, before: float) -> bool:
    with suppress(OSError):  # somebody else removed it, or may and we may not
        found = os.lstat(path)
        # the time of its last change too: a copy may keep the time of its original
        if stat.S_ISREG(found.st_mode) and max(found.st_mtime, found.st_ctime) < before:
            os.unlink(path)
            return True
    return False


def _temporary_folders(root: str) -> Iterator[str]:
    """The `tmp/` of each Maildir at ROOT/DOMAIN/USER, also of accounts that are gone."""
    for domain in _folders(root):
        for mailbox in _folders(domain):
            yield f"{mailbox}/tmp"


def _folders(path: str) -> list[str]:
    return [entry.path for entry in _entries(path) if entry.name[0] != "." and entry.is_dir(follow_symlinks=False)]


def _entries(path: str) -> list[os.DirEntry[str]]:
    """Nothing where the folder is missing or closed to us."""
    with suppress(OSError), os.scandir(path) as entries:
        return list(entries)
    return []
