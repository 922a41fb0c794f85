"""A backup's snapshot: a dated folder, what it says about itself, and whether that is still so.

    BACKUP/20261121T060941Z/backup.json       when and of what; of each mailbox the messages and their unique-ids
    BACKUP/20261121T060941Z/files             a line a file: octets, SHA-256 or -, path as JSON, with tabs between
    BACKUP/20261121T060941Z/mailserver.toml   the configuration of then
    BACKUP/20261121T060941Z/data/             the data directory, each file with its mode, owner and time

A folder has such a name only once it is complete.  Messages that are hard links to those of the server have no digest:
nobody has read them.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from urllib.parse import quote

from twisted_mail.mailbox import maildir
from twisted_mail.moving.letter import MovingError

DATA, FILES, FACTS, CONFIGURATION = "data", "files", "backup.json", "mailserver.toml"
VERSION = 1
UNREAD = "-"
"""In the place of a digest."""
SQLITE = b"SQLite format 3\0"

NAME = "%Y%m%dT%H%M%SZ"
"""Of a snapshot, for strftime."""
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A line about one file."""

    path: str
    """Below data/."""
    size: int
    digest: str = UNREAD

    def __str__(self) -> str:
        return f"{self.size}\t{self.digest}\t{json.dumps(self.path)}"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """What is in one account's Maildir."""

    messages: int
    octets: int
    """On the wire."""
    uids: str
    """SHA-256 of the unique-ids, sorted."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a snapshot says about itself."""

    created: str
    hostname: str
    files: int
    octets: int
    mailboxes: Mapping[str, Mailbox]
    """By DOMAIN/USER."""
    version: int = VERSION

    @property
    def messages(self) -> int:
        return sum(mailbox.messages for mailbox in self.mailboxes.values())

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def of(cls, snapshot: str) -> Facts:
        """Raises MovingError."""
        try:
            with open(f"{snapshot}/{FACTS}", encoding="utf-8") as file:
                found = json.load(file)
            if found["version"] != VERSION:
                raise MovingError(f"{snapshot} was made by a newer version of the server; use that one")
            mailboxes = {name: Mailbox(**facts) for name, facts in found.pop("mailboxes").items()}
            return cls(**found, mailboxes=mailboxes)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise MovingError(f"{snapshot} is no backup that can be read ({error}); name another") from error


def snapshots(folder: str) -> list[str]:
    """Names of those in a backup's folder, the newest last.  Raises OSError."""
    return sorted(name for name in os.listdir(folder) if _NAME.fullmatch(name))


def chosen(folder: str) -> str:
    """The snapshot that *folder* is, or the newest one in it.  Raises MovingError."""
    if os.path.isfile(f"{folder}/{FACTS}"):
        return folder
    names = snapshots(folder) if os.path.isdir(folder) else []
    if not names:
        raise MovingError(f"there is no backup in {folder}; make one: mailserver backup {folder}")
    return f"{folder}/{names[-1]}"


def files_of(snapshot: str) -> Iterator[StoredFile]:
    """What it says that it has.  Raises OSError or MovingError."""
    with open(f"{snapshot}/{FILES}", encoding="ascii", errors="replace") as file:
        for line in file:
            try:
                size, digest, path = line.split("\t")
                stored = StoredFile(json.loads(path), int(size), digest)
            except ValueError as error:
                raise MovingError(f"{snapshot}/{FILES} is damaged; name another backup") from error
            yield stored


def mailbox_at(path: str) -> Mailbox:
    """What the Maildir at *path* has now.  Raises OSError."""
    messages, octets = maildir.total(path)
    uids = sorted(maildir.unique_ids(maildir.scan(path)))
    return Mailbox(messages, octets, sha256("\n".join(uids).encode("ascii")).hexdigest())


def differences(snapshot: str, data: str, advance: Callable[[int], None]) -> Iterator[str]:
    """How the data directory *data* (of the snapshot, or restored) is not what the snapshot says; a line each."""
    facts = Facts.of(snapshot)
    files = octets = 0
    for stored in files_of(snapshot):
        files += 1
        octets += stored.size
        if wrong := _difference(stored, f"{data}/{stored.path}"):
            yield f"{data}/{stored.path}: {wrong}"
        advance(1)
    if (files, octets) != (facts.files, facts.octets):
        yield f"{snapshot}/{FILES}: {facts.files} files with {facts.octets} octets should be listed there"
    for name, mailbox in facts.mailboxes.items():
        found = mailbox_at(f"{data}/{name}")
        if found != mailbox:
            yield f"{data}/{name}: {mailbox.messages} messages should be there, with the same unique-ids"


def digest_of(path: str) -> str:
    """SHA-256.  Raises OSError."""
    digest = sha256()
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def is_database(path: str) -> bool:
    """Whether it is one of SQLite.  Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        return file.read(len(SQLITE)) == SQLITE


def _difference(stored: StoredFile, path: str) -> str:
    """In words; empty: there is none."""
    try:
        if (size := os.lstat(path).st_size) != stored.size:
            return f"has {size} octets, should have {stored.size}"
        if stored.digest != UNREAD and digest_of(path) != stored.digest:
            return "has other octets than it had"
        return _damage(path) if is_database(path) else ""
    except OSError as error:
        return error.strerror or str(error)


def _damage(path: str) -> str:
    """Of a database that nobody has open."""
    connection = sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)
    try:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        return "" if found == ["ok"] else f"is damaged: {'; '.join(map(str, found))}"
    except sqlite3.Error as error:
        return f"is damaged: {error}"
    finally:
        connection.close()
