"""What happens to a message that is due: its round.

Its recipients are put into the lines of their destinations (destination.py); each line's turn is one attempt
(delivering.py); when all attempts of the round have ended the message is settled (settlement.py): reported where
something is owed, then removed, or rewritten and back in the timetable.  What became of a recipient is on disk before
the round ends.

Promise: a message that was queued is delivered, reported, or still in the queue, whatever happens.  Delivered at least
once (delivering.py); reported once where the reports' target knows a message id that it has had already.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from twisted_mail.interfaces import IDeliveryTarget, RemoteRefusal
from twisted_mail.queue.delivering import OUR_FAULT, Contact, Outcome, deliver, is_too_late
from twisted_mail.queue.destination import Bounds, Destinations
from twisted_mail.queue.entry import QueuedRecipient, QueueEntry, Situation, State
from twisted_mail.queue.reports import Reporter, ReportRules
from twisted_mail.queue.retry import RetryPolicies
from twisted_mail.queue.settlement import DISK_RETRY, Round, Settlement
from twisted_mail.queue.spool import Spool
from twisted_mail.queue.timetable import Timetable
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Recipient
from twisted_mail.smtp.reply import Reply, SMTPError

ATTEMPT_LIMIT = 3600.0
"""Seconds for one attempt, whatever the target's own limits are."""
LOAD_BATCH = 200
"""Envelopes that are read in one go."""
KEPT = 2000
"""Entries that are kept in memory while they wait in a line; others are read again when their turn comes."""
SLACK = 1.0
"""Seconds: what is due so soon is due now."""

TIMED_OUT = RemoteRefusal(Reply(451, "4.2", "The delivery took too long and was broken off"), by_remote=False)


def domain_of(sender: Address | None, recipient: Address) -> str:
    return recipient.domain


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """How the queue goes about its work."""

    hostname: str
    """Ends the Message-IDs of reports, and names who reports."""
    bounds: Bounds = field(default_factory=Bounds)
    policies: RetryPolicies = field(default_factory=RetryPolicies)
    destination_of: Callable[[Address | None, Address], str] = domain_of
    """Sender and recipient -> what shares one line and one transaction: the recipient's domain, or the name of a
    smarthost for all that goes there."""


class Rounds:
    """All messages of the queue in this process: those that wait for their time, and those at work."""

    log = Logger()

    def __init__(
        self,
        spool: Spool,
        targets: tuple[IDeliveryTarget, IDeliveryTarget],
        options: QueueOptions,
        clock: IReactorTime,
        chance: Callable[[], float],
    ) -> None:
        """*targets*: what takes messages on, and what takes reports."""
        self._spool = spool
        self._target, reports = targets
        self._options = options
        self._clock = clock
        self._chance = chance
        rules = ReportRules(options.policies)
        self._settlement = Settlement(spool, Reporter(reports, spool, options.hostname, rules), rules, clock)
        self._timetable = Timetable()
        self._rounds: dict[str, Round] = {}
        self._reserved: set[str] = set()
        """Messages that are being read: neither in the timetable nor in a round."""
        self._lines = Destinations(options.bounds)
        self._stranded: dict[str, set[str]] = {}
        """Destination -> messages that wait because its server was silent."""
        self._woken: dict[str, set[str]] = {}
        """Message -> destinations that answer again, so that it need not wait any longer."""
        self._running: set[Deferred[None]] = set()
        self._attempts: set[Deferred[Outcome]] = set()
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._timetable) + len(self._rounds)

    # ---- for the scheduler

    def is_busy(self, identifier: str) -> bool:
        """It is at work, or about to be: nobody else may change it now."""
        return identifier in self._rounds or identifier in self._reserved

    def reserve(self, identifier: str) -> None:
        """It is about to be changed from outside: nothing begins with it until `unreserve`."""
        self._timetable.remove(identifier)
        self._reserved.add(identifier)

    def unreserve(self, identifier: str) -> None:
        self._reserved.discard(identifier)
        self._wake()

    def add(self, found: Mapping[str, float]) -> int:
        """Messages in the folder with their due times; how many of them were not known."""
        new = [(each, due) for each, due in found.items() if each not in self._timetable and not self.is_busy(each)]
        if new:
            self._timetable.put_all(new)
            self._wake()
        return len(new)

    def forgive(self, entry: QueueEntry) -> None:
        """A person wants *entry* to be tried, even where its destination is dead."""
        for each in entry.waiting:
            self._lines.forgive(self._destination(entry, each))

    def sweep(self) -> None:
        """Forget what is of no use any more; now and then."""
        self._lines.sweep(self._clock.seconds())
        stranded = {name: {each for each in ids if each in self._timetable} for name, ids in self._stranded.items()}
        self._stranded = {name: ids for name, ids in stranded.items() if ids}

    def begin(self, entry: QueueEntry) -> None:
        """*entry* is on disk as it is here, and not busy: what is due of it is done."""
        now = self._clock.seconds()
        woken = self._woken.pop(entry.id, set())
        waiting = {self._destination(entry, each) for each in entry.waiting}
        due = {self._destination(entry, each) for each in entry.waiting if each.due <= now + SLACK}
        destinations = (due | woken) & waiting
        if entry.held or (entry.due > now + SLACK and not destinations):
            self._timetable.put(entry.id, entry.due)
            self._wake()
            return
        current = Round(entry.id, set(destinations), entry if len(self._rounds) < KEPT else None)
        self._rounds[entry.id] = current
        for destination in sorted(destinations):
            if (error := self._lines.trouble(destination, now)) is not None:
                self.run(self._not_tried(current, destination, error))
            else:
                self._lines.put(destination, entry.id, entry.options.priority, now)
        if not destinations:
            self.run(self._settle(current, entry))
        self._wake()

    def run(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        """Beside everything else; `close` waits for it."""
        running = Deferred.fromCoroutine(work)
        self._running.add(running)
        running.addErrback(self._note_bug)
        running.addBoth(lambda _: self._running.discard(running))

    async def close(self, finish: float) -> None:
        """Begin nothing more; give attempts *finish* seconds, then break them off.  All that is known is on disk."""
        self._settlement.is_closed = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        limit = self._clock.callLater(finish, self._break_off)
        while self._running:
            await DeferredList(list(self._running))
        if limit.active():
            limit.cancel()

    # ---- what is due

    def _wake(self, at: float = 0.0) -> None:
        """Go through all that is due, soon or at that time."""
        now = self._clock.seconds()
        at = max(now, at)
        if self._settlement.is_closed:
            return
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.callLater(at - now, self._go_through)
        elif self._timer.getTime() > at:
            self._timer.reset(at - now)

    def _go_through(self) -> None:
        now = self._clock.seconds()
        if not self._reserved and (identifiers := self._timetable.pop_due(now, LOAD_BATCH)):
            self._reserved.update(identifiers)
            self.run(self._load(identifiers))
        while not self._settlement.is_closed and (turn := self._lines.take(now)) is not None:
            destination, identifier = turn
            if (current := self._rounds.get(identifier)) is not None:
                self.run(self._attempt(current, destination))
            else:
                self._lines.dropped(destination, now)  # damaged: its other destination's attempt has found out
        if not self._reserved and (due := self._timetable.next_due()) is not None:
            self._wake(due)

    async def _load(self, identifiers: Sequence[str]) -> None:
        entries: Iterable[QueueEntry] = ()
        try:
            entries = await self._spool.read(identifiers)
        except OSError:
            self.log.failure("envelopes cannot be read; trying again")
            again = self._clock.seconds() + DISK_RETRY
            self._timetable.put_all([(identifier, again) for identifier in identifiers])
        finally:
            self._reserved.difference_update(identifiers)
        for entry in entries:
            self.begin(entry)
        self._wake()

    # ---- one attempt

    async def _attempt(self, current: Round, destination: str) -> None:
        outcome: Outcome | None = None
        try:
            outcome = await self._outcome(current, destination)
            if outcome.is_news:
                # before the turn ends: after a crash no more messages go twice than were at work at a time
                await self._note(current, destination, outcome)
        except FileNotFoundError as error:
            await self._vanished(current, error)
        finally:
            self._end_turn(destination, outcome)
        if outcome is not None and not outcome.is_news:
            await self._note(current, destination, outcome)

    async def _outcome(self, current: Round, destination: str) -> Outcome:
        """Raises FileNotFoundError: there is no such message any more.  Raises CancelledError: to be tried again."""
        entry = await self._entry(current)
        recipients = self._recipients(entry, destination)
        try:
            message = await self._spool.open(entry)
        except FileNotFoundError:
            raise
        except OSError:
            self.log.failure("the message cannot be read", id=entry.id)
            return Outcome.same_for_all(recipients, OUR_FAULT)
        attempt = Deferred.fromCoroutine(deliver(self._target, entry, recipients, message, self._clock.seconds()))
        attempt.addTimeout(ATTEMPT_LIMIT, self._clock)
        self._attempts.add(attempt)
        try:
            return await attempt
        except TookTooLong:
            return Outcome.same_for_all(recipients, TIMED_OUT)
        finally:
            self._attempts.discard(attempt)

    def _end_turn(self, destination: str, outcome: Outcome | None) -> None:
        """Tell the line, and all who wait for that destination where they must hear of it."""
        now = self._clock.seconds()
        match outcome.contact if outcome is not None else Contact.NONE:
            case Contact.ANSWERED:
                if self._lines.answered(destination, now):
                    self.log.info("{destination} answers again", destination=destination)
                    self._revive(destination, now)
            case Contact.SILENT:
                assert outcome is not None
                drained = self._lines.silent(destination, outcome.trouble, now)
                for current in filter(None, map(self._rounds.get, drained)):
                    self.run(self._not_tried(current, destination, outcome.trouble))
            case Contact.NONE:
                self._lines.dropped(destination, now)
        self._wake()

    def _revive(self, destination: str, now: float) -> None:
        for identifier in self._stranded.pop(destination, ()):
            if identifier in self._timetable:
                self._woken.setdefault(identifier, set()).add(destination)
                self._timetable.put(identifier, now)

    async def _not_tried(self, current: Round, destination: str, error: SMTPError) -> None:
        """The destination is dead: this counts as an attempt that failed like the last one."""
        try:
            entry = await self._entry(current)
        except FileNotFoundError as gone:
            return await self._vanished(current, gone)
        recipients = self._recipients(entry, destination)
        if is_too_late(entry, self._clock.seconds()):
            await self._note(current, destination, Outcome.too_late(entry, recipients))
        else:
            await self._note(current, destination, Outcome.same_for_all(recipients, error))

    async def _note(self, current: Round, destination: str, outcome: Outcome) -> None:
        """Record what became of an attempt; the last of a round settles the message."""
        situation = Situation(self._clock.seconds(), self._options.policies, self._chance())
        entry = (await self._entry(current)).after_attempt(outcome.results, situation)
        entry = current.entry = entry.left_to_next_server(outcome.reports_success)
        self._log_results(entry, outcome)
        if outcome.contact is Contact.SILENT:
            self._stranded.setdefault(destination, set()).add(current.id)
        if len(current.outstanding) > 1 and outcome.is_news:
            await self._settlement.save(current)
        # only now: the round must not end while it is being written
        current.outstanding.discard(destination)
        if not current.outstanding:
            await self._settle(current, await self._entry(current))

    async def _entry(self, current: Round) -> QueueEntry:
        """That of a round, from now on in memory until its end.  Raises FileNotFoundError: it has left the queue."""
        if current.entry is None:
            entries = await self._spool.read([current.id])
            if not entries:
                raise FileNotFoundError(f"{current.id} has left the queue")
            if current.entry is None:  # another destination's attempt may have read it meanwhile
                current.entry = entries[0]
        return current.entry

    async def _vanished(self, current: Round, error: FileNotFoundError) -> None:
        """One of its files is not there: nothing can be done with the other."""
        await self._spool.put_aside(current.id, error)
        self._rounds.pop(current.id, None)

    def _recipients(self, entry: QueueEntry, destination: str) -> list[Recipient]:
        """All who wait for that destination, also those whose own time has not come: they share the transaction."""
        return [each.recipient for each in entry.waiting if self._destination(entry, each) == destination]

    def _destination(self, entry: QueueEntry, each: QueuedRecipient) -> str:
        return self._options.destination_of(entry.sender, each.recipient.address)

    async def _settle(self, current: Round, entry: QueueEntry) -> None:
        waiting = await self._settlement.settle(current, entry)
        if waiting is not None:
            self._timetable.put(waiting.id, waiting.due)
        self._rounds.pop(entry.id, None)
        self._wake()

    # ---- coroutines that run beside one another

    def _break_off(self) -> None:
        for attempt in list(self._attempts):
            attempt.cancel()

    def _note_bug(self, failure: Failure) -> None:
        if not (self._settlement.is_closed and failure.check(CancelledError)):
            self.log.failure("the queue stumbled over a message", failure)

    def _log_results(self, entry: QueueEntry, outcome: Outcome) -> None:
        for each in entry.recipients:
            if each.recipient in outcome.results:
                self._log_result(entry, each)

    def _log_result(self, entry: QueueEntry, each: QueuedRecipient) -> None:
        """What was said is in `message.relayed` where a server took it, else here, with the dialogue."""
        last = each.last
        words: dict[str, object] = {"reply": "ok"}
        if last is not None:
            words = {"reply": str(last.reply), "host": last.host, "dialogue": last.dialogue}
        self.log.emit(
            LogLevel.debug if last is None else LogLevel.info,
            "to <{recipient}> {state}: {reply}",
            event="attempt.ended",
            id=entry.id,
            recipient=each.recipient.address,
            state=each.state.value,
            attempts=each.attempts,
            due=round(each.due, 3) if each.state is State.WAITING else None,
            seconds=round(self._clock.seconds() - entry.created, 3),
            **words,
        )
