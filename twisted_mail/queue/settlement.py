"""What is known of a message at work goes to disk here, and here its round ends: reported, then removed or waiting.

A disk that fails is tried until it takes it: what is known must not be lost, and must not be delivered twice.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from twisted_mail.message.identifier import message_id, milliseconds_of
from twisted_mail.queue.entry import PendingReport, QueueEntry
from twisted_mail.queue.reports import Reporter, ReportRules
from twisted_mail.queue.spool import Spool

DISK_RETRY = 10.0
"""Seconds after which a disk that failed is tried again."""
REPORT_RETRY = 300.0
"""Seconds after which a report that could not be delivered is tried again."""
REPORT_GIVE_UP = 5 * 86_400.0
"""Seconds after which it is no longer tried."""


@dataclass(slots=True)
class Round:
    """One message at work."""

    id: str
    outstanding: set[str]
    """Destinations whose attempt has not ended."""
    entry: QueueEntry | None
    """As it is by now; None: to be read again when it is needed."""


class Settlement:
    """For all rounds of one queue."""

    log = Logger()

    def __init__(self, spool: Spool, reporter: Reporter, rules: ReportRules, clock: IReactorTime) -> None:
        self._spool = spool
        self._reporter = reporter
        self._rules = rules
        self._clock = clock
        self.is_closed = False
        """What the disk does not take is not tried again: CancelledError."""

    async def settle(self, current: Round, entry: QueueEntry) -> QueueEntry | None:
        """Tell the sender of *entry* what is to be told.  The entry that waits now; None: it has left the queue."""
        entry = await self._reported(current, entry)
        current.entry = entry
        if entry.waiting or entry.report is not None:
            await self.save(current)
            return entry
        await self._persistently(lambda: self._spool.remove(entry.id))
        self.log.info("done", event="queue.done", id=entry.id)
        return None

    async def save(self, current: Round) -> None:
        """What its entry is by then."""

        async def save() -> None:
            assert current.entry is not None
            await self._spool.rewrite(current.entry)

        await self._persistently(save)

    async def _reported(self, current: Round, entry: QueueEntry) -> QueueEntry:
        """With all told that is owed, as far as the target of reports takes it."""
        now = self._clock.seconds()
        news = self._rules.news(entry, now)
        if not news:
            return replace(entry, report=None)
        report = entry.report
        if report is None:
            report = PendingReport(message_id(int(now * 1000), os.urandom(10)), now)
            current.entry = entry = replace(entry, report=report)
            await self.save(current)  # so that a crash makes the same report again, not a second one
        error = await self._reporter.send(report.id, entry, news, now)
        about = {"id": entry.id, "sender": entry.sender}
        if error is None:
            self.log.info("reported to <{sender}>", event="report.sent", report=report.id, **about)
            return entry.told(news)
        self.log.warn("no report to <{sender}>: {reply}", event="report.failed", reply=str(error.reply), **about)
        if error.reply.is_temporary and now < milliseconds_of(report.id) / 1000 + REPORT_GIVE_UP:
            return replace(entry, report=PendingReport(report.id, now + REPORT_RETRY))
        return entry.told(news)

    async def _persistently(self, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await act()
            except OSError:
                self.log.failure("the queue cannot be written; trying again")
            if self.is_closed:
                raise CancelledError
            await deferLater(self._clock, DISK_RETRY)
