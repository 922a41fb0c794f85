"""The parent of several processes, with processes that only seem to run."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field, replace
from typing import cast

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.config import Config, ConfigError, demo_config
from twisted_mail.listeners import BoundAddress
from twisted_mail.protocols.limits import SharedCounts
from twisted_mail.workers import (
    COMMITTER,
    COUNTS,
    DRAIN,
    FIRST_SOCKET,
    LONGEST_PAUSE,
    NEWS,
    QUICK_DEATH,
    READY,
    RELOAD,
    STOP_WITHIN,
    Startup,
    Workers,
)


@dataclass
class SeemingProcess:
    """What spawnProcess was asked for, and a transport that remembers what it was given."""

    protocol: ProcessProtocol
    descriptors: dict[int, str | int]
    written: list[bytes] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    gone: bool = False
    deaf: bool = False

    def writeToChild(self, descriptor: int, octets: bytes) -> None:
        if descriptor != 0 or self.deaf:
            raise KeyError(descriptor)  # as Twisted does
        self.written.append(octets)

    def signalProcess(self, name: str) -> None:
        if self.gone:
            raise ProcessExitedAlready()
        self.signals.append(name)

    def close_input(self) -> None:
        self.deaf = True
        self.protocol.childConnectionLost(0)

    def die(self) -> None:
        self.gone = True
        self.protocol.processEnded(Failure(ProcessTerminated(signal=9)))

    @property
    def startup(self) -> Startup:
        return Startup.decode(self.written[0])


class ReactorOfProcesses(MemoryReactorClock):
    """Its processes are in `spawned`, the oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.spawned: list[SeemingProcess] = []
        self.exhausted = False

    def spawnProcess(
        self, protocol: ProcessProtocol, program: str, arguments: list[str], env: None, childFDs: dict[int, str | int]
    ) -> None:
        if self.exhausted:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        process = SeemingProcess(protocol, childFDs)
        self.spawned.append(process)
        protocol.makeConnection(process)  # type: ignore[arg-type]  # as much of a transport as is asked for


class Socket:
    """Has a descriptor."""

    def fileno(self) -> int:
        return 77


def configured(workers: int) -> Config:
    return replace(demo_config(), workers=workers)


class StartupTests(SynchronousTestCase):
    def test_what_was_encoded_comes_back_from_one_line(self) -> None:
        config = configured(2)
        sockets = {"smtp": [(config.listen.smtp[0], 5), (config.listen.pop3[0], None)]}
        startup = Startup(config, None, None, sockets, 1, 2, b"key", "twisted.internet.epollreactor")
        line = startup.encode()
        self.assertEqual(1, line.count(b"\n"))
        self.assertTrue(line.endswith(b"\n"))
        self.assertEqual(startup, Startup.decode(line))


class WorkersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = ReactorOfProcesses()
        self.events: list[LogEvent] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)
        config = configured(2)
        self.smtp = BoundAddress(config.listen.smtp[0], cast("object", Socket()))  # type: ignore[arg-type]
        foreign = BoundAddress(config.listen.pop3[0], None)
        bound = {"smtp": [self.smtp], "pop3": [foreign]}
        self.workers = Workers(config, None, None, bound, cast(ReactorBase, self.reactor))
        opened = Deferred.fromCoroutine(self.workers.open())
        self.assertNoResult(opened)
        for process in self.running:
            process.protocol.childDataReceived(NEWS, READY + b"\n")
        self.successResultOf(opened)

    @property
    def running(self) -> list[SeemingProcess]:
        return [process for process in self.reactor.spawned if not process.gone]

    def stop(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.workers.close())

    def tearDown(self) -> None:
        stopped = self.stop()
        for process in self.running:
            process.die()
        self.successResultOf(stopped)
        self.reactor.advance(2 * LONGEST_PAUSE)
        self.assertEqual([], self.running, "a worker was started after the end")

    def test_start_gives_each_worker_its_number_and_all_it_needs(self) -> None:
        self.assertEqual([0, 1], [process.startup.number for process in self.running])
        for process in self.running:
            startup = process.startup
            self.assertEqual((2, configured(2)), (startup.workers, startup.config))
            self.assertEqual([(self.smtp.address, FIRST_SOCKET)], startup.sockets["smtp"])
            self.assertIsNone(startup.sockets["pop3"][0][1])
            self.assertEqual(77, process.descriptors[FIRST_SOCKET])
            self.assertEqual({0, 1, 2, NEWS, COUNTS, COMMITTER, FIRST_SOCKET}, set(process.descriptors))

    def test_a_worker_that_served_for_long_is_replaced_at_once(self) -> None:
        self.reactor.advance(QUICK_DEATH)
        self.running[0].die()
        self.reactor.advance(0)
        self.assertEqual([1, 0], [process.startup.number for process in self.running])
        [event] = [event for event in self.events if "another starts" in str(event.get("log_format"))]
        self.assertEqual((0, 0.0), (event["number"], event["pause"]))

    def test_a_worker_that_dies_at_once_waits_longer_each_time(self) -> None:
        pauses = []
        for _ in range(8):
            count = len(self.reactor.spawned)
            self.worker(1).die()
            pause = 0
            while len(self.reactor.spawned) == count:
                self.reactor.advance(1)
                pause += 1
            pauses.append(pause)
        self.assertEqual([1, 2, 4, 8, 16, 32, 60, 60], pauses)
        self.assertEqual(2, len(self.running))

    def test_a_worker_that_served_after_a_pause_is_replaced_at_once_again(self) -> None:
        self.worker(0).die()
        self.reactor.advance(1)
        self.reactor.advance(QUICK_DEATH)
        self.worker(0).die()
        self.reactor.advance(0)
        self.assertEqual(2, len(self.running))

    def test_replacement_that_cannot_be_started_is_tried_again(self) -> None:
        self.reactor.advance(QUICK_DEATH)
        self.reactor.exhausted = True
        self.worker(0).die()
        for _ in range(4):
            self.reactor.advance(1)
        self.reactor.exhausted = False
        self.assertEqual(1, len(self.running))
        self.reactor.advance(4)
        self.assertEqual(2, len(self.running))

    def test_start_that_fails_is_a_configuration_error_and_stops_in_order(self) -> None:
        self.reactor.exhausted = True
        config = configured(2)
        workers = Workers(config, None, None, {}, cast(ReactorBase, self.reactor))
        self.failureResultOf(Deferred.fromCoroutine(workers.open()), ConfigError)
        self.successResultOf(Deferred.fromCoroutine(workers.close()))
        self.reactor.exhausted = False

    def test_worker_that_ends_before_it_serves_is_a_configuration_error(self) -> None:
        workers = Workers(configured(2), None, None, {}, cast(ReactorBase, self.reactor))
        opened = Deferred.fromCoroutine(workers.open())
        first, second = self.reactor.spawned[2:]
        first.protocol.childDataReceived(NEWS, READY + b"\n")
        second.die()
        self.failureResultOf(opened, ConfigError)
        closed = Deferred.fromCoroutine(workers.close())
        first.die()
        self.successResultOf(closed)
        self.reactor.advance(LONGEST_PAUSE)
        self.assertEqual(4, len(self.reactor.spawned))

    def worker(self, number: int) -> SeemingProcess:
        [process] = [process for process in self.running if process.startup.number == number]
        return process

    def test_the_connections_of_a_dead_worker_are_no_longer_counted(self) -> None:
        counts = self.workers._counts
        os.pwrite(counts, b"\1" * SharedCounts.WIDTH * 2, 0)
        self.reactor.advance(QUICK_DEATH)
        self.worker(1).die()
        self.reactor.advance(0)
        own, other = (os.pread(counts, SharedCounts.WIDTH, SharedCounts.WIDTH * number) for number in (1, 0))
        self.assertEqual(bytes(SharedCounts.WIDTH), own)
        self.assertEqual(b"\1" * SharedCounts.WIDTH, other)

    def test_news_of_one_go_to_the_others_by_whole_lines(self) -> None:
        first, second = self.running
        first.protocol.childDataReceived(NEWS, b'["failed", "192.0.')
        self.assertEqual(1, len(second.written))
        first.protocol.childDataReceived(NEWS, b'2.1", "a@example.org"]\n["succeeded"')
        self.assertEqual([b'["failed", "192.0.2.1", "a@example.org"]\n'], second.written[1:])
        self.assertEqual(1, len(first.written))

    def test_news_for_a_worker_that_hears_no_more_do_no_harm(self) -> None:
        # dead, but its other pipes are still open
        first, second = self.running
        second.close_input()
        first.protocol.childDataReceived(NEWS, b'["failed", "192.0.2.1", "a@example.org"]\n')
        self.assertEqual(1, len(second.written))

    def test_stop_when_a_worker_has_just_died(self) -> None:
        first, second = self.running
        second.gone = True
        stopped = self.stop()
        self.assertEqual(["TERM"], first.signals)
        first.die()
        second.die()
        self.successResultOf(stopped)

    def test_reload_is_for_all_workers(self) -> None:
        self.workers.read_certificates()
        self.assertEqual([[RELOAD], [RELOAD]], [process.written[1:] for process in self.running])
        self.assertEqual([[], []], [process.signals for process in self.running])

    def test_workers_that_drain_end_by_themselves_and_are_not_replaced(self) -> None:
        drained = Deferred.fromCoroutine(self.workers.drain())
        first, second = self.running
        self.assertEqual(([DRAIN], [DRAIN]), (first.written[1:], second.written[1:]))
        self.reactor.advance(QUICK_DEATH)
        first.die()
        self.reactor.advance(LONGEST_PAUSE)
        self.assertNoResult(drained)
        self.assertEqual([[], []], [process.signals for process in (first, second)])
        second.die()
        self.successResultOf(drained)
        self.assertEqual(2, len(self.reactor.spawned))

    def test_workers_that_drain_can_be_stopped(self) -> None:
        drained = Deferred.fromCoroutine(self.workers.drain())
        stopped = self.stop()
        for process in self.running:
            self.assertEqual(["TERM"], process.signals)
            process.die()
        self.successResultOf(drained)
        self.successResultOf(stopped)

    def test_what_a_worker_prints_is_logged_line_by_line(self) -> None:
        first, _ = self.running
        first.protocol.childDataReceived(1, "grüße\nund".encode())
        first.protocol.childDataReceived(2, b"oops\xff\n")
        lines = [event.get("finished_line") or event["line"] for event in self.events if "worker" in event]
        self.assertEqual(["grüße", "oops\ufffd"], lines)

    def test_stop_waits_for_all_workers(self) -> None:
        stopped = self.stop()
        self.assertEqual([["TERM"], ["TERM"]], [process.signals for process in self.running])
        first, second = self.running
        first.die()
        self.assertNoResult(stopped)
        second.die()
        self.successResultOf(stopped)
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_stop_kills_those_that_take_too_long(self) -> None:
        stopped = self.stop()
        first, second = self.running
        first.die()
        self.reactor.advance(STOP_WITHIN)
        self.assertEqual((["TERM"], ["TERM", "KILL"]), (first.signals, second.signals))
        second.die()
        self.successResultOf(stopped)

    def test_stop_while_a_worker_waits_for_its_turn_to_start(self) -> None:
        self.worker(1).die()
        stopped = self.stop()
        self.worker(0).die()
        self.successResultOf(stopped)
        self.reactor.advance(LONGEST_PAUSE)
        self.assertEqual(2, len(self.reactor.spawned))
