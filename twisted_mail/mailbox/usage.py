"""How many octets of mail an account keeps: counted from the names of its files, and then kept up to date by adding.

All folders of the Maildir count, those of Maildir++ too; what a session deleted does not.  The sum is right as of a
listing at most MAX_AGE ago, plus what this process has delivered since: other processes may have added something.  When
it matters, because there would be no room, the folders are listed again if their times say that anything has changed.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from twisted_mail.content import Blocking
from twisted_mail.mailbox import layout, maildir, settling

MAX_AGE = 60 * 10**9
"""Nanoseconds for which a listing is added to."""

MAX_REMEMBERED = 100_000
"""Accounts: some 40 MB."""

Times = tuple[int, ...]


@dataclass(slots=True)
class _Sum:
    octets: int
    times: Times | None
    """Of the folders before they were listed; None: they were changing just then."""
    listed: int
    """Nanoseconds since 1970."""


class Sums(ABC):
    """Octets that are kept somewhere, and those that are on their way there."""

    def __init__(self) -> None:
        self._expected: dict[str, int] = {}

    async def octets(self, path: str, limit: int) -> int:
        """At *path*, with what is expected; looked at closely if it is more than *limit*.  Raises OSError."""
        expected = self._expected.get(path, 0)
        return await self._on_disk(path, limit - expected) + expected

    def expect(self, path: str, octets: int) -> None:
        """They are on their way; then call one of `came` and `dismiss`."""
        self._expected[path] = self._expected.get(path, 0) + octets

    def dismiss(self, path: str, octets: int) -> None:
        """They did not come after all."""
        left = self._expected.pop(path, 0) - octets
        if left:
            self._expected[path] = left

    def came(self, path: str, octets: int) -> None:
        """What was expected."""
        self.dismiss(path, octets)
        self.grew(path, octets)

    @abstractmethod
    def grew(self, path: str, octets: int) -> None:
        """By something that nobody expected."""

    @abstractmethod
    async def _on_disk(self, path: str, limit: int) -> int:
        """Without what is expected."""


class Usages(Sums):
    """Of the Maildirs that were asked for last."""

    def __init__(self, blocking: Blocking, clock: Callable[[], int] = settling.now) -> None:
        """*clock*: the time in nanoseconds, as on files."""
        super().__init__()
        self._blocking = blocking
        self._clock = clock
        self._sums: OrderedDict[str, _Sum] = OrderedDict()

    def grew(self, path: str, octets: int) -> None:
        if (known := self._sums.get(path)) is not None:
            known.octets += octets

    async def _on_disk(self, path: str, limit: int) -> int:
        now = self._clock()
        known = self._sums.get(path)
        if known is not None:
            self._sums.move_to_end(path)
            if known.octets <= limit and now - known.listed < MAX_AGE:
                return known.octets
            if _unchanged(path, known):
                return known.octets
        listed = await self._blocking(lambda: self._list(path, now))
        assert isinstance(listed, _Sum)
        return self._remember(path, listed)

    async def total(self, folder: str) -> int:
        """Of all Maildirs in *folder*, those of accounts that are gone, too.

        Where nothing has changed since the last listing, only the folders' times are looked at.  Raises OSError.
        """
        now = self._clock()
        sums = await self._blocking(lambda: self._list_all(folder, dict(self._sums), now))
        assert isinstance(sums, dict)
        return sum(self._remember(path, each) for path, each in sums.items())

    def _list_all(self, folder: str, known: Mapping[str, _Sum], now: int) -> dict[str, _Sum]:
        """In a thread."""
        return {path: _unchanged(path, known.get(path)) or self._list(path, now) for path in maildirs_in(folder)}

    def _list(self, path: str, now: int) -> _Sum:
        """In a thread."""
        times = times_of(path)
        return _Sum(measure(path), times if settling.are_settled(times, now) else None, now)

    def _remember(self, path: str, listed: _Sum) -> int:
        self._sums[path] = listed
        if len(self._sums) > MAX_REMEMBERED:
            self._sums.popitem(last=False)
        return listed.octets


def _unchanged(path: str, known: _Sum | None) -> _Sum | None:
    """*known*, if the folders' times say that it is still right."""
    return known if known is not None and known.times is not None and known.times == times_of(path) else None


def maildirs_in(folder: str) -> list[str]:
    """The paths of the mailboxes in the folder of a domain.  Raises OSError."""
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.name[0] != "." and entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def measure(path: str) -> int:
    """Octets on disk of all messages of the Maildir at *path*.  Blocks: 100,000 names take 0.1 s.  Raises OSError."""
    return sum(map(_measure_folder, _folders(path)))


def measure_domain(folder: str) -> int:
    """The same of all Maildirs in *folder*.  Blocks.  Raises OSError."""
    return sum(map(measure, maildirs_in(folder)))


def times_of(path: str) -> Times:
    """The modification times of all folders, in nanoseconds since 1970; 0: missing."""
    return tuple(map(_time_of, _folders(path)))


def _folders(path: str) -> Iterator[str]:
    """The paths of all `new` and `cur`, those of Maildir++ too."""
    for maildir_path in (path, *(f"{path}/{folder}" for folder in maildir.folders_of(path))):
        yield from (f"{maildir_path}/{name}" for name in layout.FOLDERS)


def _measure_folder(folder: str) -> int:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    octets = 0
    for name in names:
        size = maildir.size_of(name)
        if size is None:
            with suppress(FileNotFoundError):
                size = os.stat(f"{folder}/{name}").st_size
        octets += size or 0
    return octets


def _time_of(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return 0
