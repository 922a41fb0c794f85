"""The committer of a server that is one process: a process of its own, which ends while there is nothing to do.

It starts with the server, so that the first message need not wait for it, and again with the first job after a rest,
which waits in its socket meanwhile.  Where it cannot start, or has died, a thread does the work until there is a moment
without any; then a process is tried again.
"""

from __future__ import annotations

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twisted_mail.committing.client import CommitterClient
from twisted_mail.committing.committer import CommitterThread
from twisted_mail.committing.process import CommitterProcess
from twisted_mail.durable import Job, Phase

RESTS_AFTER = 600.0
"""Seconds without a job after which the process ends."""
LOOKS = 10
"""How often it is looked in that time whether there was a job: what a job itself costs is to say that there was one."""
ENDS_WITHIN = 1.0
"""Seconds in which a process that was let go should have ended; as long as it has not, it is looked at that often."""


class RestingCommitter:
    """A Committer.  Belongs to the reactor's thread."""

    _log = Logger()

    def __init__(self, reactor: ReactorBase, rests_after: float = RESTS_AFTER) -> None:
        self._reactor = reactor
        self._between_looks = rests_after / LOOKS
        self._looks = 0
        """Since the last job."""
        self._next_look: IDelayedCall | None = None
        self._committer: CommitterClient | CommitterThread | None = None
        """None: it rests."""
        self._processes: list[CommitterProcess] = []
        """All that have been started and not been reaped yet."""
        self._lacks_process = False
        """None could be started the last time, which was told."""

    def start(self) -> None:
        self._wake()

    def stop(self) -> None:
        """Finish what waits, and have all processes ended.  Blocks until then."""
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None
        if self._committer is not None:
            self._committer.stop()
        for process in self._processes:
            process.wait()

    def run(self, job: Job, phase: Phase) -> Deferred[None]:
        """See Committer."""
        self._looks = 0
        return (self._committer or self._wake()).run(job, phase)

    def discard(self, job: Job) -> None:
        """See Committer."""
        self._looks = 0
        (self._committer or self._wake()).discard(job)

    def _wake(self) -> CommitterClient | CommitterThread:
        self._committer = self._new_committer()
        self._committer.start()
        if self._next_look is None:
            self._look_later()
        return self._committer

    def _new_committer(self) -> CommitterClient | CommitterThread:
        """In a process of its own, where this user can start one."""
        try:
            process = CommitterProcess()
            self._processes.append(process)
            client = CommitterClient(self._reactor, process.new_client())
        except OSError as error:
            if not self._lacks_process:
                self._log.warn("the committer has no process of its own, which costs speed: {error!s}", error=error)
            self._lacks_process = True
            return CommitterThread(self._reactor)
        self._lacks_process = False
        return client

    def _look(self) -> None:
        self._looks += 1
        if self._committer is not None and self._committer.is_idle and self._is_due(self._committer):
            self._rest(self._committer)
        self._reap()
        self._look_later()

    def _is_due(self, committer: CommitterClient | CommitterThread) -> bool:
        """It has nothing to do.  Shall it go?"""
        return self._looks > LOOKS or isinstance(committer, CommitterThread) or committer.is_bereft

    def _rest(self, committer: CommitterClient | CommitterThread) -> None:
        self._log.debug("the committer rests until the next job")
        committer.stop()
        self._committer = None
        for process in self._processes:
            process.let_go()

    def _reap(self) -> None:
        """Those that have ended; waits for nobody."""
        for process in [each for each in self._processes if each.has_ended]:
            process.let_go()
            self._processes.remove(process)

    def _look_later(self) -> None:
        """As long as there is something to see."""
        self._next_look = None
        if self._committer is not None:
            self._next_look = self._reactor.callLater(self._between_looks, self._look)
        elif self._processes:
            self._next_look = self._reactor.callLater(ENDS_WITHIN, self._look)
