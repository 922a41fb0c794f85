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
from twisted_mail.config import Config, ConfigError, ListenAddress
from twisted_mail.delivery.routes import Routes
from twisted_mail.listeners import BoundAddress
from twisted_mail.protocols.limits import SharedCounts
from twisted_mail.protocols.tls import TLSMaterial

NEWS = 3
"""The descriptor on which a worker tells the parent something; the parent tells it on standard input."""
FIRST_SOCKET = 5
COUNTS = 4
"""The descriptor of the shared memory."""
RELOAD = b'["reload"]\n'
"""What the parent tells the workers on SIGHUP."""
QUICK_DEATH = 5.0
"""Seconds: a worker that lived for less is started again after a pause that doubles each time."""
LONGEST_PAUSE = 60.0
"""Seconds."""


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
        self._descriptors: dict[int, int] = {}
        sockets = {name: [(each.address, self._number(each)) for each in several] for name, several in bound.items()}
        self._startup = Startup(
            config, material, routes, sockets, 0, config.workers, os.urandom(KEY_SIZE), type(reactor).__module__
        )
        self._running: dict[int, _Worker] = {}
        self._stopped: Deferred[None] | None = None

    def _number(self, bound: BoundAddress) -> int | None:
        """The descriptor that a worker will have for *bound*."""
        if bound.socket is None:
            return None
        number = FIRST_SOCKET + len(self._descriptors)
        self._descriptors[number] = bound.socket.fileno()
        return number

    def start(self) -> None:
        """Raises ConfigError."""
        for number in range(self._startup.workers):
            try:
                self._spawn(number, 0.0)
            except OSError as error:
                remedy = "where the server changes its user, that user must be able to run it"
                raise ConfigError(f"cannot start a worker: {error}; {remedy}") from error

    def reload(self) -> None:
        """Have all workers read the certificates again."""
        for worker in list(self._running.values()):
            worker.tell(RELOAD)  # not a signal, which would end one that has only just started

    async def stop(self, seconds: float) -> None:
        """Have all workers end what they do; those that have not after *seconds* are killed."""
        if not self._running:
            return
        self._stopped = Deferred()
        for worker in list(self._running.values()):
            worker.signal("TERM")
        overdue = self._reactor.callLater(seconds, self._kill)
        await self._stopped
        if overdue.active():
            overdue.cancel()
        os.close(self._counts)

    def _kill(self) -> None:
        for worker in list(self._running.values()):
            worker.signal("KILL")

    def _spawn(self, number: int, pause: float) -> None:
        """Raises OSError."""
        os.pwrite(self._counts, bytes(SharedCounts.WIDTH), SharedCounts.WIDTH * number)
        worker = _Worker(self, number, replace(self._startup, number=number), self._reactor.seconds(), pause)
        self._reactor.spawnProcess(  # type: ignore[attr-defined]  # of IReactorProcess, which every reactor here has
            worker,
            sys.executable,
            [sys.executable, "-m", "twisted_mail.worker"],
            env=None,
            childFDs={0: "w", 1: "r", 2: "r", NEWS: "r", COUNTS: self._counts, **self._descriptors},
        )
        self._running[number] = worker

    def _replace(self, number: int, pause: float) -> None:
        """Start a worker instead of one that ended, which had waited for *pause* seconds before its start."""
        if self._stopped is not None:
            return
        try:
            self._spawn(number, pause)
        except OSError as error:  # no memory, no process number: that may pass
            self._replace_later(number, str(error), _longer(pause))

    def tell_others(self, sender: int, news: bytes) -> None:
        for number, worker in self._running.items():
            if number != sender:
                worker.tell(news)

    def ended(self, worker: _Worker, reason: str) -> None:
        """A worker is gone: at the end of the server, or by accident."""
        del self._running[worker.number]
        if self._stopped is not None:
            if not self._running:
                self._stopped.callback(None)
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
                case _:
                    self._workers.tell_others(self.number, line + b"\n")

    def processEnded(self, reason: Failure) -> None:
        self._workers.ended(self, reason.getErrorMessage())


def _longer(pause: float) -> float:
    """Seconds to wait after *pause* was not enough."""
    return min(max(1.0, 2 * pause), LONGEST_PAUSE)
