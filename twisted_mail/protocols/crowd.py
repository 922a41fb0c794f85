"""The connections of one factory: swept for silent ones, and ended, or waited for, when the service ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

SWEEP_INTERVAL = 10.0
"""Seconds between two looks for silent connections: one timer for all, however many there are."""


class Member(Protocol):
    """A connection."""

    def finish(self) -> None:
        """End it: now where nothing is under way, else after what is."""

    def abort(self) -> None:
        """End it at once."""


M = TypeVar("M", bound=Member)


class Crowd(Generic[M]):
    """`start` and `stop` belong to the factory; `finish` and `drain` to the service."""

    log = Logger()

    def __init__(self, clock: IReactorTime, sweep: Callable[[Iterable[M]], None]) -> None:
        """*sweep* ends those that have been silent for too long."""
        self._clock = clock
        self._members: set[M] = set()
        self._sweeping = LoopingCall(lambda: sweep(self))
        self._sweeping.clock = clock
        self._empty: list[Deferred[None]] = []

    def add(self, member: M) -> None:
        self._members.add(member)

    def forget(self, member: M) -> None:
        """It is over."""
        self._members.discard(member)
        if not self._members:
            waiting, self._empty = self._empty, []
            for each in waiting:
                each.callback(None)

    def __iter__(self) -> Iterator[M]:
        return iter(list(self._members))

    def start(self) -> None:
        if not self._sweeping.running:
            self._sweeping.start(SWEEP_INTERVAL, now=False).addErrback(
                lambda failure: self.log.failure("the sweep for silent connections failed", failure)
            )

    def stop(self) -> None:
        if self._sweeping.running:
            self._sweeping.stop()

    async def finish(self, seconds: float) -> None:
        """End all connections: those that do nothing now, the others within *seconds*."""
        for member in self:
            member.finish()
        overdue = self._clock.callLater(seconds, self._abort_all)
        await self._is_empty()
        if overdue.active():
            overdue.cancel()

    async def drain(self) -> None:
        """Wait until all connections have ended by themselves; the silent ones are still swept."""
        self.start()
        await self._is_empty()
        self.stop()

    async def _is_empty(self) -> None:
        if self._members:
            self._empty.append(Deferred())
            await self._empty[-1]

    def _abort_all(self) -> None:
        for member in self:
            member.abort()
