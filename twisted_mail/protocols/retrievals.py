"""What a POP3 session has sent, told a batch at a time: an event for each message would be a third of sending it.

Told at the latest when the session ends; what a crash of the server leaves untold is the last second of a busy client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorTime

from twisted_mail.pop3.listing import EMPTY

MOST = 100
"""Whole messages that one event names."""
LONGEST = 1.0
"""Seconds from the first message of a batch after which the next one ends it."""

Tell = Callable[[Sequence[str], int, int | None], None]
"""Is told the unique-ids of a batch, the octets of all of it, and of TOP how many lines."""


class Retrievals:
    """Those of one session."""

    __slots__ = ("_clock", "_indexes", "_since", "_tell", "count", "listing")

    def __init__(self, tell: Tell, clock: IReactorTime) -> None:
        self._tell = tell
        self._clock = clock
        self._since = 0.0
        self._indexes: list[int] = []
        self.listing = EMPTY
        """The session's, once it has one."""
        self.count = 0
        """Messages so far."""

    def add(self, index: int, lines: int | None = None) -> None:
        """Message *index* was sent: whole, or the first *lines* of it, which is told by itself."""
        self.count += 1
        if lines is not None:
            self._tell([self.listing.uids[index]], self.listing.sizes[index], lines)
            return
        now = self._clock.seconds()
        if not self._indexes:
            self._since = now
        self._indexes.append(index)
        if len(self._indexes) >= MOST or now - self._since >= LONGEST:
            self.flush()

    def end(self) -> None:
        """Tell the rest; nothing more comes.  Who is told has this: two that hold one another would stay in memory."""
        self.flush()
        self._tell = _nobody

    def flush(self) -> None:
        """Tell what has not been told."""
        if self._indexes:
            indexes, self._indexes = self._indexes, []
            uids, sizes = self.listing.uids, self.listing.sizes
            self._tell([uids[index] for index in indexes], sum(sizes[index] for index in indexes), None)


def _nobody(uids: Sequence[str], octets: int, lines: int | None) -> None:
    """Is not told."""
