"""Looks after the junk folders of all accounts, so that what people move teaches their filters (moves.py).

It walks at the start and then every INTERVAL, in a thread, through all Maildirs; one whose junk folder has not changed
since the last look costs three questions to the file system.  A disk in trouble means: the next time.
"""

from __future__ import annotations

import os
from contextlib import suppress

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail.content import Blocking
from twisted_mail.interfaces import IVerdicts
from twisted_mail.mailbox.junk.moves import Heard, look, pass_on
from twisted_mail.mailbox.maildir import junk_of
from twisted_mail.mailbox.snapshot import Stamp, stamp_of
from twisted_mail.mailbox.sweeping import mailboxes
from twisted_mail.periodic import Periodic
from twisted_mail.smtp.address import Address

INTERVAL = 60.0
"""Seconds between two walks."""


class FolderWatch:
    """One in all processes."""

    _log = Logger()

    def __init__(self, root: str, verdicts: IVerdicts, blocking: Blocking, clock: IReactorTime) -> None:
        """*root* holds DOMAIN/USER/; *verdicts* hears what was learned; *clock* gives Unix time, as a reactor does."""
        self._root = root
        self._verdicts = verdicts
        self._blocking = blocking
        self._clock = clock
        self._stamps: dict[str, Stamp] = {}
        self._timer = Periodic(self._walk, INTERVAL, clock, self._log, "what was moved is left for later")

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        """No further mailbox."""
        self._timer.stop()

    async def _walk(self) -> None:
        changed = await self._blocking(self._changed)
        assert isinstance(changed, list)
        for path in changed:
            if not self._timer.running:
                break
            try:
                heard = await self._blocking(lambda path=path: self._look(path))  # type: ignore[misc]  # mypy knows no defaults of a lambda
            except OSError:
                self._log.failure("what was moved in {path} is left for later", path=path)
            else:
                assert isinstance(heard, list)
                self._tell(path, heard)

    def _changed(self) -> list[str]:
        """In a thread.  Maildirs whose junk folder has changed since it was looked at."""
        changed = []
        for path in mailboxes(self._root):
            with suppress(OSError):  # closed to us, or a link that leads in a circle: the others are looked at
                stamp = stamp_of(junk_of(path))
                if any(stamp.times) and stamp != self._stamps.get(path):
                    changed.append(path)
        return changed

    def _look(self, path: str) -> list[Heard]:
        """In a thread."""
        now = self._clock.seconds()
        stamp = stamp_of(junk_of(path))
        heard = look(path, now)
        pass_on(self._verdicts, _account(path), heard)
        if stamp.settled(int(now * 1e9)):  # else a change that is still to come could have the same time
            self._stamps[path] = stamp
        return heard

    def _tell(self, path: str, heard: list[Heard]) -> None:
        if heard:
            junk = sum(each.is_junk for each in heard)
            self._log.info(
                "{account} moved {junk} messages into the junk folder and {good} out of it: learned",
                event="junk.learned",
                account=_account(path),
                junk=junk,
                good=len(heard) - junk,
            )


def _account(path: str) -> Address:
    domain, user = path.split(os.sep)[-2:]
    return Address(user, domain)
