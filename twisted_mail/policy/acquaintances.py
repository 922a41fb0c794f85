"""Whom this server knows: asks the reputation in a thread, remembers a moment what it heard, and counts what comes.

No promise to anybody: where the file cannot be used, nobody is known, and mail goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail.content import Blocking
from twisted_mail.forgetful import Forgetful
from twisted_mail.periodic import Periodic
from twisted_mail.policy.esteem import Esteem
from twisted_mail.policy.reputation import Reputation

REMEMBERED_FOR = 30.0
"""Seconds: what a user says counts that soon."""
MAX_REMEMBERED = 10_000
WRITE_EVERY = 60.0
"""Seconds between what is counted in memory and on disk."""


class Acquaintances:
    """Those of one process."""

    _log = Logger()

    def __init__(self, reputation: Reputation, disk: Blocking, clock: IReactorTime) -> None:
        self._reputation = reputation
        self._disk = disk
        self._clock = clock
        self._remembered: Forgetful[str, Esteem] = Forgetful(MAX_REMEMBERED, clock.seconds)
        self._counts: Counter[str] = Counter()
        trouble = "how much mail comes from where is not counted now"
        self._timer = Periodic(self._write, WRITE_EVERY, clock, self._log, trouble)

    async def esteem(self, subjects: Iterable[str]) -> Sequence[Esteem]:
        """What is thought of each."""
        return [self._remembered.get(subject) or await self._ask(subject) for subject in subjects]

    def note(self, subjects: Iterable[str]) -> None:
        """One more message that was no junk came from them.  Does not block."""
        for subject in subjects:
            if subject in self._counts or len(self._counts) < MAX_REMEMBERED:
                self._counts[subject] += 1

    def start(self) -> None:
        self._timer.start(at_once=False)

    def stop(self) -> None:
        """Blocks for the disk."""
        self._timer.stop()
        self._count(self._take())

    async def _ask(self, subject: str) -> Esteem:
        def ask() -> Esteem:
            return self._reputation.esteem(subject)

        try:
            found = await self._disk(ask)
        except OSError as error:
            self._note_failure(error)
            found = Esteem(subject)
        assert isinstance(found, Esteem)
        self._remembered.put(subject, found, REMEMBERED_FOR)
        return found

    def _write(self) -> Deferred[object]:
        counts = self._take()
        return self._disk(lambda: self._count(counts))

    def _take(self) -> Counter[str]:
        counts, self._counts = self._counts, Counter()
        return counts

    def _count(self, counts: Counter[str]) -> None:
        """Blocks."""
        try:
            if counts:
                self._reputation.count(counts)
        except OSError as error:
            self._note_failure(error)

    def _note_failure(self, error: OSError) -> None:
        self._log.warn(
            "what is known of senders cannot be used ({error}), and mail comes without it; if the file is damaged, stop"
            " the server and remove it",
            error=str(error),
        )
