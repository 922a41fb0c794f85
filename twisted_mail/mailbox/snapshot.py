"""What a Maildir holds at one moment, and a bounded memory of it, kept true by the folders' modification times.

A second login on an unchanged Maildir reads nothing again.  A folder's time is trusted once it has settled
(settling.py).
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from twisted_mail.content import Blocking
from twisted_mail.mailbox import layout, maildir, settling
from twisted_mail.mailbox.sizes import sizes_of
from twisted_mail.pop3.listing import Listing

SMALL_FOLDER = 16 * 1024
"""Octets of a directory, as stat says, up to which it is read at once: about 200 messages on ext4."""

MAX_REMEMBERED = 250_000
"""Messages in all snapshots together: about 100 MB at worst."""

_SNAPSHOT_WEIGHT = 16
"""What an empty snapshot weighs, in messages."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """The folders' modification times in nanoseconds since 1970 (0: missing), and the larger one's size in octets."""

    times: tuple[int, ...]
    size: int

    def settled(self, now: int) -> bool:
        """No change that is still to come can leave these times as they are."""
        return settling.are_settled(self.times, now)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The messages of one Maildir.  All sequences are in the order of message numbers."""

    paths: tuple[str, ...]
    """Relative to the Maildir: `new/NAME` or `cur/NAME`."""
    listing: Listing
    stamp: Stamp | None = None
    """The folders' times before they were read, if those are settled: while they stay, the snapshot is true."""
    counted: Mapping[str, int] = field(default_factory=dict)
    """Octets on the wire of those whose names do not say it, by name without flags."""

    @property
    def weight(self) -> int:
        return _SNAPSHOT_WEIGHT + len(self.paths)


class Snapshots:
    """Makes snapshots, and remembers those that were used last."""

    def __init__(
        self, blocking: Blocking, limit: int = MAX_REMEMBERED, clock: Callable[[], int] = settling.now
    ) -> None:
        """*limit*: messages to remember in all; *clock*: the time in nanoseconds, as on files."""
        self._blocking = blocking
        self._limit = limit
        self._clock = clock
        self._weight = 0
        self._remembered: OrderedDict[str, Snapshot] = OrderedDict()

    async def current(self, path: str) -> Snapshot:
        """What the Maildir at *path* holds now.  Raises OSError."""
        now = self._clock()
        stamp = stamp_of(path)
        known = self._remembered.get(path)
        if known is not None and known.stamp == stamp:
            self._remembered.move_to_end(path)
            return known
        snapshot = await self._take(path, stamp, stamp.settled(now), known.counted if known else {})
        self._remember(path, snapshot)
        return snapshot

    async def _take(self, path: str, stamp: Stamp, settled: bool, counted: Mapping[str, int]) -> Snapshot:
        kept = stamp if settled else None
        if stamp.size <= SMALL_FOLDER:
            names = maildir.scan(path)
            if all(_is_known(maildir.name_of(name), counted) for name in names):
                return make_snapshot(path, names, kept, counted)
        snapshot = await self._blocking(lambda: make_snapshot(path, maildir.scan(path), kept, counted))
        assert isinstance(snapshot, Snapshot)
        return snapshot

    def _remember(self, path: str, snapshot: Snapshot) -> None:
        before = self._remembered.pop(path, None)
        self._weight += snapshot.weight - (before.weight if before else 0)
        self._remembered[path] = snapshot
        while self._weight > self._limit:
            _, forgotten = self._remembered.popitem(last=False)
            self._weight -= forgotten.weight


def stamp_of(path: str) -> Stamp:
    """The present times of the folders of the Maildir at *path*.  Raises OSError."""
    times, size = [], 0
    for folder in layout.FOLDERS:
        try:
            found = os.stat(f"{path}/{folder}")
            times.append(found.st_mtime_ns)
            size = max(size, found.st_size)
        except (FileNotFoundError, NotADirectoryError):
            times.append(0)
    return Stamp(tuple(times), size)


def make_snapshot(path: str, paths: list[str], stamp: Stamp | None, counted: Mapping[str, int]) -> Snapshot:
    """Blocks: reads each file whose size nobody knows.  One that has gone meanwhile is left out."""
    sizes = [maildir.wire_size_of(maildir.name_of(relative)) for relative in paths]
    if None in sizes:
        foreign = [relative for relative, size in zip(paths, sizes, strict=True) if size is None]
        found, counted = sizes_of(path, foreign, counted)
        sizes = [found.get(relative) if size is None else size for relative, size in zip(paths, sizes, strict=True)]
        paths = [relative for relative, size in zip(paths, sizes, strict=True) if size is not None]
    else:
        counted = {}
    marked = [(index, maildir.downgraded_size_of(p)) for index, p in enumerate(paths) if ",D=" in p]
    downgraded = {index: size for index, size in marked if size is not None}
    listing = Listing([size for size in sizes if size is not None], maildir.unique_ids(paths), downgraded)
    return Snapshot(tuple(paths), listing, stamp, counted)


def _is_known(name: str, counted: Mapping[str, int]) -> bool:
    return maildir.wire_size_of(name) is not None or maildir.without_flags(name) in counted
