"""Several devices on one mailbox: each has a view of it, and a message goes when all of them have dropped it.

DELE in a view hides the message from that view.  `recent` shows the last 30 days and `keep` everything, whatever
anybody deletes: in these two DELE does nothing.  A login without a view is the maildrop itself: DELE there is for all.
`junk` is none of them: it is what was judged to be junk, a maildrop of its own (store.py).
Unique-ids are the same in every view.

A view is a file MAILDIR/twisted-mail.views/NAME with a line `SECONDS UID SESSION` for each message that it has dropped,
made at its first login; whoever writes it holds the maildrop's lock.  Promise: once `update` returns, what was dropped
stays hidden; whether files could be removed for it is the server's trouble, and tried again the next time.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass

from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.committing.committer import Committer
from twisted_mail.content import Blocking
from twisted_mail.durable import NewFile, Phase, run_now
from twisted_mail.filecontents import Octets
from twisted_mail.interfaces import DeletionFailed, IMaildrop, IMessageReader, NoSuchView
from twisted_mail.mailbox import layout, maildir
from twisted_mail.mailbox.lock import MaildropLock
from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.terms import Terms
from twisted_mail.syncing import sync_directory

FOLDER = "twisted-mail.views"

RECENT = "recent"
KEEP = "keep"
JUNK = "junk"
RECENT_SECONDS = 30 * 86_400
"""How far back `recent` looks."""
MAX_VIEWS = 20
"""Of one account: each keeps messages from being removed."""
FORGET_SECONDS = 90 * 86_400
"""After so long a message that one view dropped goes, though others have not: a lost telephone must not keep it."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True)
class Drop:
    """When a message was dropped, and by which session."""

    seconds: int
    """Since 1970."""
    session: str


@dataclass(frozen=True, slots=True)
class View:
    """One device's view, as its file has it."""

    name: str
    dropped: Mapping[str, Drop]
    """By unique-id."""

    @property
    def ignores_deletion(self) -> bool:
        return self.name in (RECENT, KEEP)

    def hides(self, uid: str, now: float) -> bool:
        if self.name == RECENT:
            came = maildir.seconds_of(uid)  # None: it counts as new
            return came is not None and came < now - RECENT_SECONDS
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

    async def open(self, maildrop: IMaildrop, path: str, name: str, session: str) -> IMaildrop:
        """The view *name* of *maildrop*, whose Maildir is at *path*.  Owns *maildrop* afterwards, if it returns.

        Raises NoSuchView, or OSError.
        """
        name = name.lower()
        if not _NAME.fullmatch(name):
            raise NoSuchView(f"no name of a view: {name[:40]!r}")
        views = await self._blocking(lambda: load_all(path))
        assert isinstance(views, dict)
        if name not in views:
            if len(views) >= MAX_VIEWS:
                raise NoSuchView(f"the account has {MAX_VIEWS} views already")
            views[name] = View(name, {})
            with suppress(FileNotFoundError):  # no Maildir yet: nothing has to be held back for it
                await self.save(path, views[name])
        return ViewMaildrop(maildrop, self, path, views, name, session)

    async def save(self, path: str, view: View) -> None:
        """Write a view's file, for good."""
        await self._committer.run(_file(path, view), Phase.BOTH)

    def removable(self, views: Sequence[View], uids: Sequence[str]) -> Set[int]:
        """Indexes of what all *views* have dropped, or one of them so long ago that the others do not count."""
        now = self._clock()
        return {
            index
            for index, uid in enumerate(uids)
            if (dropped := [view.dropped[uid] for view in views if uid in view.dropped])
            and (
                all(view.hides(uid, now) for view in views)
                or min(drop.seconds for drop in dropped) < now - self._forget
            )
        }

    def now(self) -> float:
        return self._clock()


@implementer(IMaildrop)
class ViewMaildrop:
    """A maildrop without what its view hides.  Its indexes are its own."""

    _log = Logger()

    def __init__(
        self, maildrop: IMaildrop, shelf: Views, path: str, views: dict[str, View], name: str, session: str
    ) -> None:
        """*views*: all of the account, by name; *name*: this one's."""
        self._maildrop = maildrop
        self._shelf = shelf
        self._path = path
        self._views = views
        self._name = name
        self._session = session
        now = shelf.now()
        view = views[name]
        self._visible = [index for index, uid in enumerate(maildrop.listing.uids) if not view.hides(uid, now)]
        self.listing: Listing = _part(maildrop.listing, self._visible)
        self.terms: Terms = maildrop.terms

    def at_hand(self, index: int) -> bytes | None:
        return self._maildrop.at_hand(self._visible[index])

    async def open(self, index: int) -> IMessageReader:
        return await self._maildrop.open(self._visible[index])

    async def update(self, deleted: Set[int]) -> Set[int]:
        view = self._views[self._name]
        if not deleted or view.ignores_deletion:
            return frozenset()
        drop = Drop(int(self._shelf.now()), self._session)
        uids = self._maildrop.listing.uids
        there = set(uids)
        dropped = {uid: earlier for uid, earlier in view.dropped.items() if uid in there}
        dropped.update((self.listing.uids[index], drop) for index in deleted)
        self._views[self._name] = View(self._name, dropped)
        try:
            await self._shelf.save(self._path, self._views[self._name])
        except OSError as error:
            raise DeletionFailed(f"the view {self._name} could not be written: {error}") from error
        await self._remove(self._shelf.removable(list(self._views.values()), uids))
        return deleted

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
    known = (name for name in sorted(names) if name != JUNK and _NAME.fullmatch(name))
    return {name: _load(f"{path}/{FOLDER}/{name}", name) for name in known}


def remove(path: str, name: str) -> None:
    """Forget a view: what it held back goes when the others have dropped it.

    Blocks.  Raises LookupError: there is none; MaildropLocked; OSError.
    """
    if name.lower() not in load_all(path):
        raise LookupError(f"there is no view {name}")
    lock = MaildropLock(path, f"removal of the view {name}, process {os.getpid()}", is_login=False)
    try:
        os.unlink(f"{path}/{FOLDER}/{name.lower()}")
        sync_directory(f"{path}/{FOLDER}")
    finally:
        lock.release()


def bring_back(path: str, session: str) -> int:
    """Show again what *session* dropped from a view, for good; how many messages.

    Blocks.  The caller holds the lock.  Raises OSError.
    """
    count = 0
    for view in load_all(path).values():
        kept = {uid: drop for uid, drop in view.dropped.items() if drop.session != session}
        if len(kept) < len(view.dropped):
            run_now(_file(path, View(view.name, kept)))
            count += len(view.dropped) - len(kept)
    return count


def _load(path: str, name: str) -> View:
    with open(path, encoding="ascii", errors="replace") as file:
        rows = [row for row in map(str.split, file) if len(row) == 3 and row[0].isdecimal()]
    return View(name, {uid: Drop(int(seconds), session) for seconds, uid, session in rows})


def _file(path: str, view: View) -> NewFile:
    """The job that writes *view*."""
    lines = "".join(f"{drop.seconds} {uid} {drop.session}\n" for uid, drop in view.dropped.items()).encode("ascii")
    folder = f"{path}/{FOLDER}"
    return NewFile(
        Octets(lines),
        f"{folder}/.{view.name}.{os.urandom(6).hex()}",
        [f"{folder}/{view.name}"],
        layout.make_folder_of_views,
    )


def _part(listing: Listing, indexes: Sequence[int]) -> Listing:
    if len(indexes) == len(listing):
        return listing
    downgraded = {new: listing.downgraded[old] for new, old in enumerate(indexes) if old in listing.downgraded}
    return Listing([listing.sizes[i] for i in indexes], [listing.uids[i] for i in indexes], downgraded)
