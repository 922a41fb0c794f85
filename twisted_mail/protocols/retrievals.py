"""What a POP3 session has sent, told a batch at a time: an event for each message would be a third of sending it.

Told at the latest when the session ends; what a crash of the server leaves untold is the last second of a busy client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorTime

from twisted_mail.pop3.listing import EMPTY
from twisted_mail.pop3.reading import Sent

MOST = 100
"""Whole messages that one event names."""
LONGEST = 1.0
"""Seconds from the first message of a batch after which the next one ends it."""

Tell = Callable[[Sequence[str], int, int | None], None]
"""Is told the unique-ids of a batch, the octets of all of it, and of TOP how many lines."""


class Retrievals:
    """Those of one session."""

    __slots__ = ("_clock", "_since", "_tell", "_waiting", "count", "listing")

    def __init__(self, tell: Tell, clock: IReactorTime) -> None:
        self._tell = tell
        self._clock = clock
        self._since = 0.0
        self._waiting: list[Sent] = []
        self.listing = EMPTY
        """The session's, once it has one."""
        self.count = 0
        """Messages so far."""

    def add(self, sent: Sequence[Sent]) -> None:
        """These were sent."""
        now = self._clock.seconds()
        if not self._waiting:
            self._since = now
        self.count += len(sent)
        self._waiting += sent
        if len(self._waiting) >= MOST or now - self._since >= LONGEST:
            self.flush()

    def end(self) -> None:
        """Tell the rest; nothing more comes.  Who is told has this: two that hold one another would stay in memory."""
        self.flush()
        self._tell = _nobody

    def flush(self) -> None:
        """Tell what has not been told: whole messages together, the first lines of one by themselves."""
        waiting, self._waiting = self._waiting, []
        whole = [index for index, lines in waiting if lines is None]
        for start in range(0, len(whole), MOST):
            self._tell_of(whole[start : start + MOST], None)
        for index, lines in waiting:
            if lines is not None:
                self._tell_of([index], lines)

    def _tell_of(self, indexes: Sequence[int], lines: int | None) -> None:
        uids, sizes = self.listing.uids, self.listing.sizes
        self._tell([uids[index] for index in indexes], sum(sizes[index] for index in indexes), lines)


def _nobody(uids: Sequence[str], octets: int, lines: int | None) -> None:
    """Is not told."""
