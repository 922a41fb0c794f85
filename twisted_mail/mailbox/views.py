"""Several devices on one mailbox: each has a view of it, and a message goes when all of them have dropped it.

DELE in a view hides the message from that view.  `recent` shows the last 30 days and `keep` everything, whatever
anybody deletes: in these two DELE does nothing.  A login without a view is the maildrop itself: DELE there is for all.
Unique-ids are the same in every view.

A view is a file MAILDIR/twisted-mail.views/NAME with a line `SECONDS UID` for each message that it has dropped, made at
its first login; whoever writes it holds the maildrop's lock.  Promise: once `update` returns, what was dropped stays
hidden; whether files could be removed for it is the server's trouble, and tried again the next time.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass

from twisted.cred.error import UnauthorizedLogin
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Blocking
from twisted_mail.durable import Committer, NewFile, Phase
from twisted_mail.interfaces import DeletionFailed, IMaildrop, IMessageReader
from twisted_mail.pop3.listing import Listing
from twisted_mail.syncing import sync_directory

FOLDER = "twisted-mail.views"

RECENT = "recent"
KEEP = "keep"
RECENT_SECONDS = 30 * 86_400
"""How far back `recent` looks."""
MAX_VIEWS = 20
"""Of one account: each keeps messages from being removed."""
FORGET_SECONDS = 90 * 86_400
"""After so long a message that one view dropped goes, though others have not: a lost telephone must not keep it."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_SECONDS = re.compile(r"([0-9]{9,11})\.")


@dataclass(frozen=True, slots=True)
class View:
    """One device's view, as its file has it."""

    name: str
    dropped: Mapping[str, int]
    """Unique-id -> when, in seconds since 1970."""

    @property
    def ignores_deletion(self) -> bool:
        return self.name in (RECENT, KEEP)

    def hides(self, uid: str, now: float) -> bool:
        if self.name == RECENT:
            return _seconds_of(uid) < now - RECENT_SECONDS
        return uid in self.dropped


class Views:
    """Opens views.  One object a process."""

    def __init__(
        self,
        committer: Committer,
        blocking: Blocking,
        forget: float = FORGET_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """*forget*: see FORGET_SECONDS; *clock*: seconds since 1970."""
        self._committer = committer
        self._blocking = blocking
        self._forget = forget
        self._clock = clock

    async def open(self, maildrop: IMaildrop, path: str, name: str) -> IMaildrop:
        """The view *name* of *maildrop*, whose Maildir is at *path*.  Owns *maildrop* afterwards, if it returns.

        Raises UnauthorizedLogin: there cannot be a view of that name; OSError.
        """
        name = name.lower()
        if not _NAME.fullmatch(name):
            raise UnauthorizedLogin("the name of a view has letters, digits, '.', '_' and '-', at most 32")
        views = await self._blocking(lambda: load_all(path))
        assert isinstance(views, dict)
        if name not in views:
            if len(views) >= MAX_VIEWS:
                raise UnauthorizedLogin(f"an account has at most {MAX_VIEWS} views")
            views[name] = View(name, {})
            with suppress(FileNotFoundError):  # no Maildir yet: nothing has to be held back for it
                await self.save(path, views[name])
        return ViewMaildrop(maildrop, self, path, views, name)

    async def save(self, path: str, view: View) -> None:
        """Write a view's file, for good."""
        lines = "".join(f"{seconds} {uid}\n" for uid, seconds in view.dropped.items()).encode("ascii")
        folder = f"{path}/{FOLDER}"
        file = NewFile(
            lambda descriptor: _write(descriptor, lines),
            f"{folder}/.{view.name}.{os.urandom(6).hex()}",
            [f"{folder}/{view.name}"],
            _make_folder,
        )
        await self._committer.run(file, Phase.BOTH)

    def removable(self, views: Sequence[View], uids: Sequence[str]) -> Set[int]:
        """Indexes of what all *views* have dropped, or one of them so long ago that the others do not count."""
        now = self._clock()
        return {
            index
            for index, uid in enumerate(uids)
            if (dropped := [view.dropped[uid] for view in views if uid in view.dropped])
            and (all(view.hides(uid, now) for view in views) or min(dropped) < now - self._forget)
        }

    def now(self) -> float:
        return self._clock()


@implementer(IMaildrop)
class ViewMaildrop:
    """A maildrop without what its view hides.  Its indexes are its own."""

    _log = Logger()

    def __init__(self, maildrop: IMaildrop, shelf: Views, path: str, views: dict[str, View], name: str) -> None:
        """*views*: all of the account, by name; *name*: this one's."""
        self._maildrop = maildrop
        self._shelf = shelf
        self._path = path
        self._views = views
        self._name = name
        now = shelf.now()
        view = views[name]
        self._visible = [index for index, uid in enumerate(maildrop.listing.uids) if not view.hides(uid, now)]
        self.listing: Listing = _part(maildrop.listing, self._visible)

    async def open(self, index: int) -> IMessageReader:
        return await self._maildrop.open(self._visible[index])

    async def update(self, deleted: Set[int]) -> None:
        view = self._views[self._name]
        if not deleted or view.ignores_deletion:
            return
        now = int(self._shelf.now())
        uids = self._maildrop.listing.uids
        there = set(uids)
        dropped = {uid: seconds for uid, seconds in view.dropped.items() if uid in there}
        dropped.update((self.listing.uids[index], now) for index in deleted)
        self._views[self._name] = View(self._name, dropped)
        try:
            await self._shelf.save(self._path, self._views[self._name])
        except OSError as error:
            raise DeletionFailed(f"the view {self._name} could not be written: {error}") from error
        await self._remove(self._shelf.removable(list(self._views.values()), uids))

    def release(self) -> None:
        self._maildrop.release()

    async def _remove(self, indexes: Set[int]) -> None:
        try:
            await self._maildrop.update(indexes)
        except DeletionFailed:
            self._log.failure("messages that all views of {path} have dropped are still there", path=self._path)


def load_all(path: str) -> dict[str, View]:
    """All views of the Maildir at *path*, by name.  Raises OSError."""
    try:
        names = os.listdir(f"{path}/{FOLDER}")
    except FileNotFoundError:
        return {}
    return {name: _load(f"{path}/{FOLDER}/{name}", name) for name in sorted(names) if _NAME.fullmatch(name)}


def remove(path: str, name: str) -> None:
    """Forget a view: what it held back goes when the others have dropped it.  Raises FileNotFoundError."""
    os.unlink(f"{path}/{FOLDER}/{name.lower()}")


def _load(path: str, name: str) -> View:
    with open(path, encoding="ascii", errors="replace") as file:
        pairs = (line.rstrip("\n").partition(" ") for line in file)
        return View(name, {uid: int(seconds) for seconds, _, uid in pairs if uid and seconds.isdecimal()})


def _make_folder(file: str) -> None:
    """Make the folder of views, but not the Maildir that it is to be in."""
    folder = os.path.dirname(file)
    os.mkdir(folder, 0o700)
    sync_directory(os.path.dirname(folder))


def _write(descriptor: int, octets: bytes) -> None:
    with open(descriptor, "wb", closefd=False) as file:
        file.write(octets)


def _part(listing: Listing, indexes: Sequence[int]) -> Listing:
    if len(indexes) == len(listing):
        return listing
    downgraded = {new: listing.downgraded[old] for new, old in enumerate(indexes) if old in listing.downgraded}
    return Listing([listing.sizes[i] for i in indexes], [listing.uids[i] for i in indexes], downgraded)


def _seconds_of(uid: str) -> float:
    """When a message came, by its name; one that does not say it counts as new."""
    match = _SECONDS.match(uid)
    return float(match.group(1)) if match else float("inf")
