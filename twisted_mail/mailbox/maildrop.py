"""A Maildir as a maildrop: locked, listed, read and, at QUIT, emptied of what the session marked.

Other programs may work on the same Maildir at the same time: a message that they moved to `cur/` or whose flags they
changed is found again by the rest of its name, one that they removed is MessageGone.  Promise: when `update` returns,
each file is in the journal, or unlinked, and its folder synced; when it raises, some may be.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.committing.committer import Committer
from twisted_mail.content import Blocking
from twisted_mail.durable import Phase, Removal, make_directory
from twisted_mail.interfaces import DeletionFailed, IMaildrop, IMessageReader, MessageGone
from twisted_mail.mailbox import maildir
from twisted_mail.mailbox.burial import Burial
from twisted_mail.mailbox.journal import Bounds, DeletedSession, may_exceed, purge
from twisted_mail.mailbox.lock import MaildropLock
from twisted_mail.mailbox.messagefile import PIECE, MessageFolder, open_message
from twisted_mail.mailbox.snapshot import MAX_REMEMBERED, Snapshot, Snapshots
from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.terms import Terms
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

REMOVALS = 1000
"""Files of one job: a session that deletes 100,000 lets deliveries in between."""


class MaildirReader:
    """Opens maildrops.  One object a process: it remembers what was listed before."""

    def __init__(
        self,
        committer: Committer,
        blocking: Blocking,
        remembered: int = MAX_REMEMBERED,
        journal: Bounds | None = None,
    ) -> None:
        """*remembered*: how many messages' listings are kept for the next login; *journal*: what of the deleted is
        kept, or None: it is unlinked at once."""
        self._removing = Removing(committer, blocking, journal)
        self._blocking = blocking
        self._snapshots = Snapshots(blocking, remembered)

    async def open_maildrop(
        self, path: str, account: Address, origin: Origin, terms: Terms | None = None, folder: str = ""
    ) -> IMaildrop:
        """Lock the Maildir at *path* and list it, or *folder* in it; a missing one is empty.

        Raises MaildropLocked, LoginTooSoon, or OSError.
        """
        terms = terms or Terms()
        if terms.login_delay:
            make_directory(path)  # the last login is noted there, also before the first message
        lock = MaildropLock(path, _holder(account, origin), login_delay=terms.login_delay)
        try:
            listed = f"{path}/{folder}" if folder else path
            snapshot = await self._snapshots.current(listed)
        except BaseException:  # also when the client has gone and the login is cancelled
            lock.release()
            raise
        return MaildirMaildrop(listed, snapshot, lock, origin.session, terms, self._removing)


def _holder(account: Address, origin: Origin) -> str:
    since = _utc(int(time.time()))
    peer = origin.peer or "this machine"
    return f"{account} from {peer} since {since}, session {origin.session}, process {os.getpid()}"


@lru_cache(8)
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(second))


@dataclass(frozen=True, slots=True)
class Removing:
    """How messages are deleted."""

    committer: Committer
    blocking: Blocking
    journal: Bounds | None

    def job(self, path: str, folder: str, paths: Sequence[str]) -> Removal | Burial:
        """The job that deletes *paths*; *folder* is the session's in the journal."""
        return Removal(paths) if self.journal is None else Burial(path, folder, paths)


@implementer(IMaildrop)
class MaildirMaildrop:
    """One session's maildrop."""

    _log = Logger()

    def __init__(
        self, path: str, snapshot: Snapshot, lock: MaildropLock, session: str, terms: Terms, removing: Removing
    ) -> None:
        """Owns *lock*; *session* names what it deletes."""
        self.listing: Listing = snapshot.listing
        self.terms = terms
        self._path = path
        self._snapshot = snapshot
        self._lock = lock
        self._session = session
        self._removing = removing
        self._blocking = removing.blocking
        self._moved: dict[str, str] = {}
        self._folder: MessageFolder | None = None
        """Open from the first message that is read until the end."""

    def at_hand(self, index: int) -> bytes | None:
        if self.listing.sizes[index] > PIECE:  # a text is never longer on disk than on the wire
            return None
        if self._folder is None:
            try:
                self._folder = MessageFolder(self._path)
            except OSError:  # `open` will say why
                return None
        return self._folder.read_at_once(self._within(index))

    async def open(self, index: int) -> IMessageReader:
        """Raises MessageGone or MessageUnreadable, or OSError where the server is short of something."""
        try:
            return await open_message(self._where(index), self._blocking)
        except FileNotFoundError:
            pass
        await self._look_again()
        try:
            return await open_message(self._where(index), self._blocking)
        except FileNotFoundError as error:
            raise MessageGone(f"{self._path}/{self._snapshot.paths[index]}") from error

    async def update(self, deleted: Set[int]) -> Set[int]:
        if not deleted:
            return deleted
        octets = sum(self.listing.sizes[index] for index in deleted)
        batch = DeletedSession(self._session, int(time.time()), len(deleted), octets)
        indexes = sorted(deleted)
        failed: list[tuple[str, OSError]] = []
        for start in range(0, len(indexes), REMOVALS):
            failed += await self._remove(indexes[start : start + REMOVALS], batch.folder)
        await self._purge(batch)
        if failed:
            path, error = failed[0]
            raise DeletionFailed(f"{len(failed)} of {len(deleted)}, the first {path}: {error}")
        return deleted

    def release(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.close()
        self._lock.release()

    async def _remove(self, indexes: list[int], folder: str) -> list[tuple[str, OSError]]:
        """Returns what is still there."""
        where = {self._where(index): index for index in indexes}
        job = await self._run(self._removing.job(self._path, folder, list(where)))
        failed, gone = job.outcome.failed, job.outcome.gone
        if not gone:
            return failed
        await self._look_again()
        found = [path for path in (self._where(where[path]) for path in gone) if path not in where]
        if found:
            failed += (await self._run(self._removing.job(self._path, folder, found))).outcome.failed
        return failed

    async def _run(self, job: Removal | Burial) -> Removal | Burial:
        try:
            await self._removing.committer.run(job, Phase.PUBLISH)
        except OSError as error:
            raise DeletionFailed(f"what was deleted may still be there: {error}") from error
        return job

    async def _purge(self, batch: DeletedSession) -> None:
        """Keep the journal near its bounds.  Trouble with it is not the client's."""
        bounds = self._removing.journal
        if bounds is None or not may_exceed(batch, bounds):
            return
        try:
            await self._blocking(lambda: purge(self._path, bounds, time.time()))
        except OSError:
            self._log.failure("the journal of {path} could not be purged", path=self._path)

    def _where(self, index: int) -> str:
        """The present path of a message, as far as known."""
        return f"{self._path}/{self._within(index)}"

    def _within(self, index: int) -> str:
        """The same, beginning in the Maildir."""
        path = self._snapshot.paths[index]
        return self._moved.get(_key(path), path) if self._moved else path

    async def _look_again(self) -> None:
        """Find where other programs have moved messages to: a path that was not there at login, under the same name."""
        paths = await self._blocking(lambda: maildir.scan(self._path))
        assert isinstance(paths, list)
        before = set(self._snapshot.paths)
        self._moved = {_key(path): path for path in paths if path not in before}


def _key(path: str) -> str:
    return maildir.without_flags(maildir.name_of(path))
