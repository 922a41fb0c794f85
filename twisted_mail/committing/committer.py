"""The committer: takes all jobs that wait as one batch; so a batch shares its syncs, and a lone job waits for nobody.

Promise: when the Deferred of a job fires, what the job did survives a power cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads

from twisted_mail.durable import MAX_BATCH, Entry, Job, Phase, run_batch
from twisted_mail.syncing import Syncing


class Committer(Protocol):
    """What everybody else sees of it.  Belongs to the reactor's thread."""

    def run(self, job: Job, phase: Phase) -> Deferred[None]:
        """Fires when that phase of *job* is durable; fails with OSError, and then nothing of the job is left."""

    def discard(self, job: Job) -> None:
        """Undo *job*, which was prepared, when its turn comes."""


class CommitterThread:
    """Runs jobs in a thread of this process."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._waiting: SimpleQueue[_Order | None] = SimpleQueue()
        self._syncing = Syncing()
        self._thread: Thread | None = None
        self._unanswered = 0

    @property
    def is_idle(self) -> bool:
        """There is nothing to do, so that `stop` would not block.  It may be let go."""
        return self._unanswered == 0

    def start(self) -> None:
        self._thread = Thread(target=self._work, name="committer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, then end the thread.  Blocks until then."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def run(self, job: Job, phase: Phase) -> Deferred[None]:
        """See Committer."""
        done: Deferred[None] = Deferred()
        self._unanswered += 1
        self._waiting.put((Entry(job, phase), done))
        return done

    def discard(self, job: Job) -> None:
        """See Committer."""
        self.run(job, Phase.DISCARD)

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            stopping = False
            while len(batch) < MAX_BATCH and not self._waiting.empty():
                order = self._waiting.get()
                if order is None:
                    stopping = True
                    break
                batch.append(order)
            run_batch([entry for entry, _ in batch], self._syncing)
            self._reactor.callFromThread(self._answer, batch)
            if stopping:
                break

    def _answer(self, batch: Sequence[_Order]) -> None:
        """Back in the reactor's thread."""
        self._unanswered -= len(batch)
        for entry, done in batch:
            if entry.error is None:
                done.callback(None)
            else:
                done.errback(entry.error)


_Order = tuple[Entry, "Deferred[None]"]
