"""The committer as a process that serves sees it, where it is a process of its own."""

from __future__ import annotations

import errno
import socket
from itertools import count

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReadDescriptor, IWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail.committing import wire
from twisted_mail.committing.committer import CommitterThread
from twisted_mail.committing.wire import Answer, Order
from twisted_mail.durable import MAX_BATCH, Job, Phase

_GOOD = (None, None)
"""Error and outcome."""


class _Ordered:
    """A phase of a job, and who waits for it."""

    __slots__ = ("done", "job", "phase")

    def __init__(self, job: Job, phase: Phase) -> None:
        self.job = job
        self.phase = phase
        self.done: Deferred[None] = Deferred()


@implementer(IReadDescriptor, IWriteDescriptor)
class CommitterClient:
    """One batch is with the process, and all that is ordered meanwhile is the next.

    If the process ends, what it had fails as after a crash (it may be done, or not), and a thread does the rest.  Where
    the process ended before it had read its first batch, that does all: a process that cannot start costs no job.
    """

    _log = Logger()

    def __init__(self, reactor: ReactorBase, process: socket.socket) -> None:
        """*process*: see CommitterProcess.new_client."""
        self._reactor = reactor
        self._socket = process
        self._receiver = wire.Receiver(process)
        self._waiting: list[_Ordered] = []
        self._sent: list[_Ordered] = []
        self._calls = False
        """`_send` will be called in this turn of the reactor."""
        self._octets = memoryview(b"")
        """What there was no room for yet of the batch."""
        self._files: list[int] = []
        """Those that go with it."""
        self._numbers = count()
        self._prepared: dict[Job, int] = {}
        """What the process keeps, by number."""
        self._has_answered = False
        """The process has, at least once."""
        self._thread: CommitterThread | None = None
        """What does the work of a process that has ended."""

    @property
    def is_idle(self) -> bool:
        """Nothing waits, the process has nothing and keeps nothing: it may be let go, and `stop` would not block."""
        with_process = self._waiting or self._sent or self._prepared
        return not with_process and (self._thread is None or self._thread.is_idle)

    @property
    def is_bereft(self) -> bool:
        """The process has ended that had worked until then: another one may work as well."""
        return self._thread is not None and self._has_answered

    def start(self) -> None:
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Finish what waits.  Blocks until then."""
        while self._thread is None and (self._sent or self._waiting):
            if self._octets:
                self._push(0)
            elif self._sent:
                self.doRead()
            else:
                self._send()
        if self._thread is not None:
            self._thread.stop()
        else:
            self._leave()

    def run(self, job: Job, phase: Phase) -> Deferred[None]:
        """See Committer."""
        if self._thread is not None:
            return self._run_in(self._thread, job, phase)
        ordered = _Ordered(job, phase)
        self._waiting.append(ordered)
        if not self._sent and not self._calls:
            # once all is there that this turn of the reactor brings
            self._calls = True
            self._reactor.callLater(0, self._send)
        return ordered.done

    def discard(self, job: Job) -> None:
        """See Committer."""
        self.run(job, Phase.DISCARD).addErrback(lambda failure: None)  # a file in tmp/ is swept later

    def _send(self) -> None:
        self._calls = False
        if self._sent or not self._waiting:
            return
        self._sent, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        try:
            self._octets, self._files = wire.pack([self._order(each) for each in self._sent])
        except Exception as error:  # noqa: BLE001 (our fault: a job that cannot be pickled)
            sent, self._sent = self._sent, []
            for each in sent:
                self._prepared.pop(each.job, None)
                each.done.errback(error)
            self._send()
        else:
            self._push(socket.MSG_DONTWAIT)

    def _push(self, flags: int) -> None:
        """Send as much as there is room for: with several clients, the process may be busy for another one."""
        try:
            self._octets, self._files = wire.send(self._socket, self._octets, self._files, flags), []
        except BlockingIOError:
            pass
        except OSError as error:
            self._lose(error)
            return
        if self._octets:
            self._reactor.addWriter(self)
        else:
            self._reactor.removeWriter(self)

    def _order(self, ordered: _Ordered) -> Order:
        job, phase = ordered.job, ordered.phase
        number = self._prepared.pop(job, None)
        if number is not None:
            return number, phase.value, None
        number = next(self._numbers)
        if phase is Phase.PREPARE:
            self._prepared[job] = number
        return number, phase.value, job

    def _take(self, answer: Answer) -> None:
        self._has_answered = True
        sent, self._sent = self._sent, []
        for place, (error, outcome) in answer.items():
            if outcome is not None:
                sent[place].job.outcome = outcome
            if error is not None:
                self._prepared.pop(sent[place].job, None)  # the process does not keep it either
        self._send()
        for place, ordered in enumerate(sent):
            error, _ = answer.get(place, _GOOD)
            if error is None:
                ordered.done.callback(None)
            else:
                ordered.done.errback(error)

    # ---- what the reactor calls

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "committer"

    def doRead(self) -> None:
        try:
            for answer in self._receiver.receive():
                self._take(answer)
        except Exception as error:  # noqa: BLE001 (EOFError or OSError; after another fault nothing would come any more)
            self._lose(error)

    def doWrite(self) -> None:
        self._push(socket.MSG_DONTWAIT)

    def connectionLost(self, reason: Failure) -> None:
        """Only the reactor itself can have found that; the next read says so, too."""

    # ---- when the process has ended

    def _lose(self, error: Exception) -> None:
        self._log.error(
            "the committer's process has ended ({why}), a thread does its work",
            event="committer.ended",
            why=repr(error),
        )
        self._leave()
        self._thread = CommitterThread(self._reactor)
        self._thread.start()
        sent, waiting = self._sent, self._waiting
        self._sent, self._waiting = [], []
        if isinstance(error, ConnectionResetError) and not self._has_answered:
            # it has not read all that it was sent: nothing of its first batch was begun
            sent, waiting = [], sent + waiting
            self._prepared.clear()
        for ordered in sent:
            ordered.done.errback(_ended())
        for ordered in waiting:
            self._run_in(self._thread, ordered.job, ordered.phase).chainDeferred(ordered.done)

    def _run_in(self, thread: CommitterThread, job: Job, phase: Phase) -> Deferred[None]:
        if self._prepared.pop(job, None) is None:
            return thread.run(job, phase)
        return fail(_ended())

    def _leave(self) -> None:
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._socket.close()


def _ended() -> OSError:
    return OSError(errno.EIO, "the committer's process has ended")
