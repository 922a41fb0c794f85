"""What is durable: write, sync, rename, sync the directory, many files at once.  The only file that knows how.

A batch of jobs runs phase by phase, so that it shares its syncs (syncing.py).  A job that fails fails alone.  A sync
that failed is final: the file is removed and never synced again, because the kernel may have dropped the pages and
would answer "done" the second time.

Who runs the batches, and where, is in committing/.  A job is a value that can be sent to another process.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from enum import Flag, auto
from typing import Any, Protocol, TypeVar

from twisted_mail.filecontents import Contents
from twisted_mail.syncing import Syncing, sync_directory

MAX_BATCH = 250
"""Jobs that are ordered at once: bounds open descriptors, and the wait of the first job for the last.

Each may come with an open file to the committer's process; Linux sends 253 of them at once (SCM_MAX_FD).
"""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""A full disk, or what one user may have of it."""

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
    """Something to be made durable.  An OSError from any step ends this job; `undo` is called then.

    It may be pickled before a phase, and run in another process; of that only `outcome` comes back.
    """

    outcome: Any
    """What is to be known of it afterwards; None: nothing."""

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

    outcome = None

    def __init__(
        self,
        contents: Contents,
        temporary: str,
        names: Sequence[str],
        make_directories: Callable[[str], Iterable[str]],
    ) -> None:
        """*make_directories* is told a path whose directory is missing, and says which directories have new names then:
        they are synced with the others.
        """
        self._contents = contents
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
        return [_filled(descriptor, self._contents)]

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


class FilesInTurn:
    """Several files, of which the last one makes the others count."""

    outcome = None

    def __init__(self, *files: NewFile) -> None:
        self._files = files

    def write(self) -> Sequence[int]:
        descriptors: list[int] = []
        try:
            for file in self._files:
                descriptors += file.write()
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        return descriptors

    def publish(self) -> Iterable[str]:
        for file in self._files:
            yield from file.publish()

    def undo(self) -> None:
        for file in reversed(self._files):
            file.undo()


class Replacement:
    """A file under another's name, in one step: whatever happens, the old text or the new one is at *name*."""

    outcome = None

    def __init__(self, contents: Contents, temporary: str, name: str) -> None:
        """*temporary* and *name* are on one file system."""
        self._contents = contents
        self._temporary = temporary
        self._name = name

    def write(self) -> Sequence[int]:
        return [_filled(_create(self._temporary), self._contents)]

    def publish(self) -> Iterable[str]:
        os.rename(self._temporary, self._name)
        return [os.path.dirname(self._name)]

    def undo(self) -> None:
        # never at *name*: there the new text is as good as the old one, and better than none
        with suppress(OSError):
            os.unlink(self._temporary)


class Unremoved:
    """What a job that takes files away did not take."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, OSError]] = []
        """Those that are still there."""
        self.gone: list[str] = []
        """Those that were not there before."""


class Removal:
    """Files to be unlinked."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self.outcome = Unremoved()

    def write(self) -> Sequence[int]:
        return []

    def publish(self) -> Iterable[str]:
        for path in self._paths:
            try:
                os.unlink(path)
            except FileNotFoundError:
                self.outcome.gone.append(path)
            except OSError as error:
                self.outcome.failed.append((path, error))
        return {os.path.dirname(path) for path in self._paths}

    def undo(self) -> None:
        pass


class Entry:
    """A job on its way through a batch."""

    __slots__ = ("error", "job", "phase")

    def __init__(self, job: Job, phase: Phase) -> None:
        self.job = job
        self.phase = phase
        self.error: Exception | None = None
        """Why it failed; nothing of it is left then."""

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
    entry = Entry(job, Phase.BOTH)
    run_batch([entry], Syncing())
    if entry.error is not None:
        raise entry.error


def run_together(jobs: Sequence[Job], syncing: Syncing) -> list[Exception | None]:
    """Both phases of all *jobs* in this thread, with shared syncs; for each None, or why it failed.  Blocks."""
    batch = [Entry(job, Phase.BOTH) for job in jobs]
    run_batch(batch, syncing)
    return [entry.error for entry in batch]


def run_batch(batch: Sequence[Entry], syncing: Syncing) -> None:
    """All phases of all jobs.  Blocks."""
    _prepare([entry for entry in batch if Phase.PREPARE in entry.phase], syncing)
    _publish([entry for entry in batch if Phase.PUBLISH in entry.phase], syncing)
    for entry in batch:
        if Phase.DISCARD in entry.phase:
            entry.job.undo()


def _prepare(entries: Sequence[Entry], syncing: Syncing) -> None:
    written: dict[int, Entry] = {}
    for entry in entries:
        for descriptor in entry.attempt(entry.job.write):
            written[descriptor] = entry
    for descriptor, error in syncing.sync_files(list(written)).items():
        written[descriptor].fail(error)
    for descriptor in written:
        os.close(descriptor)


def _publish(entries: Sequence[Entry], syncing: Syncing) -> None:
    touched: dict[str, list[Entry]] = {}
    for entry in entries:
        for directory in entry.attempt(entry.job.publish):
            touched.setdefault(directory, []).append(entry)
    for directory, error in syncing.sync_directories(list(touched)).items():
        for entry in touched[directory]:
            entry.fail(error)


def make_directory(path: str, mode: int = 0o700) -> None:
    """`path` exists afterwards and its name survives a power cut; its parents likewise.  Blocks; raises OSError."""
    for parent in new_directories(path, mode):
        sync_directory(parent)


def make_directory_of(path: str) -> list[str]:
    """Make the directory that the file at *path* is to be in.  As `new_directories`."""
    return new_directories(os.path.dirname(path))


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


def _filled(descriptor: int, contents: Contents) -> int:
    """*descriptor*, once *contents* are in it; closed where that fails."""
    try:
        contents.write_to(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _create(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
