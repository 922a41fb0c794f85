"""Whether servers that are dead hold up mail for others: messages to many domains on real sockets, with real DNS.

`python -m benchmarks.manydomains [--messages N] [--domains N] [--dead N] [--json] [FOLDER]`: FOLDER is on the file
system to measure.  First the mail of the domains that work goes out alone, then again while others are dead: half of
those refuse connections, half take them and never say a word.  Name server and mail servers are a process of their own,
on addresses of 127.9.0.0/16.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, TypeVar

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.threads import deferToThreadPool
from twisted.names import dns
from twisted.names.common import ResolverBase
from twisted.names.error import DomainError
from twisted.names.server import DNSServerFactory
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from benchmarks.fullqueue import World, fill
from twisted_mail.committing.committer import CommitterThread
from twisted_mail.content import Message
from twisted_mail.delivery.mx import MXResolver
from twisted_mail.delivery.relay import Relay
from twisted_mail.delivery.routes import Routes
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.protocols.clienttls import unverified, verified
from twisted_mail.protocols.smtpclient import ClientOptions
from twisted_mail.protocols.smtppool import ConnectionPool
from twisted_mail.queue.rounds import QueueOptions
from twisted_mail.queue.scheduler import Scheduler
from twisted_mail.queue.spool import Spool, SpoolFiles
from twisted_mail.resolving import dns_resolver
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import FilterDelivery

reactor: Any = global_reactor
T = TypeVar("T")
PATIENCE = 300.0
"""Seconds for one run."""


def domain(number: int) -> str:
    return f"d{number}.example"


def address(number: int) -> str:
    """Where its mail server is."""
    return f"127.9.{number // 250}.{number % 250 + 1}"


# ---- the other side: a name server, and a mail server for each domain


class Zone(ResolverBase):
    """Every domain has an MX, `mx.DOMAIN`, with one address."""

    def __init__(self, domains: int) -> None:
        super().__init__()
        self._addresses = {domain(number): address(number) for number in range(domains)}

    def _lookup(self, name: bytes, cls: int, type: int, timeout: object) -> Deferred[object]:
        text = name.decode().lower()
        host = text.removeprefix("mx.")
        if host not in self._addresses:
            return fail(DomainError(name))
        records: dict[tuple[bool, int], object] = {
            (False, dns.MX): dns.Record_MX(10, f"mx.{host}"),
            (True, dns.A): dns.Record_A(self._addresses[host]),
        }
        record = records.get((text != host, type))
        answers = [dns.RRHeader(name, type, ttl=3600, payload=record)] if record is not None else []
        return succeed((answers, [], []))


REPLIES = {b"EHLO": b"250-sink\r\n250 PIPELINING", b"DATA": b"354 go on", b"QUIT": b"221 bye"}


class Sink(Protocol):
    """Takes every message, as fast as it can."""

    def __init__(self, taken: Counter[str]) -> None:
        self._taken = taken
        self._buffer = b""
        self._in_text = False

    def connectionMade(self) -> None:
        self._say(b"220 sink")

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        while True:
            line, end, rest = self._buffer.partition(b"\r\n.\r\n" if self._in_text else b"\r\n")
            if not end:
                return
            self._buffer = rest
            if self._in_text:
                self._in_text = False
                self._taken[self.transport.getHost().host] += 1  # type: ignore[union-attr]
                self._say(b"250 taken")
            else:
                self._answer(line[:4].upper())

    def _answer(self, verb: bytes) -> None:
        self._in_text = verb == b"DATA"
        self._say(
            {b"EHLO": b"250-sink\r\n250 PIPELINING", b"DATA": b"354 go on", b"QUIT": b"221 bye"}.get(verb, b"250 ok")
        )

    def _say(self, line: bytes) -> None:
        assert self.transport is not None
        self.transport.write(line + b"\r\n")


class Ending(Protocol):
    """Standard input: at its end, what every server has taken is printed, and the process ends."""

    def __init__(self, taken: Counter[str]) -> None:
        self._taken = taken

    def connectionLost(self, reason: object = None) -> None:
        print(json.dumps(self._taken), flush=True)
        reactor.stop()


def be_peers(domains: int, dead: int) -> None:
    """The first *dead* domains are: they refuse connections or never speak."""
    taken: Counter[str] = Counter()
    sinks = Factory.forProtocol(lambda: Sink(taken))
    silent = Factory.forProtocol(Protocol)
    first = reactor.listenTCP(0, sinks, interface=address(dead))
    port = first.getHost().port
    for number in range(domains):
        if number >= dead and number != dead:
            reactor.listenTCP(port, sinks, 200, address(number))
        elif number < dead and number % 2:
            reactor.listenTCP(port, silent, 200, address(number))
    names = reactor.listenUDP(0, dns.DNSDatagramProtocol(DNSServerFactory(clients=[Zone(domains)])), "127.0.0.1")
    print(json.dumps([names.getHost().port, port]), flush=True)
    StandardIO(Ending(taken))
    reactor.run()


# ---- our side


@implementer(IDeliveryTarget)
class Counting:
    """The relay, which tells when so many messages have gone out."""

    def __init__(self, relay: IDeliveryTarget, expected: int) -> None:
        self._relay = relay
        self._left = expected
        self.all_gone: Deferred[None] = Deferred()

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _Counted(await self._relay.begin(origin, sender, options), self)

    def note(self, results: Mapping[Recipient, SMTPError | None]) -> None:
        self._left -= sum(error is None for error in results.values())
        if not self._left and not self.all_gone.called:
            self.all_gone.callback(None)


class _Counted(FilterDelivery):
    def __init__(self, inner: IDelivery, counting: Counting) -> None:
        super().__init__(inner)
        self._counting = counting

    async def deliver(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        results = await self._inner.deliver(message)
        self._counting.note(results)
        return results


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run showed."""

    messages: int
    """For domains that work."""
    seconds: float
    """Until the last of them had gone out."""
    processor: float
    """Seconds of it that our side took meanwhile."""
    taken: int
    """That their servers have: no more than that, unless one was sent twice."""
    domains: int
    """That have got all of theirs."""


async def send(folder: str, expected: int, ports: tuple[int, int]) -> tuple[float, float]:
    """Seconds in which *expected* messages of the queue in *folder* went out, and those of the processor."""
    names, port = ports
    committer, threads = CommitterThread(reactor), ThreadPool(0, 4)
    committer.start()
    threads.start()

    def disk(call: Callable[[], object]) -> Deferred[object]:
        return deferToThreadPool(reactor, threads, call)

    spool = Spool(folder, committer, disk, reactor)
    options = ClientOptions(reactor, "us.example", disk, verified(), unverified())
    resolver = dns_resolver([("127.0.0.1", names)], reactor)
    # those of this machine are not itself here, and nobody may listen on port 25
    mx = MXResolver(resolver, reactor, "us.example", Random(1), is_own_address=lambda address: False, port=port)
    relay = Relay(Routes(), mx, ConnectionPool(options))
    counting = Counting(relay, expected)
    scheduler = Scheduler(spool, counting, World(), QueueOptions("us.example"), reactor)
    started, processor = time.perf_counter(), time.process_time()
    scheduler.start()
    try:
        await counting.all_gone.addTimeout(PATIENCE, reactor)
        return time.perf_counter() - started, time.process_time() - processor
    finally:
        await scheduler.stop(0)
        await relay.close()
        committer.stop()
        threads.stop()


def run(awaitable: Coroutine[Deferred[Any], Any, T]) -> T:
    """What comes of it, with the reactor running so long (crash() lets it run again)."""
    outcome: list[Any] = []

    def start() -> None:
        Deferred.fromCoroutine(awaitable).addBoth(outcome.append).addBoth(lambda _: reactor.crash())

    reactor.callWhenRunning(start)
    reactor.run(installSignalHandlers=False)
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    result: T = outcome[0]
    return result


def measure(folder: str, messages: int, numbers: Sequence[int], dead: int, domains: int) -> Outcome:
    """Send *messages* to the domains of those *numbers*, of which the first *dead* of all are."""
    fill(SpoolFiles(folder), messages, time.time(), [domain(number) for number in numbers])
    living = sum(numbers[count % len(numbers)] >= dead for count in range(messages))
    command = [
        sys.executable,
        "-m",
        "benchmarks.manydomains",
        "--peers",
        "--domains",
        str(domains),
        "--dead",
        str(dead),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peers:
        assert peers.stdin is not None
        assert peers.stdout is not None
        ports = json.loads(peers.stdout.readline())
        try:
            seconds, processor = run(send(folder, living, ports))
        finally:
            peers.stdin.close()
        taken = json.loads(peers.stdout.readline())
    share = living // sum(number >= dead for number in numbers)
    domains_done = sum(count >= share for count in taken.values())
    return Outcome(living, round(seconds, 2), round(processor, 2), sum(taken.values()), domains_done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=".", metavar="FOLDER")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--domains", type=int, default=100)
    parser.add_argument("--dead", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peers", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    domains, dead, messages = arguments.domains, arguments.dead, arguments.messages
    if arguments.peers:
        be_peers(domains, dead)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = os.path.abspath(temporary)
        living = messages * (domains - dead) // domains
        alone = measure(f"{folder}/alone", living, range(dead, domains), dead, domains)
        beside = measure(f"{folder}/beside", messages, range(domains), dead, domains)
    if arguments.json:
        print(json.dumps({"alone": asdict(alone), "beside": asdict(beside)}))
        return
    print(f"{alone.messages} messages to {domains - dead} domains: {_shown(alone)}")
    print(f"with {messages - living} to {dead} dead ones beside: {_shown(beside)}")


def _shown(outcome: Outcome) -> str:
    return f"{outcome.seconds:.2f} s, {outcome.processor:.2f} s of processor; {outcome.taken} were taken"


if __name__ == "__main__":
    main()
