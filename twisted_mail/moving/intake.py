"""The intake: messages from a source into one Maildir, many synced at once, each of them once.

It may be stopped at any moment and started again: what was taken is written down (record.py) behind each batch.  So a
message that a client has deleted since does not come back either.  Deliveries and POP3 sessions may go on meanwhile.
200,000 messages of 2 KB from a Maildir take 23 s and 150 MB (2 cores, ext4); from an mbox 28 s and 85 MB: what grows is
what is known of each, about half a kilobyte.
Promise: what `take` has counted as taken is on disk, for good.  A batch that a crash cut off is found in the Maildir.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from twisted_mail.durable import NewFile, run_together
from twisted_mail.filecontents import Octets
from twisted_mail.framing import wire_size
from twisted_mail.mailbox import layout, maildir
from twisted_mail.moving.letter import Letter, Source
from twisted_mail.moving.record import DIGEST, Record, append, open_record, read_record, section
from twisted_mail.syncing import Syncing, sync_directory

BATCH = 250
"""Messages that are synced together.  Each has a descriptor open until then: most systems allow 1024."""
BATCH_SIZE = 4 * 1000 * 1000
"""Octets of them: more are not synced together (syncing.py), and all are in memory."""

_NAME_WITH_TIME = re.compile(r"[0-9]{9,10}\.[^,:/]+")


@dataclass(slots=True)
class Count:
    """What came of the messages."""

    taken: int = 0
    """With those that have no unique-id of their own."""
    earlier: int = 0
    """Were taken before."""
    without_uid: int = 0
    """Get a unique-id of ours: nobody knew them by another, or another message has it."""


@dataclass(slots=True)
class _Batch:
    jobs: list[NewFile] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """What is written down of each."""
    octets: int = 0


class Intake:
    """Into one Maildir.  Blocks."""

    def __init__(self, path: str, hostname: str, acting: Callable[[], AbstractContextManager[None]]) -> None:
        """*hostname* becomes part of the files' names; within *acting* the process is whose Maildir that is."""
        self._path = path
        self._hostname = hostname
        self._acting = acting
        self._syncing = Syncing()
        self._batch = _Batch()
        self._advance: Callable[[int], None] = lambda count: None
        self._known = Record()
        self._met: set[str] = set()
        self._copies: Counter[str] = Counter()
        self.count = Count()

    def take(self, source: Source, advance: Callable[[int], None]) -> None:
        """All messages of *source* that are not there yet; *advance* is told how many were looked at.

        Raises MovingError: another import is at it.  Raises OSError: the disk is in trouble; call it again later.
        """
        self._advance = advance
        with self._acting():
            for parent in layout.make_maildir_of(f"{self._path}/new/name"):
                sync_directory(parent)
            descriptor = open_record(self._path)
        try:
            self._known = read_record(descriptor, source.name)
            self._known.add_messages(maildir.scan(self._path))
            append(descriptor, [section(source.name)])
            for letter in source.letters(self._is_wanted):
                self._add(letter)
                if len(self._batch.jobs) >= BATCH or self._batch.octets >= BATCH_SIZE:
                    self._flush(descriptor)
            self._flush(descriptor)
        finally:
            os.close(descriptor)

    def _is_wanted(self, uid: str) -> bool:
        if uid in self._met or uid not in self._known.here:
            return True
        self._met.add(uid)
        self._pass()
        return False

    def _pass(self) -> None:
        self.count.earlier += 1
        self._advance(1)

    def _add(self, letter: Letter) -> None:
        octets = letter.octets.replace(b"\r\n", b"\n")
        if not octets.endswith(b"\n"):
            octets += b"\n"
        digest = sha256(octets).hexdigest()[:DIGEST]
        uid = letter.uid
        if uid is not None and uid not in self._met and self._known.elsewhere.get(uid) == digest:
            self._met.add(uid)
            self._pass()  # the same from another source, as of a copy of this one
            return
        if uid in self._met or uid in self._known.elsewhere:
            uid = None  # another message has it
        key = uid or self._key_of(digest)
        if uid is not None:
            self._met.add(uid)
        elif key in self._known.here or key in self._known.elsewhere:
            self._pass()
            return
        else:
            self.count.without_uid += 1
        self._batch.jobs.append(self._file(octets, letter, uid, key))
        self._batch.lines.append(f"{key} {digest}")
        self._batch.octets += len(octets)

    def _key_of(self, digest: str) -> str:
        """Tells messages without unique-id apart, also copies of one: the second copy is the second every time."""
        self._copies[digest] += 1
        return sha256(f"{digest} {self._copies[digest]}".encode()).hexdigest()[:DIGEST]

    def _file(self, octets: bytes, letter: Letter, uid: str | None, key: str) -> NewFile:
        name = self._name(uid, key, letter.seconds or 0)
        final = maildir.final_name(name, len(octets), wire_size(octets))
        if uid is not None and maildir.uid_of(name) != uid:
            final = maildir.keeping_uid(final, uid)
        place = f"new/{final}" if letter.is_new and not letter.flags else f"cur/{final}:2,{letter.flags}"
        temporary = f"{self._path}/tmp/{name}.{os.urandom(4).hex()}"
        return NewFile(Octets(octets, letter.seconds), temporary, [f"{self._path}/{place}"], layout.make_maildir_of)

    def _name(self, uid: str | None, key: str, seconds: float) -> str:
        """What was a file's name stays one, with the time that is in it."""
        if uid is None:
            return maildir.unique_name(seconds, key, self._hostname)
        if _NAME_WITH_TIME.fullmatch(uid):
            return uid
        return maildir.unique_name(seconds, sha256(uid.encode()).hexdigest()[:32], self._hostname)

    def _flush(self, descriptor: int) -> None:
        """Raises OSError, after what could be written was written down."""
        batch, self._batch = self._batch, _Batch()
        if not batch.jobs:
            return
        with self._acting():
            try:
                failures = run_together(batch.jobs, self._syncing)
            except BaseException:  # Ctrl-C: what is not written down is taken the next time
                for job in batch.jobs:
                    job.undo()
                raise
        taken = [line for line, failure in zip(batch.lines, failures, strict=True) if failure is None]
        append(descriptor, taken)
        self.count.taken += len(taken)
        self._advance(len(batch.jobs))
        for failure in failures:
            if failure is not None:
                raise failure


@contextmanager
def nobody_else() -> Iterator[None]:
    """For `acting`, where the process is the owner already."""
    yield
