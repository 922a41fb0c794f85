"""Several processes behind the same ports: the parent's side.  (A worker's side is worker.py.)

The parent has bound the sockets, read the key and dropped its privileges; it takes no connection itself.  It starts the
workers, hands them the sockets and what they need to know, and replaces at once one that dies: only the connections of
that one are lost.  What one worker must tell the others (a login that failed, or was right) it tells the parent, who
passes it on.  Worker 0 alone has the timers.
"""

from __future__ import annotations

import base64
import os
import pickle
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail.auth.recent import KEY_SIZE
from twisted_mail.committing.process import CommitterProcess
from twisted_mail.config import Config, ConfigError, ListenAddress
from twisted_mail.delivery.routes import Routes
from twisted_mail.listeners import BoundAddress
from twisted_mail.protocols.limits import SharedCounts
from twisted_mail.protocols.tls import TLSMaterial

NEWS = 3
"""The descriptor on which a worker tells the parent something; the parent tells it on standard input."""
COUNTS = 4
"""The descriptor of the shared memory."""
COMMITTER = 5
"""The socket to the committer's process, which all workers share."""
FIRST_SOCKET = 6
RELOAD = b'["reload"]\n'
"""What the parent tells the workers when they shall read the certificates again."""
DRAIN = b'["drain"]\n'
"""What it tells them when others have taken over: to end when their last connection has ended."""
READY = b'["ready"]'
"""What a worker tells once it takes connections."""
QUICK_DEATH = 5.0
"""Seconds: a worker that lived for less is started again after a pause that doubles each time."""
LONGEST_PAUSE = 60.0
"""Seconds."""
STOP_WITHIN = 25.0
"""Seconds that a worker has to end: more than twice what it gives its connections and its queue."""


@dataclass(frozen=True, slots=True)
class Startup:
    """What a worker needs to know.  It goes through a pipe, so that the key need not be readable for the worker."""

    config: Config
    material: TLSMaterial | None
    routes: Routes
    sockets: Mapping[str, Sequence[tuple[ListenAddress, int | None]]]
    """Service of [listen] -> addresses with their descriptors; None: an endpoint that the worker opens itself."""
    number: int
    workers: int
    login_key: bytes
    """Of the logins that all workers remember (auth/recent.py)."""
    reactor: str
    """The module that installs it."""

    def encode(self) -> bytes:
        """One line."""
        return base64.b64encode(pickle.dumps(self)) + b"\n"

    @staticmethod
    def decode(line: bytes) -> Startup:
        startup = pickle.loads(base64.b64decode(line))
        assert isinstance(startup, Startup)
        return startup


class Workers:
    """All workers of the server."""

    log = Logger()

    def __init__(
        self,
        config: Config,
        material: TLSMaterial | None,
        routes: Routes,
        bound: Mapping[str, Sequence[BoundAddress]],
        reactor: ReactorBase,
    ) -> None:
        self._reactor = reactor
        self._counts = os.memfd_create("connections")
        os.ftruncate(self._counts, SharedCounts.WIDTH * config.workers)
        self._committing: CommitterProcess | None = None
        self._descriptors: dict[int, int] = {}
        sockets = {name: [(each.address, self._number(each)) for each in several] for name, several in bound.items()}
        self._startup = Startup(
            config, material, routes, sockets, 0, config.workers, os.urandom(KEY_SIZE), type(reactor).__module__
        )
        self._running: dict[int, _Worker] = {}
        self._opening: Deferred[None] | None = None
        self._ready: set[int] = set()
        self._ending = False
        self._gone: list[Deferred[None]] = []

    def _number(self, bound: BoundAddress) -> int | None:
        """The descriptor that a worker will have for *bound*."""
        if bound.socket is None:
            return None
        number = FIRST_SOCKET + len(self._descriptors)
        self._descriptors[number] = bound.socket.fileno()
        return number

    async def open(self) -> None:
        """Returns when all workers take connections.  Raises ConfigError."""
        self._opening = Deferred()
        for number in range(self._startup.workers):
            try:
                self._spawn(number, 0.0)
            except OSError as error:
                remedy = "where the server changes its user, that user must be able to run it"
                raise ConfigError(f"cannot start a worker: {error}; {remedy}") from error
        await self._opening

    def read_certificates(self) -> None:
        """Again, in all workers."""
        self._tell_all(RELOAD)  # not a signal, which would end one that has only just started

    async def drain(self) -> None:
        """Other workers have taken over: these go on until their connections have ended."""
        self._ending = True
        self._tell_all(DRAIN)
        await self._all_gone()

    async def close(self) -> None:
        """Have all workers end what they do; those that have not after a while are killed."""
        self._ending = True
        for worker in list(self._running.values()):
            worker.signal("TERM")
        overdue = self._reactor.callLater(STOP_WITHIN, self._kill)
        await self._all_gone()
        if overdue.active():
            overdue.cancel()

    async def _all_gone(self) -> None:
        if self._running:
            self._gone.append(Deferred())
            await self._gone[-1]
        if self._counts >= 0:
            os.close(self._counts)
            self._counts = -1
        if self._committing is not None:
            self._committing.wait()

    def _tell_all(self, news: bytes) -> None:
        for worker in list(self._running.values()):
            worker.tell(news)

    def _kill(self) -> None:
        for worker in list(self._running.values()):
            worker.signal("KILL")

    def _spawn(self, number: int, pause: float) -> None:
        """Raises OSError."""
        os.pwrite(self._counts, bytes(SharedCounts.WIDTH), SharedCounts.WIDTH * number)
        worker = _Worker(self, number, replace(self._startup, number=number), self._reactor.seconds(), pause)
        with self._new_client() as committer:
            ours = {0: "w", 1: "r", 2: "r", NEWS: "r", COUNTS: self._counts, COMMITTER: committer.fileno()}
            self._reactor.spawnProcess(  # type: ignore[attr-defined]  # of IReactorProcess, which every reactor here has
                worker,
                sys.executable,
                [sys.executable, "-P", "-m", "twisted_mail.worker"],
                env=None,
                childFDs={**ours, **self._descriptors},
            )
        self._running[number] = worker

    def _new_client(self) -> socket.socket:
        """Of the committer's process, which is started again where it has ended.  Raises OSError."""
        if self._committing is None or self._committing.has_ended:
            self._committing = CommitterProcess()
        return self._committing.new_client()

    def _replace(self, number: int, pause: float) -> None:
        """Start a worker instead of one that ended, which had waited for *pause* seconds before its start."""
        if self._ending:
            return
        try:
            self._spawn(number, pause)
        except OSError as error:  # no memory, no process number: that may pass
            self._replace_later(number, str(error), _longer(pause))

    def tell_others(self, sender: int, news: bytes) -> None:
        for number, worker in self._running.items():
            if number != sender:
                worker.tell(news)

    def ready(self, worker: _Worker) -> None:
        """It takes connections."""
        self._ready.add(worker.number)
        if self._opening is not None and len(self._ready) == self._startup.workers:
            opening, self._opening = self._opening, None
            opening.callback(None)

    def ended(self, worker: _Worker, reason: str) -> None:
        """A worker is gone: at the end of the server, or by accident."""
        del self._running[worker.number]
        if self._ending:
            while self._gone and not self._running:
                self._gone.pop().callback(None)
            return
        if self._opening is not None:
            opening, self._opening = self._opening, None
            opening.errback(ConfigError(f"a worker ended at once ({reason}); the log says why"))
            return
        quick = self._reactor.seconds() - worker.started < QUICK_DEATH
        self._replace_later(worker.number, reason, _longer(worker.pause) if quick else 0.0)

    def _replace_later(self, number: int, reason: str, pause: float) -> None:
        self.log.error(
            "worker {number} ended ({reason}), another starts in {pause} s",
            event="worker.ended",
            number=number,
            reason=reason,
            pause=pause,
        )
        self._reactor.callLater(pause, self._replace, number, pause)


class _Worker(ProcessProtocol):
    """One worker, as its parent sees it."""

    log = Logger()

    def __init__(self, workers: Workers, number: int, startup: Startup, started: float, pause: float) -> None:
        self._workers = workers
        self._startup = startup
        self._unfinished = {1: b"", 2: b"", NEWS: b""}
        self._hears = True
        self.number = number
        self.started = started
        self.pause = pause

    def connectionMade(self) -> None:
        self.tell(self._startup.encode())

    def tell(self, news: bytes) -> None:
        """*news*: one line."""
        assert self.transport is not None
        if self._hears:
            self.transport.writeToChild(0, news)

    def signal(self, name: str) -> None:
        assert self.transport is not None
        with suppress(ProcessExitedAlready):  # it has just died; that is told when its pipes are empty
            self.transport.signalProcess(name)

    def childConnectionLost(self, childFD: int) -> None:
        if childFD == 0:
            self._hears = False

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        *lines, self._unfinished[childFD] = (self._unfinished[childFD] + data).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace")
            match childFD:
                case 1:  # a line of its log, complete with time and level
                    self.log.info("{finished_line}", finished_line=text, worker=self.number)
                case 2:
                    self.log.error("{line}", line=text, worker=self.number)
                case _ if line == READY:
                    self._workers.ready(self)
                case _:
                    self._workers.tell_others(self.number, line + b"\n")

    def processEnded(self, reason: Failure) -> None:
        self._workers.ended(self, reason.getErrorMessage())


def _longer(pause: float) -> float:
    """Seconds to wait after *pause* was not enough."""
    return min(max(1.0, 2 * pause), LONGEST_PAUSE)
