"""Where messages go, and how many at once: lines of waiting messages, one a destination.  Pure.

A destination starts with INITIAL_WINDOW deliveries at a time.  Each that its server answers adds one, up to its bound;
one that it does not answer halves them.  After TROUBLES of those in a row the destination is dead: what waits for it
is told so at once, and nothing more is tried until a pause is over.  Then a single delivery, the probe, decides.
A pause grows from FIRST_PAUSE to LAST_PAUSE.

Those that have not answered yet share half of all deliveries, so that any number of dead ones leaves the other half to
servers that work.  The most urgent message goes first, then whichever destination has waited longest for its turn.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from twisted_mail.smtp.reply import SMTPError

INITIAL_WINDOW = 2
TROUBLES = 2
FIRST_PAUSE = 60.0
LAST_PAUSE = 1800.0
FORGOTTEN_AFTER = 3600.0
"""Seconds after a pause at which a destination that nobody wrote to since is as good as new."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many deliveries may run."""

    total: int = 200
    per_destination: int = 20
    by_destination: Mapping[str, int] = field(default_factory=dict)
    """Where it is another number."""

    def of(self, destination: str) -> int:
        return self.by_destination.get(destination, self.per_destination)


@dataclass(slots=True)
class Destination:
    """One line."""

    name: str
    waiting: list[tuple[int, int, str]] = field(default_factory=list)
    """A heap of (-priority, number, message id)."""
    running: int = 0
    window: float = INITIAL_WINDOW
    answered: bool = False
    """Its server talked to us the last time."""
    troubles: int = 0
    """In a row."""
    pause: float = 0.0
    dead_until: float = 0.0
    error: SMTPError | None = None
    """What happened last, where it is dead."""
    turn: int = 0
    """Number of its last delivery."""

    def place(self, now: float) -> tuple[int, int, str] | None:
        """Its place among those that are ready; None: it is not."""
        window = 1 if self.error is not None else int(self.window)
        if not self.waiting or now < self.dead_until or self.running >= window:
            return None
        return self.waiting[0][0], self.turn, self.name


class Destinations:
    """All lines."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._lines: dict[str, Destination] = {}
        self._ready: dict[bool, list[tuple[int, int, str]]] = {True: [], False: []}
        """`answered` -> a heap of (-priority, turn, name); may hold lines that are not ready any more."""
        self._numbers = 0
        self.running = 0
        self._unproven = 0
        """Running deliveries to destinations that have not answered."""

    def trouble(self, name: str, now: float) -> SMTPError | None:
        """Why nothing is tried there at present; None: it may be tried."""
        line = self._lines.get(name)
        return line.error if line is not None and now < line.dead_until else None

    def put(self, name: str, identifier: str, priority: int, now: float) -> None:
        """A message for *name*, at the end of its line."""
        if (line := self._lines.get(name)) is None:
            line = self._lines[name] = Destination(name, window=min(INITIAL_WINDOW, self._bounds.of(name)))
        self._numbers += 1
        heapq.heappush(line.waiting, (-priority, self._numbers, identifier))
        self._offer(line, now)

    def take(self, now: float) -> tuple[str, str] | None:
        """The next delivery to start, as (destination, message id); None: nothing may start now.

        `finished` must follow.
        """
        if self.running >= self._bounds.total:
            return None
        places = [self._first(True, now)]
        if self._unproven < max(1, self._bounds.total // 2):
            places.append(self._first(False, now))
        place = min((place for place in places if place is not None), default=None)
        if place is None:
            return None
        line = self._lines[place[2]]
        return line.name, self._start(line, now)

    def answered(self, name: str, now: float) -> bool:
        """A delivery ended that the server had an answer to.  True: it was dead before."""
        line = self._ended(name)
        revived = line.error is not None
        line.window = min(self._bounds.of(name), line.window + 1)
        if not line.answered:
            self._unproven -= line.running
        line.answered, line.troubles, line.pause, line.dead_until, line.error = True, 0, 0.0, 0.0, None
        self._offer(line, now)
        self._forget(line, now)
        return revived

    def silent(self, name: str, error: SMTPError, now: float) -> list[str]:
        """A delivery ended that the server did not answer.  The messages in its line if it is dead now: none waits."""
        line = self._ended(name)
        if line.answered:
            self._unproven += line.running
        line.answered = False
        line.window = max(1.0, line.window / 2)
        line.troubles += 1
        if line.troubles < TROUBLES:
            self._offer(line, now)
            return []
        line.error = error
        line.pause = min(LAST_PAUSE, line.pause * 2 or FIRST_PAUSE)
        line.dead_until = now + line.pause
        return self._drained(line)

    def dropped(self, name: str, now: float) -> None:
        """A delivery ended that was none after all."""
        line = self._ended(name)
        self._offer(line, now)
        self._forget(line, now)

    def forgive(self, name: str) -> None:
        """A person wants it to be tried: the pause is over."""
        if (line := self._lines.get(name)) is not None:
            line.dead_until = 0.0

    def sweep(self, now: float) -> None:
        """Forget destinations that nobody writes to."""
        for line in list(self._lines.values()):
            self._forget(line, now)

    def _first(self, answered: bool, now: float) -> tuple[int, int, str] | None:
        """Whose turn it is."""
        ready = self._ready[answered]
        while ready:
            place = ready[0]
            line = self._lines.get(place[2])
            if line is not None and line.answered is answered and line.place(now) == place:
                return place
            heapq.heappop(ready)
        return None

    def _start(self, line: Destination, now: float) -> str:
        _, _, identifier = heapq.heappop(line.waiting)
        line.running += 1
        self.running += 1
        self._unproven += not line.answered
        self._numbers += 1
        line.turn = self._numbers
        self._offer(line, now)
        return identifier

    def _ended(self, name: str) -> Destination:
        line = self._lines[name]
        line.running -= 1
        self.running -= 1
        self._unproven -= not line.answered
        return line

    def _offer(self, line: Destination, now: float) -> None:
        if (place := line.place(now)) is not None:
            heapq.heappush(self._ready[line.answered], place)

    def _drained(self, line: Destination) -> list[str]:
        identifiers = [identifier for _, _, identifier in sorted(line.waiting)]
        line.waiting = []
        return identifiers

    def _forget(self, line: Destination, now: float) -> None:
        dead = line.error is not None and now < line.dead_until + FORGOTTEN_AFTER
        if not line.running and not line.waiting and not dead:
            del self._lines[line.name]
