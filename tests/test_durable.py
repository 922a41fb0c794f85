"""The committer, on a real disk and with jobs that fail at each step."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail import durable
from twisted_mail.durable import Committer, Job, NewFile, Phase, Removal


class InlineThreads:
    """Stands for the reactor: what the committer's thread sends over is run by `answer`, in the test's thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, tuple[object, ...]]] = []

    def callFromThread(self, call: object, *args: object) -> None:
        self.calls.append((call, args))

    def answer(self) -> None:
        for call, args in self.calls:
            call(*args)  # type: ignore[operator]
        self.calls = []


class RecordedJob:
    """Notes which step was called when, and fails at one."""

    def __init__(self, log: list[str], name: str, fails_at: str = "") -> None:
        self._log = log
        self._name = name
        self._fails_at = fails_at

    def _step(self, step: str) -> None:
        self._log.append(f"{step} {self._name}")
        if step == self._fails_at:
            raise OSError(errno.EIO, "broken disk")

    def write(self) -> None:
        self._step("write")

    def sync(self) -> None:
        self._step("sync")

    def publish(self) -> Iterable[str]:
        self._step("publish")
        return []

    def undo(self) -> None:
        self._log.append(f"undo {self._name}")


class CommitterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = InlineThreads()
        self.committer = Committer(self.reactor)  # type: ignore[arg-type]
        self.folder = self.mktemp()
        for name in ("tmp", "new", "other"):
            os.makedirs(f"{self.folder}/{name}")

    def run_jobs(self, *jobs: tuple[Job, Phase]) -> list[Deferred[None]]:
        """All jobs wait before the thread starts, so that they are one batch; results are there on return."""
        results = [self.committer.run(job, phase) for job, phase in jobs]
        self.committer.start()
        self.committer.stop()
        self.reactor.answer()
        return results

    def new_file(self, name: str = "m", octets: bytes = b"text", folders: tuple[str, ...] = ("new",)) -> NewFile:
        def write(descriptor: int) -> None:
            os.write(descriptor, octets)

        names = [f"{self.folder}/{folder}/{name}" for folder in folders]
        return NewFile(write, f"{self.folder}/tmp/{name}", names, lambda path: os.makedirs(os.path.dirname(path)))

    def names(self) -> set[str]:
        return {os.path.relpath(os.path.join(at, f), self.folder) for at, _, fs in os.walk(self.folder) for f in fs}

    def test_file_in_both_phases_is_under_all_names_with_one_inode(self) -> None:
        (done,) = self.run_jobs((self.new_file(folders=("new", "other")), Phase.BOTH))
        self.successResultOf(done)
        self.assertEqual({"new/m", "other/m"}, self.names())
        self.assertTrue(os.path.samefile(f"{self.folder}/new/m", f"{self.folder}/other/m"))

    def test_prepared_file_is_published_later(self) -> None:
        job = self.new_file()
        self.successResultOf(self.run_jobs((job, Phase.PREPARE))[0])
        self.assertEqual({"tmp/m"}, self.names())
        self.successResultOf(self.run_jobs((job, Phase.PUBLISH))[0])
        self.assertEqual({"new/m"}, self.names())

    def test_prepared_file_that_is_discarded_leaves_nothing(self) -> None:
        job = self.new_file()
        self.run_jobs((job, Phase.PREPARE))
        self.committer.discard(job)
        self.run_jobs()
        self.assertEqual(set(), self.names())

    def test_missing_directory_is_made(self) -> None:
        (done,) = self.run_jobs((self.new_file(folders=("fresh",)), Phase.BOTH))
        self.successResultOf(done)
        self.assertEqual({"fresh/m"}, self.names())

    def test_steps_of_a_batch_go_phase_by_phase(self) -> None:
        log: list[str] = []
        self.run_jobs((RecordedJob(log, "a"), Phase.BOTH), (RecordedJob(log, "b"), Phase.BOTH))
        self.assertEqual(["write a", "write b", "sync a", "sync b", "publish a", "publish b"], log)

    def test_job_that_fails_at_any_step_is_undone_and_fails_alone(self) -> None:
        for step in ("write", "sync", "publish"):
            log: list[str] = []
            bad, good = self.run_jobs(
                (RecordedJob(log, "bad", fails_at=step), Phase.BOTH), (RecordedJob(log, "good"), Phase.BOTH)
            )
            self.assertEqual(errno.EIO, self.failureResultOf(bad, OSError).value.errno)
            self.successResultOf(good)
            self.assertIn("undo bad", log)
            self.assertEqual(1, log.count(f"{step} bad"), "a step that failed must not be tried again")
            self.assertNotIn("undo good", log)

    def test_full_disk_leaves_no_file(self) -> None:
        def write(descriptor: int) -> None:
            os.write(descriptor, b"half a mess")
            raise OSError(errno.ENOSPC, "No space left on device")

        job = NewFile(write, f"{self.folder}/tmp/m", [f"{self.folder}/new/m"], lambda path: None)
        (done,) = self.run_jobs((job, Phase.BOTH))
        self.assertEqual(errno.ENOSPC, self.failureResultOf(done, OSError).value.errno)
        self.assertEqual(set(), self.names())

    def test_directory_that_cannot_be_synced_takes_its_files_back(self) -> None:
        real = durable.sync_directory

        def sync(path: str) -> None:
            if path.endswith("/other"):
                raise OSError(errno.EIO, "broken disk")
            real(path)

        with mock.patch.object(durable, "sync_directory", sync):
            bad, good = self.run_jobs(
                (self.new_file("bad", folders=("new", "other")), Phase.BOTH), (self.new_file("good"), Phase.BOTH)
            )
        self.failureResultOf(bad, OSError)
        self.successResultOf(good)
        self.assertEqual({"new/good"}, self.names())

    def test_link_that_fails_halfway_is_undone(self) -> None:
        with open(f"{self.folder}/blocked", "wb"):
            pass
        job = self.new_file(folders=("new", "other", "blocked"))
        self.failureResultOf(self.run_jobs((job, Phase.BOTH))[0], OSError)
        self.assertEqual({"blocked"}, self.names())

    def test_removal_reports_what_is_still_there_and_forgives_what_is_gone(self) -> None:
        for name in ("a", "b"):
            with open(f"{self.folder}/new/{name}", "wb"):
                pass
        os.mkdir(f"{self.folder}/new/c")
        job = Removal([f"{self.folder}/new/{name}" for name in ("a", "gone", "c", "b")])
        self.successResultOf(self.run_jobs((job, Phase.PUBLISH))[0])
        self.assertEqual(set(), self.names())
        self.assertEqual([f"{self.folder}/new/c"], [path for path, _ in job.failed])

    def test_more_jobs_than_a_batch_are_all_done(self) -> None:
        count = durable.MAX_BATCH + 5
        results = self.run_jobs(*((self.new_file(f"m{n}"), Phase.BOTH) for n in range(count)))
        for result in results:
            self.successResultOf(result)
        self.assertEqual(count, len(self.names()))
