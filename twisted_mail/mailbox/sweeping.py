"""Removes what crashes left behind in the `tmp/` of Maildirs and where messages come in, and what undo no longer needs.

A file in `tmp/` that nothing has touched for 36 hours belongs to no delivery any more: every Maildir program may
remove it.  The walk runs in a thread; what it cannot read or remove stays, and is tried again the next time.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail.content import Blocking
from twisted_mail.interfaces import MaildropLocked
from twisted_mail.mailbox.journal import Bounds
from twisted_mail.mailbox.maildir import folders_of
from twisted_mail.mailbox.undo import purge
from twisted_mail.periodic import Periodic

MAX_AGE = 36 * 3600.0
"""Seconds, as the Maildir format has it."""
INTERVAL = 6 * 3600.0
"""Seconds between two walks."""

_LEFT_BEHIND = "files left behind by crashes were removed"
_PURGED = "deleted messages can no longer be restored"


class Sweeper:
    """Walks at the start and then every INTERVAL."""

    _log = Logger()

    def __init__(
        self, root: str, incoming: str, journal: Bounds | None, blocking: Blocking, clock: IReactorTime
    ) -> None:
        """*root* holds DOMAIN/USER/; *journal*: as for MaildirReader; *clock* gives Unix time, as a reactor does."""
        self._root = root
        self._incoming = incoming
        self._journal = journal or Bounds(0, 0, 0)  # undo was on once: what it left goes
        self._blocking = blocking
        self._clock = clock
        self._timer = Periodic(self._sweep, INTERVAL, clock, self._log, "the sweep failed")

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        """No further walk; one that is under way ends early."""
        self._timer.stop()

    async def _sweep(self) -> None:
        now = self._clock.seconds()
        walked = await self._blocking(lambda: self._walk(now))
        assert isinstance(walked, Counter)
        for what, count in walked.items():
            self._log.info("{count} {what}", count=count, what=what)

    def _walk(self, now: float) -> Counter[str]:
        """In a thread.  What was removed, in words, and how many files of it."""
        removed: Counter[str] = Counter()
        found = list(mailboxes(self._root))
        for folder in (self._incoming, *(f"{place}/tmp" for mailbox in found for place in _places(mailbox))):
            if self._timer.running:
                removed[_LEFT_BEHIND] += sweep(folder, now - MAX_AGE)
        for mailbox in found:
            if self._timer.running:
                removed[_PURGED] += self._purge(mailbox, now)
        return +removed  # without those of which there are none

    def _purge(self, mailbox: str, now: float) -> int:
        with suppress(OSError, MaildropLocked):  # a session that is at it purges at its end
            return purge(mailbox, self._journal, now)
        return 0


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


def _places(mailbox: str) -> list[str]:
    """Itself and its folders."""
    with suppress(OSError):
        return [mailbox, *(f"{mailbox}/{name}" for name in folders_of(mailbox))]
    return [mailbox]


def mailboxes(root: str) -> Iterator[str]:
    """Each Maildir at ROOT/DOMAIN/USER, also of accounts that are gone."""
    for domain in _folders(root):
        yield from _folders(domain)


def _folders(path: str) -> list[str]:
    return [entry.path for entry in _entries(path) if entry.name[0] != "." and entry.is_dir(follow_symlinks=False)]


def _entries(path: str) -> list[os.DirEntry[str]]:
    """Nothing where the folder is missing or closed to us."""
    with suppress(OSError), os.scandir(path) as entries:
        return list(entries)
    return []
