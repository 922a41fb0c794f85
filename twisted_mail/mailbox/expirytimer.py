"""Looks after the mailboxes whose mail does not stay for ever (expiry.py).

It walks at the start and then every hour, in a thread, one mailbox after the other.  A mailbox that is open, or whose
disk is in trouble, is looked at again the next time: mail may stay longer than was said, never shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail.content import Blocking
from twisted_mail.interfaces import MaildropLocked
from twisted_mail.mailbox.expiry import Mailbox, Plan, expire
from twisted_mail.periodic import Periodic

INTERVAL = 3600.0
"""Seconds between two walks."""


class ExpiryTimer:
    """One in all processes."""

    _log = Logger()

    def __init__(self, mailboxes: Callable[[], Iterable[Mailbox]], blocking: Blocking, clock: IReactorTime) -> None:
        """*mailboxes* is asked at each walk; *clock* gives Unix time, as a reactor does."""
        self._mailboxes = mailboxes
        self._blocking = blocking
        self._clock = clock
        self._timer = Periodic(self._walk, INTERVAL, clock, self._log, "old mail is left for later")

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        """No further mailbox."""
        self._timer.stop()

    async def _walk(self) -> None:
        for mailbox in self._mailboxes():
            if not self._timer.running:
                break
            try:
                await self._expire(mailbox)
            except MaildropLocked:
                continue
            except Exception:  # noqa: BLE001 (a disk in trouble, or our bug: either must not keep the others waiting)
                self._log.failure("the old mail of {account} is left for later", account=mailbox.account)

    async def _expire(self, mailbox: Mailbox) -> None:
        now = self._clock.seconds()
        done = await self._blocking(lambda: expire(mailbox, now))
        assert isinstance(done, Plan)
        if done.remove or done.announce:
            self._log.info(
                "{account}: {removed} messages were old enough to go, {announced} were announced to go next",
                event="mail.expired",
                account=mailbox.account,
                removed=len(done.remove),
                announced=len(done.announce),
            )
