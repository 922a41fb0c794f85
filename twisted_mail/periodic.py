"""Work that comes again and again, as looking after mailboxes does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger


class Periodic:
    """Calls *work* every *interval* seconds, never twice at once.  What it raises is logged; the next time comes."""

    def __init__(
        self,
        work: Callable[[], Awaitable[object] | None],
        interval: float,
        clock: IReactorTime,
        log: Logger,
        trouble: str,
    ) -> None:
        """*trouble*: what the log says of a time that failed."""
        self._work = work
        self._interval = interval
        self._log = log
        self._trouble = trouble
        self._calls = LoopingCall(self._call)
        self._calls.clock = clock

    @property
    def running(self) -> bool:
        return self._calls.running

    def start(self, *, at_once: bool = True) -> None:
        self._calls.start(self._interval, now=at_once)

    def stop(self) -> None:
        """No further time; one that is under way goes on.  Safe more than once."""
        if self._calls.running:
            self._calls.stop()

    async def _call(self) -> None:
        try:
            result = self._work()
            if result is not None:
                await result
        except Exception:  # noqa: BLE001 (a disk in trouble, or our bug: neither may be the last of it)
            self._log.failure(self._trouble)
