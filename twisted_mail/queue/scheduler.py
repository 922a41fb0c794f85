"""The queue's life in a process: who schedules, what is found on disk, and what other processes ask for.

One process schedules, the one that has the lock.  Every process may run this object: another takes over when that one
ends.  Requests (requests.py) are looked for once a second; all of the folder is listed at the start and every ten
minutes, so that a message that nobody told of is found too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.queue import requests
from twisted_mail.queue.entry import QueueEntry
from twisted_mail.queue.lock import SchedulerLock
from twisted_mail.queue.requests import Verb
from twisted_mail.queue.rounds import QueueOptions, Rounds
from twisted_mail.queue.spool import Spool
from twisted_mail.smtp.reply import Reply

POLL_INTERVAL = 1.0
"""Seconds between two looks for requests."""
RESCAN_INTERVAL = 600.0
"""Seconds between two listings of all messages."""

RETURNED = Reply(554, "7.0", "The administrator of this server returned the message")


@dataclass(slots=True)
class _Tenure:
    """The time in which this process schedules."""

    rounds: Rounds
    next_scan: float = 0.0


class Scheduler:
    """One object a process.  `start` and `stop` belong to the service; the committer outlives it."""

    log = Logger()

    def __init__(
        self,
        spool: Spool,
        target: IDeliveryTarget,
        reports: IDeliveryTarget,
        options: QueueOptions,
        clock: IReactorTime,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """*target* takes messages on (the relay), *reports* what senders are told (the router).

        *clock* gives Unix time, as a reactor does.
        """
        self._spool = spool
        self._folder = spool.files.folder
        self._new_rounds: Callable[[], Rounds] = partial(Rounds, spool, (target, reports), options, clock, chance)
        self._clock = clock
        self._lock = SchedulerLock(self._folder)
        self._tenure: _Tenure | None = None
        self._poll = LoopingCall(self._look_around)
        self._poll.clock = clock

    def start(self) -> None:
        """Become the scheduler, now or once the process that is it ends."""
        self._poll.start(POLL_INTERVAL, now=True).addErrback(self._note_bug)

    async def stop(self, finish: float) -> None:
        """Begin nothing more; give what is under way *finish* seconds.  All that is known is on disk then."""
        if self._poll.running:
            self._poll.stop()
        tenure, self._tenure = self._tenure, None
        if tenure is not None:
            self._spool.on_arrival = None
            await tenure.rounds.close(finish)
            self._lock.release()

    def _look_around(self) -> None:
        try:
            tenure = self._tenure or self._begin()
            if tenure is None:
                return
            now = self._clock.seconds()
            if now >= tenure.next_scan:
                tenure.next_scan = now + RESCAN_INTERVAL
                tenure.rounds.run(self._scan(tenure.rounds))
            for identifier, verb in list(requests.asked(self._folder)):
                if not tenure.rounds.is_busy(identifier):
                    tenure.rounds.run(self._perform(tenure.rounds, identifier, verb))
        except OSError:
            self.log.failure("the queue's folder cannot be read")

    def _begin(self) -> _Tenure | None:
        """None: another process schedules.  Raises OSError."""
        if not self._lock.take():
            return None
        self._tenure = _Tenure(self._new_rounds())
        self._spool.on_arrival = self._tenure.rounds.begin
        return self._tenure

    async def _scan(self, rounds: Rounds) -> None:
        rounds.sweep()
        is_first = not rounds
        new = rounds.add(await self._spool.scan())
        if is_first:
            self.log.info("{count} messages in {folder}", count=new, folder=self._folder)

    async def _perform(self, rounds: Rounds, identifier: str, verb: Verb) -> None:
        """Do what is asked, and then take the request away."""
        rounds.reserve(identifier)
        entry = None
        try:
            for found in await self._spool.read([identifier]):
                entry = await self._obey(found, verb)
            requests.done(self._folder, identifier, verb)
        except OSError as error:
            # the request is still there, and found again
            self.log.warn("{verb} failed for now: {error}", id=identifier, verb=verb.value, error=error)
            return
        finally:
            rounds.unreserve(identifier)
        if entry is not None:
            if verb in (Verb.RETRY, Verb.RELEASE):
                rounds.forgive(entry)
            rounds.begin(entry)

    async def _obey(self, entry: QueueEntry, verb: Verb) -> QueueEntry | None:
        """The message as it is then, on disk; None: it is gone.  Raises OSError."""
        if verb is Verb.NEW:
            return entry
        self.log.info("{verb}, by request", event="queue.changed", id=entry.id, verb=verb.value)
        if verb is Verb.DROP:
            await self._spool.remove(entry.id)
            return None
        changed = _CHANGES[verb](entry, self._clock.seconds())
        await self._spool.rewrite(changed)
        return changed

    def _note_bug(self, failure: Failure) -> None:
        self.log.failure("the scheduler has stopped", failure)


_CHANGES: dict[Verb, Callable[[QueueEntry, float], QueueEntry]] = {
    Verb.RETRY: lambda entry, now: entry.due_at(now),
    Verb.HOLD: lambda entry, now: entry.hold(),
    Verb.RELEASE: lambda entry, now: entry.release(now),
    Verb.BOUNCE: lambda entry, now: entry.bounced(RETURNED, now),
}
