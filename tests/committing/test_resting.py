"""The committer that rests: real processes, and a clock that the test advances."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from tests.committing.ordering import OrderingTestCase
from twisted_mail.committing import process, resting
from twisted_mail.committing.resting import ENDS_WITHIN, LOOKS, RESTS_AFTER, RestingCommitter
from twisted_mail.durable import NewFile, Phase, make_directory_of

LOOK = RESTS_AFTER / LOOKS
"""Seconds from one look to the next."""
NO_PROCESS = "the committer has no process of its own, which costs speed"


def children() -> set[int]:
    """Those of this process; also those that have ended and nobody has asked for."""
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@contextlib.contextmanager
def room_for(count: int) -> Iterator[None]:
    """Of open files, *count* more."""
    used = {int(name) for name in os.listdir("/proc/self/fd")}
    free = [number for number in range(len(used) + count + 2) if number not in used]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[count], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Slow:
    """Contents that take until `end`."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.end = threading.Event()

    def write_to(self, descriptor: int) -> None:
        self.begun.set()
        assert self.end.wait(5)


class RestingTestCase(OrderingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.others = children()
        self.events = self.collected_events()
        self.committer = RestingCommitter(self.reactor)  # type: ignore[arg-type]
        self.addCleanup(self.end)

    def end(self) -> None:
        for pid in self.processes:
            os.kill(pid, signal.SIGCONT)
        self.committer.stop()
        self.assertEqual(set(), self.processes)
        self.reactor.advance(0)
        self.assertEqual([], self.reactor.getDelayedCalls())

    @property
    def processes(self) -> set[int]:
        """Of the committer: all that have not been reaped."""
        return children() - self.others

    @property
    def pid(self) -> int:
        [pid] = self.processes
        return pid

    @property
    def warnings(self) -> list[str]:
        formats = [str(event.get("log_format")) for event in self.events]
        return [NO_PROCESS for text in formats if text.startswith(NO_PROCESS)]

    @property
    def deaths(self) -> int:
        return sum(event.get("event") == "committer.ended" for event in self.events)

    def store(self, name: str) -> BaseException | None:
        """Whether a message could be stored, as a delivery sees it."""
        [error] = self.done(self.committer.run(self.file(name), Phase.BOTH))
        return error

    def until(self, is_so: Callable[[], bool], pause: float = 0.0) -> None:
        """*pause*: seconds that pass between two looks at it, by the reactor's clock."""
        end = time.monotonic() + 20
        while not is_so():
            self.reactor.advance(pause)
            self.reactor.turn()
            time.sleep(0.001)
            self.assertLess(time.monotonic(), end)

    def wait(self, seconds: float) -> None:
        """Nothing comes for so long."""
        self.reactor.pump([LOOK / 4] * round(4 * seconds / LOOK))
        self.reactor.turn()

    def rest(self) -> None:
        """Nothing comes until the process has ended and is reaped."""
        self.wait(RESTS_AFTER + LOOK)
        self.until(lambda: not self.processes, ENDS_WITHIN)

    def kill(self) -> None:
        """The process that works, and the reactor sees that."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        deaths = self.deaths
        self.until(lambda: self.deaths > deaths)

    def assert_stays_while_at_work(self) -> None:
        """The thread that stands in for a process."""
        slow, path = Slow(), os.path.abspath(f"{self.folder}/slow")
        result = self.committer.run(NewFile(slow, f"{path}.tmp", [path], make_directory_of), Phase.BOTH)
        self.assertTrue(slow.begun.wait(20))
        self.wait(3 * RESTS_AFTER)
        self.assertNoResult(result)
        slow.end.set()
        self.assertEqual([None], self.done(result))


class RestTests(RestingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.committer.start()

    def test_process_starts_before_there_is_a_job(self) -> None:
        self.assertEqual(1, len(self.processes))

    def test_process_ends_when_nothing_has_come_and_the_next_job_starts_another(self) -> None:
        first = self.pid
        self.wait(LOOK * 3 / 4)
        self.assertIsNone(self.store("one"))
        self.wait(RESTS_AFTER - LOOK / 4)
        self.assertIsNone(self.store("ten minutes later"))
        self.assertEqual(first, self.pid)
        self.rest()
        self.assertEqual([], self.reactor.getDelayedCalls())  # a server at rest has nothing to look at
        self.assertIsNone(self.store("two"))
        self.assertNotEqual(first, self.pid)
        self.assertEqual(["one", "ten minutes later", "two"], self.names())
        self.assertEqual([], self.warnings)
        self.assertEqual(0, self.deaths)

    def test_process_also_ends_when_there_never_was_a_job(self) -> None:
        self.rest()
        self.assertIsNone(self.store("one"))

    def test_one_job_between_looks_keeps_it_awake(self) -> None:
        first = self.pid
        for n in range(3 * LOOKS):
            self.wait(LOOK)
            self.assertIsNone(self.store(f"{n}"))
        self.wait(RESTS_AFTER)
        self.assertEqual(first, self.pid)

    def test_each_rest_leaves_nothing_open(self) -> None:
        self.rest()
        before = descriptors()
        for n in range(5):
            self.assertIsNone(self.store(f"{n}"))
            self.rest()
            self.assertEqual(before, descriptors())

    def test_job_that_comes_just_before_or_after_the_look_is_done(self) -> None:
        self.wait(RESTS_AFTER)
        before = self.committer.run(self.file("before"), Phase.BOTH)
        self.reactor.advance(LOOK)
        self.assertEqual([None], self.done(before))
        self.wait(RESTS_AFTER + LOOK)
        after = self.committer.run(self.file("after"), Phase.BOTH)
        self.assertEqual([None], self.done(after))
        self.assertEqual(["after", "before"], self.names())

    def test_process_that_has_not_answered_yet_stays(self) -> None:
        self.assertIsNone(self.store("one"))
        first = self.pid
        os.kill(first, signal.SIGSTOP)
        results = [self.committer.run(self.file(name), Phase.BOTH) for name in ("two", "three")]
        self.wait(3 * RESTS_AFTER)
        results.append(self.committer.run(self.file("four"), Phase.BOTH))
        self.wait(3 * RESTS_AFTER)
        os.kill(first, signal.SIGCONT)
        self.assertEqual([None] * 3, self.done(*results))
        self.assertEqual(first, self.pid)
        self.rest()

    def test_process_stays_for_what_it_has_prepared(self) -> None:
        published, discarded = self.file("published"), self.file("discarded")
        self.assertEqual(
            [None, None], self.done(*(self.committer.run(job, Phase.PREPARE) for job in (published, discarded)))
        )
        first = self.pid
        self.wait(3 * RESTS_AFTER)
        self.assertEqual(first, self.pid)
        self.assertEqual([None], self.done(self.committer.run(published, Phase.PUBLISH)))
        self.wait(3 * RESTS_AFTER)
        self.assertEqual(first, self.pid)
        self.committer.discard(discarded)
        self.until(lambda: self.names() == ["published"])
        self.rest()

    def test_process_that_is_slow_to_end_is_reaped_later_and_does_not_keep_the_next_one(self) -> None:
        first = self.pid
        os.kill(first, signal.SIGSTOP)
        self.wait(RESTS_AFTER + LOOK)
        self.assertIsNone(self.store("one"))
        second = self.processes - {first}
        self.assertEqual(1, len(second))
        self.wait(RESTS_AFTER + LOOK)
        self.assertIsNone(self.store("two"))
        os.kill(first, signal.SIGCONT)
        self.until(lambda: len(self.processes) == 1, LOOK)
        self.assertFalse(self.processes & {first, *second})

    def test_discarded_job_that_comes_at_rest_is_no_fault(self) -> None:
        """One whose preparation failed is not with the process."""
        self.rest()
        self.committer.discard(self.file())
        self.assertIsNone(self.store("one"))
        self.assertEqual(["one"], self.names())


class StopTests(RestingTestCase):
    """`end` says of each that no process, and no timer, is left."""

    def test_before_the_start(self) -> None:
        self.committer.stop()

    def test_while_the_process_starts(self) -> None:
        self.committer.start()
        self.committer.stop()

    def test_while_it_starts_again_for_what_waits(self) -> None:
        self.committer.start()
        self.rest()
        results = [self.committer.run(self.file(f"{n}"), Phase.BOTH) for n in range(300)]
        self.committer.stop()
        for result in results:
            self.successResultOf(result)
        self.assertEqual(300, len(self.names()))

    def test_at_rest(self) -> None:
        self.committer.start()
        self.rest()
        self.committer.stop()

    def test_while_the_process_ends(self) -> None:
        self.committer.start()
        os.kill(self.pid, signal.SIGSTOP)
        self.wait(RESTS_AFTER + LOOK)
        os.kill(self.pid, signal.SIGCONT)
        self.committer.stop()

    def test_while_a_thread_stands_in(self) -> None:
        with mock.patch.object(resting, "CommitterProcess", side_effect=OSError(errno.EAGAIN, "no more")):
            self.committer.start()
        result = self.committer.run(self.file(), Phase.BOTH)
        self.committer.stop()
        self.assertEqual(["m"], self.names())
        self.assertEqual([None], self.done(result))


class NoProcessTests(RestingTestCase):
    def test_thread_does_it_and_a_process_is_tried_again(self) -> None:
        with mock.patch.object(resting, "CommitterProcess", side_effect=OSError(errno.ENOMEM, "no memory")):
            self.committer.start()
            self.assertIsNone(self.store("one"))
            self.wait(LOOK)
            self.assertIsNone(self.store("two"))
            self.wait(3 * RESTS_AFTER)
            self.assertIsNone(self.store("three"))
        self.assertEqual([NO_PROCESS], self.warnings)
        self.assertEqual(set(), self.processes)
        self.wait(LOOK)
        self.assertIsNone(self.store("four"))
        self.assertEqual(1, len(self.processes))
        self.assertEqual(["four", "one", "three", "two"], self.names())

    def test_each_failure_after_a_success_is_told(self) -> None:
        for round in range(1, 3):
            with mock.patch.object(resting, "CommitterProcess", side_effect=OSError(errno.ENOMEM, "no memory")):
                self.assertIsNone(self.store(f"thread {round}"))
            self.wait(LOOK)
            self.assertIsNone(self.store(f"process {round}"))
            self.rest()
            self.assertEqual([NO_PROCESS] * round, self.warnings)

    def test_thread_that_is_at_work_stays_and_the_reactor_does_not_wait(self) -> None:
        with mock.patch.object(resting, "CommitterProcess", side_effect=OSError(errno.ENOMEM, "no memory")):
            self.committer.start()
        self.assert_stays_while_at_work()

    def test_what_a_thread_prepared_a_process_can_publish_or_discard(self) -> None:
        jobs = [self.file("published"), self.file("discarded")]
        with mock.patch.object(resting, "CommitterProcess", side_effect=OSError(errno.ENOMEM, "no memory")):
            self.assertEqual([None, None], self.done(*(self.committer.run(job, Phase.PREPARE) for job in jobs)))
        self.wait(LOOK)
        self.assertEqual([None], self.done(self.committer.run(jobs[0], Phase.PUBLISH)))
        self.assertEqual(1, len(self.processes))
        self.committer.discard(jobs[1])
        self.until(lambda: self.names() == ["published"])

    def test_however_few_files_can_be_opened_the_job_is_done_or_fails_and_nothing_is_left(self) -> None:
        self.committer.start()
        self.assertIsNone(self.store("first"))
        self.rest()
        before = descriptors()
        for room in range(8):
            with room_for(room):
                result = self.committer.run(self.file(f"{room}"), Phase.BOTH)
                [error] = self.done(result)
            if error is not None:
                self.assertEqual(errno.EMFILE, error.errno)  # type: ignore[attr-defined]
            self.rest()
            self.assertIs(error is None, f"{room}" in self.names())
            self.assertEqual(before, descriptors())
        self.assertIsNone(self.store("last"))
        self.assertEqual(1, len(self.processes))


class DeathTests(RestingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.committer.start()

    def test_process_that_died_is_replaced_when_there_is_nothing_to_do(self) -> None:
        self.assertIsNone(self.store("one"))
        self.kill()
        self.assertIsNone(self.store("two"))
        self.wait(LOOK)
        self.assertEqual(set(), self.processes)  # reaped
        self.assertIsNone(self.store("three"))
        self.assertEqual(1, len(self.processes))
        self.assertEqual(1, self.deaths)
        self.rest()

    def test_what_a_dead_process_had_prepared_fails_and_only_then_it_is_replaced(self) -> None:
        lost, others = self.file("lost"), self.file("others")
        self.assertEqual([None, None], self.done(*(self.committer.run(job, Phase.PREPARE) for job in (lost, others))))
        self.kill()
        self.wait(3 * RESTS_AFTER)
        [error] = self.done(self.committer.run(lost, Phase.PUBLISH))
        self.assertEqual(errno.EIO, error.errno)  # type: ignore[union-attr]
        self.committer.discard(others)
        self.wait(LOOK)
        self.assertIsNone(self.store("next"))
        self.assertEqual(1, len(self.processes))

    def test_thread_of_a_dead_process_that_is_at_work_stays(self) -> None:
        self.assertIsNone(self.store("one"))
        self.kill()
        self.assert_stays_while_at_work()

    def test_process_that_dies_at_work_fails_its_batch_and_no_other(self) -> None:
        self.assertIsNone(self.store("one"))
        os.kill(self.pid, signal.SIGSTOP)
        had = self.committer.run(self.file("had"), Phase.BOTH)
        self.reactor.turn()
        waited = self.committer.run(self.file("waited"), Phase.BOTH)
        os.kill(self.pid, signal.SIGKILL)
        failed, done = self.done(had, waited)
        self.assertEqual(errno.EIO, failed.errno)  # type: ignore[union-attr]
        self.assertIsNone(done)

    def test_process_that_dies_before_it_reads_its_first_batch_fails_nothing(self) -> None:
        self.rest()
        jobs = [self.file(f"{n}") for n in range(3)]
        results = [self.committer.run(job, Phase.BOTH) for job in jobs]
        prepared, discarded = self.file("prepared"), self.file("discarded")
        results += [self.committer.run(job, Phase.PREPARE) for job in (prepared, discarded)]
        self.committer.discard(discarded)
        os.kill(self.pid, signal.SIGSTOP)
        self.reactor.turn()  # they are sent
        results.append(self.committer.run(self.file("waited"), Phase.BOTH))
        os.kill(self.pid, signal.SIGKILL)
        self.assertEqual([None] * 6, self.done(*results))
        self.assertEqual([None], self.done(self.committer.run(prepared, Phase.PUBLISH)))
        self.assertEqual(["0", "1", "2", "prepared", "waited"], self.names())
        self.assertEqual(1, self.deaths)

    def test_process_that_cannot_run_is_tried_once_in_a_rest(self) -> None:
        self.rest()
        with mock.patch.object(process, "COMMAND", (sys.executable, "-c", "import time; time.sleep(0.1); exit(1)")):
            for n in range(20):
                self.assertIsNone(self.store(f"{n}"))
                self.wait(LOOK)
            self.assertEqual(1, self.deaths)
            self.assertEqual(set(), self.processes)
            self.rest()
            self.assertIsNone(self.store("again"))
            self.assertEqual(2, self.deaths)
        self.rest()
        self.assertIsNone(self.store("well"))
        self.assertEqual(1, len(self.processes))
        self.assertEqual(22, len(self.names()))
