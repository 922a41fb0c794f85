"""One of several processes behind the same ports: a worker's side.  (The parent's side is workers.py.)

`python -m twisted_mail.worker` is for the parent only: standard input begins with a `Startup`, then brings news from
the other workers; descriptor NEWS takes what they should know; the sockets are open already.  When standard input
ends, the parent is gone, and the worker ends too.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.logger import FileLogObserver, Logger, globalLogBeginner
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from twisted_mail.auth.recent import RecentLogins
from twisted_mail.auth.throttle import SharedThrottle
from twisted_mail.committing.client import CommitterClient
from twisted_mail.listeners import BoundAddress
from twisted_mail.neighbours import Neighbours
from twisted_mail.observing import Observing, line_format_of
from twisted_mail.protocols.limits import SharedCounts
from twisted_mail.protocols.tls import Certificates
from twisted_mail.resources import raise_descriptor_limit, return_large_blocks, return_what_is_free
from twisted_mail.serving import Serving
from twisted_mail.settings import ConfigError
from twisted_mail.workers import COMMITTER, COUNTS, DRAIN, NEWS, READY, RELOAD, Startup

REMEMBER = "remember"
"""What the news of a right login is called; those of the throttle have names of its own."""


class NewsWire(LineReceiver):
    """News from and to the other workers: a JSON list a line, of what it is and some texts; RELOAD and DRAIN."""

    delimiter = b"\n"

    def __init__(self, reactor: ReactorBase, login_key: bytes) -> None:
        self._reactor = reactor
        self.reload: Callable[[], None] = _nothing
        """What reads the certificates again."""
        self.drain: Callable[[], None] = _nothing
        """What ends this process when its last connection has ended."""
        self.throttle = SharedThrottle(self._tell)
        self.recent = RecentLogins(reactor, login_key, lambda digest: self._tell(REMEMBER, digest))

    def say_ready(self) -> None:
        """This worker takes connections."""
        self.sendLine(READY)  # type: ignore[no-untyped-call]  # as below

    def _tell(self, *news: str) -> None:
        self.sendLine(json.dumps(news).encode())  # type: ignore[no-untyped-call]  # Twisted has not annotated it

    def lineReceived(self, line: bytes) -> None:
        if line + self.delimiter == RELOAD:
            self.reload()
            return
        if line + self.delimiter == DRAIN:
            self.drain()
            return
        match json.loads(line):
            case [str(what), str(digest)] if what == REMEMBER:
                self.recent.hear(digest)
            case [what, host, account]:
                self.throttle.hear(what, host, account, self._reactor.seconds())

    def end(self) -> None:
        """End this process, unless it is just ending."""
        with suppress(ReactorNotRunning):
            self._reactor.stop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The parent is gone."""
        self.end()


def main() -> None:
    """Serve until SIGTERM, or until the parent is gone."""
    startup = Startup.decode(_first_line())
    importlib.import_module(startup.reactor).install()
    from twisted.internet import reactor  # the one just installed

    assert isinstance(reactor, ReactorBase)
    line_format = line_format_of(startup.config.log, startup.number)
    globalLogBeginner.beginLoggingTo([FileLogObserver(sys.stdout, line_format)], redirectStandardIO=False)
    raise_descriptor_limit()
    return_large_blocks()
    wire = NewsWire(reactor, startup.login_key)
    StandardIO(wire, stdin=0, stdout=NEWS, reactor=reactor)  # type: ignore[call-arg]  # mypy reads that of Windows
    memory = mmap.mmap(COUNTS, SharedCounts.WIDTH * startup.workers)
    counts = SharedCounts(memory, startup.number, startup.workers)
    committer = CommitterClient(reactor, socket.socket(fileno=COMMITTER))
    committer.start()
    neighbours = Neighbours(committer, counts, wire.throttle, wire.recent, leads=startup.number == 0)
    certificates = Certificates(startup.material) if startup.material else None
    adopted = _adopted(startup)
    serving = Serving(startup.config, certificates, startup.routes, adopted, reactor, neighbours)
    observing = Observing(startup.config, str(startup.number), reactor, first=False)
    observing.start()

    def end(act: Callable[[], Coroutine[Any, Any, None]]) -> Deferred[None]:
        for addresses in adopted.values():
            for address in addresses:
                address.close()
        return Deferred.fromCoroutine(act())

    def drain() -> None:
        end(serving.drain).addBoth(lambda result: wire.end())

    failures: list[Failure] = []
    opening = Deferred.fromCoroutine(serving.open())
    opening.addCallbacks(lambda result: wire.say_ready(), _cannot_open, errbackArgs=(reactor, failures))
    opening.addCallback(lambda result: return_what_is_free())
    reactor.addSystemEventTrigger("before", "shutdown", end, serving.close)
    reactor.addSystemEventTrigger("after", "shutdown", committer.stop)
    reactor.addSystemEventTrigger("after", "shutdown", observing.stop)
    wire.reload = serving.read_certificates
    wire.drain = drain
    _end_at_sigterm(wire, reactor)
    reactor.run()
    if failures:
        raise SystemExit(1)


def _end_at_sigterm(wire: NewsWire, reactor: ReactorBase) -> None:
    """Once the reactor runs: its own answer is an error where the process is just ending by itself."""
    reactor.callWhenRunning(
        signal.signal,
        signal.SIGTERM,
        lambda number, frame: reactor.callFromThread(wire.end),
    )


def _first_line() -> bytes:
    """The octets of standard input up to the first line end, and not one more: the rest is for the reactor."""
    line = b""
    while not line.endswith(b"\n"):
        octet = os.read(0, 1)
        if not octet:
            raise SystemExit("this is started by the server, with workers = 2 or more in its configuration")
        line += octet
    return line


def _adopted(startup: Startup) -> Mapping[str, Sequence[BoundAddress]]:
    return {
        name: [
            BoundAddress(address, None if descriptor is None else socket.socket(fileno=descriptor))
            for address, descriptor in several
        ]
        for name, several in startup.sockets.items()
    }


def _nothing() -> None:
    """Nothing can be reloaded yet."""


def _cannot_open(failure: Failure, reactor: ReactorBase, failures: list[Failure]) -> None:
    """Ends the process, which tells its parent."""
    failures.append(failure)
    if failure.check(ConfigError):
        Logger().error("a worker cannot serve: {reason}", reason=failure.getErrorMessage())
    else:
        Logger().failure("a worker cannot serve", failure)
    reactor.callWhenRunning(reactor.stop)


if __name__ == "__main__":
    main()
