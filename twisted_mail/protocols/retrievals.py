"""What a POP3 session has sent, told a batch at a time: an event for each message would be a third of sending it.

Told at the latest when the session ends; what a crash of the server leaves untold is the last second of a busy client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorTime

MOST = 100
"""Messages that one event names."""
LONGEST = 1.0
"""Seconds from the first message of a batch after which the next one ends it."""

Tell = Callable[[Sequence[str], int], None]
"""Is told the unique-ids of a batch and the octets of all of it."""


class Retrievals:
    """Whole messages of one session."""

    def __init__(self, tell: Tell, clock: IReactorTime) -> None:
        self._tell = tell
        self._clock = clock
        self._since = 0.0
        self._uids: list[str] = []
        self._octets = 0

    def add(self, uid: str, octets: int) -> None:
        now = self._clock.seconds()
        if not self._uids:
            self._since = now
        self._uids.append(uid)
        self._octets += octets
        if len(self._uids) >= MOST or now - self._since >= LONGEST:
            self.flush()

    def flush(self) -> None:
        """Tell what has not been told."""
        if self._uids:
            uids, octets = self._uids, self._octets
            self._uids, self._octets = [], 0
            self._tell(uids, octets)
