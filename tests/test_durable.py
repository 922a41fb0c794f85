"""The committer, on a real disk and with jobs that fail at each step."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail import durable, syncing
from twisted_mail.committing.committer import CommitterThread
from twisted_mail.durable import MAX_BATCH, Job, NewFile, Phase, Removal, Replacement
from twisted_mail.filecontents import Octets


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

    outcome = None

    def __init__(self, log: list[str], name: str, fails_at: str = "") -> None:
        self._log = log
        self._name = name
        self._fails_at = fails_at

    def _step(self, step: str) -> None:
        self._log.append(f"{step} {self._name}")
        if step == self._fails_at:
            raise OSError(errno.EIO, "broken disk")

    def write(self) -> Sequence[int]:
        self._step("write")
        return [os.memfd_create(self._name)]

    def publish(self) -> Iterable[str]:
        self._step("publish")
        return []

    def undo(self) -> None:
        self._log.append(f"undo {self._name}")


class CommitterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = InlineThreads()
        self.committer = CommitterThread(self.reactor)  # type: ignore[arg-type]
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
        names = [f"{self.folder}/{folder}/{name}" for folder in folders]
        return NewFile(Octets(octets), f"{self.folder}/tmp/{name}", names, self.make_folder)

    def make_folder(self, path: str) -> list[str]:
        return durable.new_directories(os.path.dirname(path))

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

    def test_directory_that_was_made_is_synced_even_if_its_job_fails(self) -> None:
        """Another job of the batch has found it there."""
        real, asked = syncing.sync_directory, []

        def sync(path: str) -> None:
            asked.append(os.path.relpath(path, self.folder))
            real(path)

        with open(f"{self.folder}/blocked", "wb"):
            pass
        bad, good = (
            self.new_file("bad", folders=("blocked", "deep/fresh")),
            self.new_file("good", folders=("deep/fresh",)),
        )
        with mock.patch.object(syncing, "sync_directory", sync):
            failed, done = self.run_jobs((bad, Phase.BOTH), (good, Phase.BOTH))
        self.failureResultOf(failed, OSError)
        self.successResultOf(done)
        self.assertEqual([".", "deep", "deep/fresh"], asked)
        self.assertEqual({"blocked", "deep/fresh/good"}, self.names())

    def test_steps_of_a_batch_go_phase_by_phase(self) -> None:
        log: list[str] = []
        self.run_jobs((RecordedJob(log, "a"), Phase.BOTH), (RecordedJob(log, "b"), Phase.BOTH))
        self.assertEqual(["write a", "write b", "publish a", "publish b"], log)

    def test_job_that_fails_at_any_step_is_undone_and_fails_alone(self) -> None:
        for step in ("write", "publish"):
            log: list[str] = []
            bad, good = self.run_jobs(
                (RecordedJob(log, "bad", fails_at=step), Phase.BOTH), (RecordedJob(log, "good"), Phase.BOTH)
            )
            self.assertEqual(errno.EIO, self.failureResultOf(bad, OSError).value.errno)
            self.successResultOf(good)
            self.assertIn("undo bad", log)
            self.assertNotIn("undo good", log)

    def test_full_disk_leaves_no_file(self) -> None:
        class Full:
            def write_to(self, descriptor: int) -> None:
                os.write(descriptor, b"half a mess")
                raise OSError(errno.ENOSPC, "No space left on device")

        job = NewFile(Full(), f"{self.folder}/tmp/m", [f"{self.folder}/new/m"], lambda path: [])
        (done,) = self.run_jobs((job, Phase.BOTH))
        self.assertEqual(errno.ENOSPC, self.failureResultOf(done, OSError).value.errno)
        self.assertEqual(set(), self.names())

    def test_file_that_cannot_be_synced_is_removed_and_not_synced_again(self) -> None:
        real, asked = os.fsync, []

        def sync(descriptor: int) -> None:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            asked.append(os.path.basename(path))
            if path.endswith("/bad"):
                raise OSError(errno.EIO, "broken disk")
            real(descriptor)

        with mock.patch.object(os, "fsync", sync):
            bad, good = self.run_jobs((self.new_file("bad"), Phase.BOTH), (self.new_file("good"), Phase.BOTH))
        self.assertEqual(errno.EIO, self.failureResultOf(bad, OSError).value.errno)
        self.successResultOf(good)
        self.assertEqual({"new/good"}, self.names())
        self.assertEqual(["bad", "good", "new"], asked)

    def test_directory_that_cannot_be_synced_takes_its_files_back(self) -> None:
        real = syncing.sync_directory

        def sync(path: str) -> None:
            if path.endswith("/other"):
                raise OSError(errno.EIO, "broken disk")
            real(path)

        with mock.patch.object(syncing, "sync_directory", sync):
            bad, good = self.run_jobs(
                (self.new_file("bad", folders=("new", "other")), Phase.BOTH), (self.new_file("good"), Phase.BOTH)
            )
        self.failureResultOf(bad, OSError)
        self.successResultOf(good)
        self.assertEqual({"new/good"}, self.names())

    def test_shared_sync_that_fails_fails_all_that_shared_it(self) -> None:
        with mock.patch.object(self.committer._syncing, "_syncfs", side_effect=OSError(errno.EIO, "broken disk")):
            results = self.run_jobs(*((self.new_file(f"m{n}"), Phase.BOTH) for n in range(syncing.SHARED_FROM)))
        for result in results:
            self.failureResultOf(result, OSError)
        self.assertEqual(set(), self.names())

    def test_few_files_are_synced_one_by_one_and_many_together(self) -> None:
        for count, shared in ((syncing.SHARED_FROM - 1, 0), (syncing.SHARED_FROM, 1)):
            with mock.patch.object(
                self.committer._syncing, "_syncfs", side_effect=self.committer._syncing._syncfs
            ) as syncfs:
                for result in self.run_jobs(*((self.new_file(f"{count}.{n}"), Phase.BOTH) for n in range(count))):
                    self.successResultOf(result)
            self.assertEqual(shared, syncfs.call_count)

    def test_shared_sync_that_takes_too_long_is_given_up_for_a_while(self) -> None:
        times = iter([100.0, 100.0, 100.0 + 2 * syncing.TOO_LONG])
        with (
            mock.patch.object(syncing.time, "monotonic", side_effect=[*times, *[101.0] * 10]),
            mock.patch.object(self.committer._syncing, "_syncfs") as syncfs,
        ):
            for result in self.run_jobs(*((self.new_file(f"m{n}"), Phase.BOTH) for n in range(syncing.SHARED_FROM))):
                self.successResultOf(result)
            for result in self.run_jobs(*((self.new_file(f"n{n}"), Phase.BOTH) for n in range(syncing.SHARED_FROM))):
                self.successResultOf(result)
        self.assertEqual(1, syncfs.call_count)

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
        self.assertEqual([f"{self.folder}/new/c"], [path for path, _ in job.outcome.failed])

    def replacement(self) -> Replacement:
        with open(f"{self.folder}/new/m", "wb") as file:
            file.write(b"old")
        return Replacement(Octets(b"new text"), f"{self.folder}/tmp/m", f"{self.folder}/new/m")

    def text(self) -> bytes:
        with open(f"{self.folder}/new/m", "rb") as file:
            return file.read()

    def test_replacement_is_at_the_old_name(self) -> None:
        self.successResultOf(self.run_jobs((self.replacement(), Phase.BOTH))[0])
        self.assertEqual(b"new text", self.text())
        self.assertEqual({"new/m"}, self.names())

    def test_replacement_that_fails_at_any_step_leaves_the_file_there(self) -> None:
        for module, call, left in (
            (os, "write", b"old"),
            (os, "fsync", b"old"),
            (os, "rename", b"old"),
            (syncing, "sync_directory", b"new text"),
        ):
            job = self.replacement()
            with mock.patch.object(module, call, side_effect=OSError(errno.EIO, "broken disk")):
                self.failureResultOf(self.run_jobs((job, Phase.BOTH))[0], OSError)
            self.assertEqual((left, {"new/m"}), (self.text(), self.names()), call)

    def test_more_jobs_than_a_batch_are_all_done(self) -> None:
        count = MAX_BATCH + 5
        results = self.run_jobs(*((self.new_file(f"m{n}"), Phase.BOTH) for n in range(count)))
        for result in results:
            self.successResultOf(result)
        self.assertEqual(count, len(self.names()))
