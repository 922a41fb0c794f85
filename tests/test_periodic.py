"""Work that comes again and again goes on, whatever happened the last time."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.periodic import Periodic


class PeriodicTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.times: list[float] = []

    def periodic(self) -> Periodic:
        return Periodic(self.work, 60, self.clock, Logger(), "it failed")

    def work(self) -> Deferred[None] | None:
        self.times.append(self.clock.seconds())
        return None

    def test_it_begins_at_once_and_comes_again_until_it_is_stopped(self) -> None:
        periodic = self.periodic()
        periodic.start()
        self.clock.pump([60, 60])
        periodic.stop()
        periodic.stop()
        self.clock.pump([60, 60])
        self.assertEqual([0, 60, 120], self.times)
        self.assertFalse(periodic.running)

    def test_it_may_begin_later(self) -> None:
        periodic = self.periodic()
        periodic.start(at_once=False)
        self.clock.advance(60)
        self.assertEqual([60], self.times)

    def test_after_a_failure_it_comes_again(self) -> None:
        failing = Periodic(self.fail_at_once, 60, self.clock, Logger(), "it failed")
        later = Periodic(self.fail_later, 60, self.clock, Logger(), "it failed")
        for periodic in (failing, later):
            periodic.start()
        self.clock.pump([60, 60])
        self.assertEqual([0, 0, 60, 60, 120, 120], self.times)
        self.assertEqual(6, len(self.flushLoggedErrors(OSError)))

    def fail_at_once(self) -> None:
        self.work()
        raise OSError

    async def fail_later(self) -> None:
        self.work()
        raise OSError

    def test_one_that_lasts_longer_has_no_second_beside_it(self) -> None:
        waiting: Deferred[None] = Deferred()

        def work() -> Deferred[None]:
            self.work()
            return waiting

        Periodic(work, 60, self.clock, Logger(), "it failed").start()
        self.clock.pump([60, 60, 10])
        self.assertEqual([0], self.times)
        waiting.callback(None)
        self.clock.advance(50)
        self.assertEqual([0, 180], self.times)
