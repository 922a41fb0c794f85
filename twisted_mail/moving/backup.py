"""A consistent copy of the data directory while the server runs, one dated snapshot (manifest.py) after the other.

Messages never change, so they are hard links: to the server's file where that is on the same file system, else to the
one in the snapshot before, else copies.  What else has not changed since is a link to that snapshot, too.  Databases
are copied by SQLite.  An envelope of the queue comes with its body or not at all.
Promise: a snapshot under its final name is complete and on disk; each message that was there from beginning to end is
in it once.  What a crash leaves is removed by the next backup.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote

from twisted_mail.mailbox import layout, maildir
from twisted_mail.moving.letter import MovingError
from twisted_mail.moving.manifest import (
    CONFIGURATION,
    DATA,
    FACTS,
    FILES,
    NAME,
    UNREAD,
    Facts,
    StoredFile,
    digest_of,
    files_of,
    is_database,
    mailbox_at,
    snapshots,
)
from twisted_mail.syncing import sync_directory

UNFINISHED = ".unfinished-"
LOCK = ".lock"

PASSES = 5
"""How often messages are looked for again that other programs moved while they were linked."""

_SERVER = ".server"
_INCOMING = ".server/incoming"
_TEMPORARY = "tmp"
"""Their files are on their way to another place, or were left by a crash."""
_ENVELOPE, _BODY = ".envelope", ".message"
_SIDE_FILES = ("-wal", "-shm", "-journal")
"""Of a database: its copy has none."""
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """What is to be kept."""

    data: str
    configuration: str | None
    hostname: str
    acting: Callable[[], AbstractContextManager[None]]
    """Within it the process is the owner of the data, whose databases it may open."""


@dataclass(slots=True)
class Done:
    """What a backup has made."""

    snapshot: str
    facts: Facts
    linked: int
    """Files that need no room of their own."""
    problems: list[str] = field(default_factory=list)
    """What is not in it, a line each."""


def back_up(place: Place, folder: str, advance: Callable[[int], None]) -> Done:
    """One snapshot more in *folder*.  Blocks.  Raises MovingError or OSError."""
    folder, data = os.path.realpath(folder), os.path.realpath(place.data)
    if os.path.commonpath((folder, data)) == data:
        raise MovingError(f"{folder} is inside the data directory; name a folder elsewhere, best on another disk")
    os.makedirs(folder, 0o700, exist_ok=True)
    with _alone_in(folder):
        for name in os.listdir(folder):
            if name.startswith(UNFINISHED):
                shutil.rmtree(f"{folder}/{name}")
        earlier = snapshots(folder)
        while (name := time.strftime(NAME, time.gmtime())) in earlier:
            time.sleep(0.1)  # the one before was made in this very second
        unfinished = f"{folder}/{UNFINISHED}{name}"
        os.mkdir(unfinished, 0o700)
        taking = _Taking(place, unfinished, f"{folder}/{earlier[-1]}" if earlier else None, advance)
        facts = taking.run()
        os.sync()
        os.rename(unfinished, f"{folder}/{name}")
        sync_directory(folder)
    return Done(f"{folder}/{name}", facts, taking.linked, taking.problems)


class _Taking:
    """One snapshot in the making."""

    def __init__(self, place: Place, snapshot: str, earlier: str | None, advance: Callable[[int], None]) -> None:
        self._place = place
        self._snapshot = snapshot
        self._target = f"{snapshot}/{DATA}"
        self._earlier = f"{earlier}/{DATA}" if earlier else None
        self._known = _known(earlier)
        self._advance = advance
        self._files: list[StoredFile] = []
        self.linked = 0
        self.problems: list[str] = []

    def run(self) -> Facts:
        self._take_folder("")
        mailboxes = {name: mailbox_at(f"{self._target}/{name}") for name in _mailboxes(self._target)}
        facts = Facts(
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            self._place.hostname,
            len(self._files),
            sum(stored.size for stored in self._files),
            mailboxes,
        )
        _write(f"{self._snapshot}/{FILES}", "".join(f"{stored}\n" for stored in self._files).encode("ascii"))
        if self._place.configuration is not None:
            with open(self._place.configuration, "rb") as file:
                _write(f"{self._snapshot}/{CONFIGURATION}", file.read())
        _write(f"{self._snapshot}/{FACTS}", facts.as_json().encode())
        return facts

    def _take_folder(self, relative: str) -> None:
        """All below it; *relative* is empty for the data directory, else ends in a slash."""
        source = f"{self._place.data}/{relative}"
        try:
            found = os.stat(source)
            with os.scandir(source) as entries:
                inside = sorted(entries, key=lambda entry: (not entry.name.endswith(_ENVELOPE), entry.name))
        except FileNotFoundError:
            return  # the account, or the session of the journal, has gone meanwhile
        os.mkdir(f"{self._target}/{relative}", 0o700)
        is_maildir = _is_in_mailbox(relative) and any(entry.name in layout.FOLDERS for entry in inside)
        if is_maildir:
            self._take_messages(relative)
        before = len(self._files)
        for entry in inside:
            if not (is_maildir and entry.name in layout.FOLDERS):
                self._take_entry(entry, relative)
        if relative.startswith(_SERVER):
            self._drop_lone_envelopes(before)
        _take_over(found, f"{self._target}/{relative}")

    def _take_entry(self, entry: os.DirEntry[str], relative: str) -> None:
        path = f"{relative}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            is_passing = entry.name == _TEMPORARY and (_is_in_mailbox(relative) or relative.startswith(_SERVER))
            if is_passing or path == _INCOMING:
                self._take_empty(path)
            else:
                self._take_folder(f"{path}/")
        elif entry.is_symlink():
            self.problems.append(f"{entry.path} is a link: what it leads to is not in the backup")
        elif entry.is_file() and not entry.name.endswith(_SIDE_FILES):
            with suppress(FileNotFoundError):
                self._take_file(path, is_fixed=path.startswith(_SERVER) and path.endswith(_BODY))

    def _take_empty(self, relative: str) -> None:
        os.mkdir(f"{self._target}/{relative}")
        _take_over(os.stat(f"{self._place.data}/{relative}"), f"{self._target}/{relative}")

    def _take_messages(self, relative: str) -> None:
        """Those of one Maildir, or of one session in its journal."""
        source = f"{self._place.data}/{relative}"
        for name in layout.FOLDERS:
            if os.path.isdir(f"{source}{name}"):
                self._take_empty(f"{relative}{name}")
        pending = maildir.scan(source)
        for _ in range(PASSES):
            missed = set()
            for path in pending:
                try:
                    self._take_file(f"{relative}{path}", is_fixed=True)
                except FileNotFoundError:
                    missed.add(_name(path))
            if not missed:
                break
            pending = [path for path in maildir.scan(source) if _name(path) in missed]

    def _take_file(self, path: str, *, is_fixed: bool) -> None:
        """*is_fixed*: its octets never change.  Raises FileNotFoundError: it has gone."""
        source, target = f"{self._place.data}/{path}", f"{self._target}/{path}"
        found = os.lstat(source)
        if not stat.S_ISREG(found.st_mode):
            return
        known = self._known.get(_key(path))
        if is_fixed and found.st_dev == os.stat(self._target).st_dev and _link(source, target):
            self._add(
                StoredFile(path, found.st_size, known.digest if known and known.size == found.st_size else UNREAD)
            )
            self.linked += 1
        elif (
            known is not None
            and self._is_unchanged(known, found, is_fixed)
            and _link(f"{self._earlier}/{known.path}", target)
        ):
            self._add(StoredFile(path, known.size, known.digest))
            self.linked += 1
        elif not is_fixed and is_database(source):
            self._copy_database(source, target)
            _take_over(found, target)
            self._add(StoredFile(path, os.stat(target).st_size, digest_of(target)))
        else:
            size, digest = _copy(source, target)
            _take_over(found, target)
            self._add(StoredFile(path, size, digest))

    def _add(self, stored: StoredFile) -> None:
        self._files.append(stored)
        self._advance(1)

    def _is_unchanged(self, known: StoredFile, found: os.stat_result, is_fixed: bool) -> bool:
        if known.size != found.st_size:
            return False
        if is_fixed:
            return True
        with suppress(FileNotFoundError):
            before = os.stat(f"{self._earlier}/{known.path}")
            same = (before.st_mtime_ns, before.st_mode, before.st_uid, before.st_gid)
            return same == (found.st_mtime_ns, found.st_mode, found.st_uid, found.st_gid) and not is_database(
                f"{self._earlier}/{known.path}"
            )
        return False

    def _copy_database(self, source: str, target: str) -> None:
        """By SQLite, as of one moment.  Raises MovingError."""
        _write(target, b"")
        try:
            with self._place.acting():  # its side files must be the owner's, too
                reading = sqlite3.connect(f"file:{quote(source)}?mode=rw", uri=True, timeout=60)
                reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
            writing = sqlite3.connect(target)
            try:
                reading.backup(writing)
                writing.execute("PRAGMA journal_mode = DELETE")
            finally:
                writing.close()
                with self._place.acting():
                    reading.close()
        except sqlite3.Error as error:
            raise MovingError(f"{source} cannot be copied ({error}); check it: mailserver check files") from error

    def _drop_lone_envelopes(self, since: int) -> None:
        """Of messages that left the queue between their envelope and their body."""
        taken = self._files[since:]
        here = {stored.path for stored in taken}
        del self._files[since:]
        for stored in taken:
            if stored.path.endswith(_ENVELOPE) and stored.path.removesuffix(_ENVELOPE) + _BODY not in here:
                os.unlink(f"{self._target}/{stored.path}")
            else:
                self._files.append(stored)


@contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    """Raises MovingError: another backup is at it."""
    descriptor = os.open(f"{folder}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise MovingError(f"another backup into {folder} is under way; wait for its end") from None
    finally:
        os.close(descriptor)


def _known(snapshot: str | None) -> Mapping[str, StoredFile]:
    """By their keys."""
    return {_key(stored.path): stored for stored in files_of(snapshot)} if snapshot else {}


def _key(path: str) -> str:
    """By which a message is known again that moved from new/ to cur/ or got other flags."""
    folder, _, name = path.rpartition("/")
    parent, _, last = folder.rpartition("/")
    if last in layout.FOLDERS and _is_in_mailbox(f"{parent}/"):
        return f"{parent}//{maildir.without_flags(name)}"
    return path


def _name(path: str) -> str:
    """The part of what `maildir.scan` gives that stays when a message moves."""
    return maildir.without_flags(maildir.name_of(path))


def _is_in_mailbox(relative: str) -> bool:
    """Whether a folder is DOMAIN/USER/ or below: a user may be called `tmp` or `new`."""
    return relative.count("/") >= 2 and not relative.startswith(_SERVER)


def _mailboxes(data: str) -> Iterator[str]:
    """DOMAIN/USER of each Maildir."""
    for domain in sorted(os.listdir(data)):
        if not domain.startswith(".") and os.path.isdir(f"{data}/{domain}"):
            for user in sorted(os.listdir(f"{data}/{domain}")):
                if os.path.isdir(f"{data}/{domain}/{user}"):
                    yield f"{domain}/{user}"


def _link(source: str, target: str) -> bool:
    """False: this file system, or this user, may not.  Raises FileNotFoundError."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True


def _copy(source: str, target: str) -> tuple[int, str]:
    """Octets and SHA-256.  Raises FileNotFoundError: it has gone."""
    digest, size = sha256(), 0
    with (
        open(source, "rb", buffering=0, opener=maildir.opener) as reading,
        open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as writing,
    ):
        while piece := reading.read(_PIECE):
            digest.update(piece)
            writing.write(piece)
            size += len(piece)
    return size, digest.hexdigest()


def _take_over(found: os.stat_result, target: str) -> None:
    """Mode, time and, for root, the owner of what was copied."""
    if os.geteuid() == 0:
        os.chown(target, found.st_uid, found.st_gid)
    os.chmod(target, stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_mtime_ns, found.st_mtime_ns))


def _write(path: str, octets: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(octets)
