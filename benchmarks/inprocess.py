"""What a message costs the reactor's thread, without sockets, syncs and other processes: repeatable to a few per cent.

    python -m benchmarks.inprocess [W1 W2 W2p W4 P1 P1t P2 P2p] [--rounds 7] [--profile]

The whole `House` of one process, with clients that are lists of octets and a committer that writes in turn and syncs
nothing.  Printed is processor time in microseconds: for a message (W4: with its 100 recipients), a login (P1t: over
STLS), a RETR; without what the committer's process and the client's part of TLS take.  For comparing two states of the
code on a busy machine.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ISystemHandle, ITCPTransport, ITLSTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import FileLogObserver, globalLogBeginner, globalLogPublisher
from zope.interface import implementer

from benchmarks.load import trusting
from benchmarks.servers import make_certificate
from twisted_mail import durable, service
from twisted_mail.auth.passwords import hash_password
from twisted_mail.auth.recent import KEY_SIZE, RecentLogins
from twisted_mail.auth.throttle import Throttle
from twisted_mail.committing.wire import pack
from twisted_mail.config import Config, load
from twisted_mail.neighbours import Neighbours
from twisted_mail.observing import Observing, format_log, line_format_of
from twisted_mail.protocols.limits import LocalCounts
from twisted_mail.protocols.tls import Certificates, Identity, TLSMaterial
from twisted_mail.smarthosts import read_routes

USERS = 100
READERS = 20
MESSAGES = 250
"""Of each reader."""
SETTINGS = """hostname = "mx.example.test"
data = "data"
[listen]
smtp = ["tcp:0:interface=127.0.0.1"]
submission = []
submissions = []
pop3 = ["tcp:0:interface=127.0.0.1"]
pop3s = []
web = []
[relay]
enabled = false
[auth]
allow_plaintext = true
"""
LETTER = (
    b"From: <s@example.org>\r\nSubject: benchmark\r\nMessage-ID: <%d@example.org>\r\n\r\n" + (b"x" * 70 + b"\r\n") * 55
)
HOUSE: Any = reactor


class Commits:
    """A Committer: jobs wait until somebody has them done, here and now."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """Of processor time that are not the reactor's."""
        self._waiting: list[tuple[durable.Job, durable.Phase, Deferred[None]]] = []

    def run(self, job: durable.Job, phase: durable.Phase) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._waiting.append((job, phase, done))
        return done

    def discard(self, job: durable.Job) -> None: ...

    def do_all(self) -> bool:
        """Whether there was anything."""
        waiting, self._waiting = self._waiting, []
        # as it would go to the committer's process
        pack([(id(job), phase.value, job) for job, phase, _ in waiting])
        batch = [durable.Entry(job, phase) for job, phase, _ in waiting]
        with self.elsewhere():
            durable.run_batch(batch, NoSyncing())  # type: ignore[arg-type]
        for entry, (_, _, done) in zip(batch, waiting, strict=True):
            if entry.error is not None:
                raise entry.error
            done.callback(None)
        return bool(waiting)

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """What is done here is not the reactor's work."""
        start = time.process_time()
        yield
        self.seconds += time.process_time() - start


class NoSyncing:
    def sync_files(self, descriptors: object) -> dict[int, OSError]:
        return {}

    def sync_directories(self, paths: object) -> dict[str, OSError]:
        return {}


class Handle:
    """A socket that has from its listener what it needs (protocols/keepalive.py)."""

    def getsockopt(self, level: int, option: int) -> int:
        return 1


@implementer(ITCPTransport, ITLSTransport, ISystemHandle)  # type: ignore[misc]  # as far as it is used
class Wire:
    """A transport, and the client at its other end."""

    host, port = "127.0.0.1", 1
    connected, disconnecting = True, False

    def __init__(self, factory: Any, commits: Commits) -> None:
        self.replies: list[bytes] = []
        self._commits = commits
        self._tls: Secured | None = None
        self.protocol: Any = factory.buildProtocol(None)
        self.protocol.makeConnection(self)
        self._wait(lambda: bool(self.replies))

    def say(self, octets: bytes, ends: int = 1) -> bytes:
        """What is answered, once there are *ends* writes of it."""
        if self._tls is not None:
            with self._commits.elsewhere():
                octets = self._tls.closed(octets)
        answer = self._exchange(octets, ends)
        if self._tls is not None:
            with self._commits.elsewhere():
                answer = self._tls.opened(answer)
        return answer

    def start_tls(self, context: ssl.SSLContext) -> None:
        self.say(b"STLS\r\n")
        with self._commits.elsewhere():
            tls = Secured(context)
            octets = tls.handshake(b"")
        answer = self._exchange(octets)
        with self._commits.elsewhere():
            octets = tls.handshake(answer)
        answer = self._exchange(octets, 0)
        with self._commits.elsewhere():
            tls.handshake(answer)
        self._tls = tls

    def fetch(self, octets: bytes, count: int) -> None:
        self.replies.clear()
        self.protocol.dataReceived(octets)
        self._wait(lambda: b"".join(self.replies).count(b"\r\n.\r\n") >= count)

    def end(self) -> None:
        self.say(b"QUIT\r\n")
        protocol, self.protocol = self.protocol, None  # as a socket does: two that hold one another stay in memory
        protocol.connectionLost(connectionDone)

    def _exchange(self, octets: bytes, ends: int = 1) -> bytes:
        self.replies.clear()
        self.protocol.dataReceived(octets)
        self._wait(lambda: len(self.replies) >= ends)
        return b"".join(self.replies)

    def _wait(self, done: Callable[[], bool]) -> None:
        while not done():
            if not self._commits.do_all():
                HOUSE.runUntilCurrent()
                HOUSE.doIteration(0.001)

    def writeSomeData(self, octets: bytes) -> int:
        self.replies.append(octets)
        return len(octets)

    def write(self, octets: bytes) -> None:
        self.replies.append(octets)

    def getPeer(self) -> Wire:
        return self

    getHost = getPeer

    def getHandle(self) -> Handle:
        return Handle()

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith(("set", "register", "unregister", "pause", "resume", "lose", "abort")):
            return lambda *arguments: None
        raise AttributeError(name)


class Secured:
    """The client's part of TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._from_server, self._to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._from_server, self._to_server)

    def handshake(self, octets: bytes) -> bytes:
        """The next flight."""
        self._from_server.write(octets)
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._to_server.read()

    def closed(self, octets: bytes) -> bytes:
        self._tls.write(octets)
        return self._to_server.read()

    def opened(self, octets: bytes) -> bytes:
        self._from_server.write(octets)
        return self._tls.read(1 << 16)


def sending(
    house: service.House, commits: Commits, messages: int, *, each: int, recipients: int, pipelined: bool
) -> int:
    for first in range(0, messages, each):
        wire = Wire(house.factories["smtp"], commits)
        wire.say(b"EHLO client.example.org\r\n")
        for number in range(first, first + each):
            to = [b"RCPT TO:<u%d@example.test>\r\n" % ((number + k) % USERS) for k in range(recipients)]
            commands = [b"MAIL FROM:<s@example.org>\r\n", *to, b"DATA\r\n"]
            for command in [b"".join(commands)] if pipelined else commands:
                wire.say(command)
            if not wire.say(LETTER % number + b".\r\n").startswith(b"250"):
                raise SystemExit("a message was refused")
        wire.end()
    return messages


def fetching(
    house: service.House, commits: Commits, sessions: int, *, messages: int, window: int, tls: bool = False
) -> int:
    context = trusting()
    for session in range(sessions):
        wire = Wire(house.factories["pop3"], commits)
        if tls:
            wire.start_tls(context)
        wire.say(b"USER u%d@example.test\r\n" % (session % READERS))
        if not wire.say(b"PASS secret\r\n").startswith(b"+OK"):
            raise SystemExit("a login was refused")
        wire.say(b"STAT\r\n")
        for first in range(1, messages + 1, window):
            numbers = range(first, min(first + window, messages + 1))
            wire.fetch(b"".join(b"RETR %d\r\n" % number for number in numbers), len(numbers))
        wire.end()
    return sessions * (messages or 1)


WORKLOADS: dict[str, Callable[[service.House, Commits], int]] = {
    "W1": lambda house, commits: sending(house, commits, 300, each=1, recipients=1, pipelined=False),
    "W2": lambda house, commits: sending(house, commits, 300, each=100, recipients=1, pipelined=False),
    "W2p": lambda house, commits: sending(house, commits, 300, each=100, recipients=1, pipelined=True),
    "W4": lambda house, commits: sending(house, commits, 10, each=10, recipients=100, pipelined=False),
    "P1": lambda house, commits: fetching(house, commits, 300, messages=0, window=1),
    "P1t": lambda house, commits: fetching(house, commits, 300, messages=0, window=1, tls=True),
    "P2": lambda house, commits: fetching(house, commits, READERS, messages=MESSAGES, window=1),
    "P2p": lambda house, commits: fetching(house, commits, READERS, messages=MESSAGES, window=50),
}


@contextmanager
def running(folder: Path) -> Iterator[tuple[service.House, Commits]]:
    config = configured(folder)
    with open(folder / "log", "w") as log:
        observer = FileLogObserver(log, line_format_of(config.log))
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
        for each in Observing(config, "main", HOUSE, first=True)._observers:
            globalLogPublisher.addObserver(each)
        commits, recent = Commits(), RecentLogins(HOUSE, os.urandom(KEY_SIZE))
        neighbours = Neighbours(commits, LocalCounts(), Throttle(), recent, leads=False)
        house = service.House(config, certificates(folder), read_routes(config), HOUSE, neighbours)
        for pool in house.threads:
            pool.start()
        yield house, commits
        for pool in house.threads:
            pool.stop()


def certificates(folder: Path) -> Certificates:
    made = make_certificate(folder)
    return Certificates(TLSMaterial(Identity(made.chain.read_bytes(), made.key.read_bytes())))


def configured(folder: Path) -> Config:
    """With accounts, some of which have mail."""
    path = folder / "mailserver.toml"
    path.write_text(SETTINGS)
    administer = [sys.executable, "-m", "twisted_mail.cli", "--config", path]
    subprocess.run([*administer, "domain", "add", "example.test"], check=True, stdout=subprocess.DEVNULL)
    stored = hash_password("secret")
    (folder / "accounts.csv").write_text("".join(f'u{n}@example.test,"{stored}"\n' for n in range(USERS)))
    import_all = [*administer, "account", "import", folder / "accounts.csv"]
    subprocess.run(import_all, check=True, stdout=subprocess.DEVNULL)
    for user in range(READERS):
        for name in ("new", "cur", "tmp"):
            (folder / f"data/example.test/u{user}/{name}").mkdir(parents=True)
        for number in range(MESSAGES):
            wire = LETTER % number
            text = wire.replace(b"\r\n", b"\n")
            name = f"1.{number:032x}.h,S={len(text)},W={len(wire)}"
            (folder / f"data/example.test/u{user}/new/{name}").write_bytes(text)
    return format_log(load(path), None)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inprocess", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=" ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", action="store_true", help="where the time of one more round goes")
    options = parser.parse_args()
    # not in memory: tmpfs cannot say whether a read would wait
    with (
        tempfile.TemporaryDirectory(prefix="mailserver-benchmark-", dir="/var/tmp") as folder,
        running(Path(folder)) as (
            house,
            commits,
        ),
    ):
        for name in options.workloads or ("W1", "W2", "W2p", "P1", "P2", "P2p", "W4"):
            work = WORKLOADS[name]
            work(house, commits)
            costs = sorted(cost(work, house, commits) for _ in range(options.rounds))
            print(f"{name:4} {costs[0]:8.1f} us at best, {costs[len(costs) // 2]:8.1f} us median", flush=True)
            if options.profile:
                with cProfile.Profile() as profile:
                    work(house, commits)
                pstats.Stats(profile).sort_stats("tottime").print_stats(40)


def cost(work: Callable[[service.House, Commits], int], house: service.House, commits: Commits) -> float:
    """Microseconds."""
    commits.seconds, start = 0.0, time.process_time()
    count = work(house, commits)
    return (time.process_time() - start - commits.seconds) / count * 1e6


if __name__ == "__main__":
    main()
