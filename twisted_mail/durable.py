"""The committer: write, sync, rename, sync the directory, many files at once.  The only file that knows how.

One thread a process takes all jobs that wait and runs them phase by phase, so that a batch shares its syncs
(syncing.py), and a lone job waits for nobody.  One hop back to the reactor answers the whole batch.  A job that fails
fails alone.  A sync that failed is final: the file is removed and never synced again, because the kernel may have
dropped the pages and would answer "done" the second time.

Promise: when the Deferred of a job fires, what the job did survives a power cut.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from enum import Flag, auto
from queue import SimpleQueue
from threading import Thread
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads

from twisted_mail.syncing import Syncing, sync_directory

MAX_BATCH = 256
"""Jobs a batch: bounds open descriptors, and the wait of the first job for the last."""


T = TypeVar("T")


class Phase(Flag):
    """Which half of a job to run.  Both in one go cost one wait instead of two."""

    PREPARE = auto()
    """Write and sync: all that usually fails."""
    PUBLISH = auto()
    """Rename, link or unlink, and sync the directories."""
    BOTH = PREPARE | PUBLISH
    DISCARD = auto()
    """Undo a job that was prepared and shall not be published."""


class Job(Protocol):
    """Something to be made durable.  An OSError from any step ends this job; `undo` is called then."""

    def write(self) -> Sequence[int]:
        """PREPARE: create and fill files; their open descriptors, which are synced and closed for the job."""

    def publish(self) -> Iterable[str]:
        """PUBLISH: rename, link, unlink; the directories that must be synced before it counts.

        What a generator gave before it failed is synced, too.
        """

    def undo(self) -> None:
        """Leave nothing behind, also after `publish`.  Must not raise."""


class NewFile:
    """One file: written at *temporary*, then found under each of *names* (one rename, the others hard links)."""

    def __init__(
        self,
        write: Callable[[int], None],
        temporary: str,
        names: Sequence[str],
        make_directories: Callable[[str], Iterable[str]],
    ) -> None:
        """*write* puts the octets into a descriptor.

        *make_directories* is told a path whose directory is missing, and says which directories have new names then:
        they are synced with the others.
        """
        self._write = write
        self._temporary = temporary
        self._names = names
        self._make_directories = make_directories
        self._made: list[str] = []
        self._grown: list[str] = []
        """Directories with new names of other directories."""

    @property
    def file_name(self) -> str:
        """The last part of its first name."""
        return os.path.basename(self._names[0])

    def write(self) -> Sequence[int]:
        descriptor = self._retrying(self._temporary, lambda: _create(self._temporary))
        self._made.append(self._temporary)
        try:
            self._write(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return [descriptor]

    def publish(self) -> Iterable[str]:
        first, *others = self._names
        try:
            for name in others:
                # an earlier attempt came so far before a crash: names are unique, so it is the same file
                with suppress(FileExistsError):
                    self._retrying(name, lambda name=name: os.link(self._temporary, name))  # type: ignore[misc]  # mypy knows no defaults of a lambda
                    self._made.append(name)
            self._retrying(first, lambda: os.rename(self._temporary, first))
            self._made[0] = first
        finally:  # others may have put files into what was made here
            yield from self._grown
        yield from (os.path.dirname(name) for name in self._names)

    def undo(self) -> None:
        for name in self._made:
            with suppress(OSError):
                os.unlink(name)
        self._made = []

    def _retrying(self, path: str, act: Callable[[], T]) -> T:
        """Try *act* again after the directory of *path* was made, where it was missing: most find it there."""
        try:
            return act()
        except FileNotFoundError:
            self._grown += self._make_directories(path)
            return act()


class Replacement:
    """A file under another's name, in one step: whatever happens, the old text or the new one is at *name*."""

    def __init__(self, write: Callable[[int], None], temporary: str, name: str) -> None:
        """*write* puts the octets into a descriptor; *temporary* and *name* are on one file system."""
        self._write = write
        self._temporary = temporary
        self._name = name

    def write(self) -> Sequence[int]:
        descriptor = _create(self._temporary)
        try:
            self._write(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return [descriptor]

    def publish(self) -> Iterable[str]:
        os.rename(self._temporary, self._name)
        return [os.path.dirname(self._name)]

    def undo(self) -> None:
        # never at *name*: there the new text is as good as the old one, and better than none
        with suppress(OSError):
            os.unlink(self._temporary)


class Removal:
    """Files to be unlinked.  `failed` holds those that are still there, `gone` those that were not there before."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self.failed: list[tuple[str, OSError]] = []
        self.gone: list[str] = []

    def write(self) -> Sequence[int]:
        return []

    def publish(self) -> Iterable[str]:
        for path in self._paths:
            try:
                os.unlink(path)
            except FileNotFoundError:
                self.gone.append(path)
            except OSError as error:
                self.failed.append((path, error))
        return {os.path.dirname(path) for path in self._paths}

    def undo(self) -> None:
        pass


class Committer:
    """Runs jobs in its thread.  `run` belongs to the reactor's thread; `start` and `stop` to the service."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._waiting: SimpleQueue[_Entry | None] = SimpleQueue()
        self._syncing = Syncing()
        self._thread: Thread | None = None

    def start(self) -> None:
        self._thread = Thread(target=self._work, name="committer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, then end the thread.  Blocks until then."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def run(self, job: Job, phase: Phase) -> Deferred[None]:
        """Fires when that phase of *job* is durable; fails with OSError, and then nothing of the job is left."""
        entry = _Entry(job, phase)
        self._waiting.put(entry)
        return entry.done

    def discard(self, job: Job) -> None:
        """Undo *job*, which was prepared, when its turn comes."""
        self._waiting.put(_Entry(job, Phase.DISCARD))

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            stopping = False
            while len(batch) < MAX_BATCH and not self._waiting.empty():
                entry = self._waiting.get()
                if entry is None:
                    stopping = True
                    break
                batch.append(entry)
            run_batch(batch, self._syncing)
            self._reactor.callFromThread(_answer, batch)
            if stopping:
                break


class _Entry:
    """A job on its way through a batch."""

    __slots__ = ("done", "error", "job", "phase")

    def __init__(self, job: Job, phase: Phase) -> None:
        self.job = job
        self.phase = phase
        self.done: Deferred[None] = Deferred()
        self.error: Exception | None = None

    def attempt(self, step: Callable[[], Iterable[T]]) -> Iterable[T]:
        """What one step gives, up to where it fails; nothing if an earlier one did."""
        if self.error is None:
            try:
                yield from step()
            except Exception as error:  # noqa: BLE001 (an OSError, or our bug: either ends this job and no other)
                self.fail(error)

    def fail(self, error: Exception) -> None:
        """The first failure counts; the job is undone then."""
        if self.error is None:
            self.error = error
            self.job.undo()


def run_now(job: Job) -> None:
    """Both phases of *job* in this thread, for whoever has no committer.  Blocks; raises OSError."""
    entry = _Entry(job, Phase.BOTH)
    run_batch([entry], Syncing())
    if entry.error is not None:
        raise entry.error


def run_together(jobs: Sequence[Job], syncing: Syncing) -> list[Exception | None]:
    """Both phases of all *jobs* in this thread, with shared syncs; for each None, or why it failed.  Blocks."""
    batch = [_Entry(job, Phase.BOTH) for job in jobs]
    run_batch(batch, syncing)
    return [entry.error for entry in batch]


def run_batch(batch: Sequence[_Entry], syncing: Syncing) -> None:
    """All phases of all jobs, in the thread."""
    for entry in batch:
        if Phase.DISCARD in entry.phase:
            entry.job.undo()
    _prepare([entry for entry in batch if Phase.PREPARE in entry.phase], syncing)
    _publish([entry for entry in batch if Phase.PUBLISH in entry.phase], syncing)


def _prepare(entries: Sequence[_Entry], syncing: Syncing) -> None:
    written: dict[int, _Entry] = {}
    for entry in entries:
        for descriptor in entry.attempt(entry.job.write):
            written[descriptor] = entry
    for descriptor, error in syncing.sync_files(list(written)).items():
        written[descriptor].fail(error)
    for descriptor in written:
        os.close(descriptor)


def _publish(entries: Sequence[_Entry], syncing: Syncing) -> None:
    touched: dict[str, list[_Entry]] = {}
    for entry in entries:
        for directory in entry.attempt(entry.job.publish):
            touched.setdefault(directory, []).append(entry)
    for directory, error in syncing.sync_directories(list(touched)).items():
        for entry in touched[directory]:
            entry.fail(error)


def _answer(batch: Sequence[_Entry]) -> None:
    """Back in the reactor's thread."""
    for entry in batch:
        if entry.error is None:
            entry.done.callback(None)
        else:
            entry.done.errback(entry.error)


def make_directory(path: str, mode: int = 0o700) -> None:
    """`path` exists afterwards and its name survives a power cut; its parents likewise.  Blocks; raises OSError."""
    for parent in new_directories(path, mode):
        sync_directory(parent)


def new_directories(path: str, mode: int = 0o700) -> list[str]:
    """Make *path* and those of its parents that are missing; the directories that must be synced then, top down.

    Blocks; raises OSError.
    """
    if os.path.isdir(path):
        return []
    parent = os.path.dirname(path)
    grown = new_directories(parent, mode)
    with suppress(FileExistsError):
        os.mkdir(path, mode)
    return [*grown, parent]


def _create(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
