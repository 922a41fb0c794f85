"""The SQLite file of the directory: its tables, and connections to it.

Any number of processes use it at once: the server's workers read, the `mailserver` command writes.  In WAL mode readers
never wait for a writer, and each read sees what was committed before it.  A write that returned is on disk.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from twisted_mail.auth.names import DirectoryError
from twisted_mail.durable import make_directory
from twisted_mail.sharedfile import open_shared

# Primary keys WITHOUT ROWID: one look into one B-tree a question.
_FIRST = """
CREATE TABLE domain (
    position INTEGER PRIMARY KEY,  -- the first one takes mail for <postmaster>
    name TEXT NOT NULL UNIQUE,     -- lower-case A-labels
    created INTEGER NOT NULL       -- seconds since 1970
);
CREATE TABLE account (
    domain TEXT NOT NULL REFERENCES domain (name),
    local_part TEXT NOT NULL,      -- lower case, NFC
    password TEXT NOT NULL,        -- see passwords.py
    disabled INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    PRIMARY KEY (domain, local_part)
) WITHOUT ROWID;
CREATE TABLE account_attribute (
    domain TEXT NOT NULL,
    local_part TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (domain, local_part, name),
    FOREIGN KEY (domain, local_part) REFERENCES account (domain, local_part) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE alias (
    domain TEXT NOT NULL REFERENCES domain (name),
    local_part TEXT NOT NULL,      -- empty: all that the domain does not have
    position INTEGER NOT NULL,
    target_domain TEXT NOT NULL,
    target_local_part TEXT NOT NULL,
    PRIMARY KEY (domain, local_part, position)
) WITHOUT ROWID;
CREATE INDEX alias_target ON alias (target_domain, target_local_part);
"""
_SECRETS_BESIDE_THE_PASSWORD = """
ALTER TABLE account ADD COLUMN verifier TEXT NOT NULL DEFAULT '';
-- verifier: for SCRAM, see scram.py; empty: none
CREATE INDEX account_without_verifier ON account (domain) WHERE verifier = '';
CREATE TABLE app_password (
    domain TEXT NOT NULL,
    local_part TEXT NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,          -- SHA-256: these passwords are random
    verifier TEXT NOT NULL,
    protocols TEXT NOT NULL,       -- of `smtp` and `pop3`, with a space between
    created INTEGER NOT NULL,
    last_used INTEGER,
    PRIMARY KEY (domain, local_part, name),
    FOREIGN KEY (domain, local_part) REFERENCES account (domain, local_part) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE server_key (name TEXT PRIMARY KEY, octets BLOB NOT NULL) WITHOUT ROWID;
"""

_PASSWORD_FOR_CRAM_MD5 = """
ALTER TABLE account ADD COLUMN shared_secret TEXT NOT NULL DEFAULT ''
"""

_LISTS_WITH_OWNERS = """
CREATE TABLE alias_owner (
    domain TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
    local_part TEXT NOT NULL,
    owner_domain TEXT NOT NULL,
    owner_local_part TEXT NOT NULL,
    PRIMARY KEY (domain, local_part),
    FOREIGN KEY (owner_domain, owner_local_part) REFERENCES account (domain, local_part) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX alias_owner_account ON alias_owner (owner_domain, owner_local_part);
CREATE TABLE domain_attribute (
    domain TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (domain, name)
) WITHOUT ROWID
"""

_CHANGES = (_FIRST, _SECRETS_BESIDE_THE_PASSWORD, _PASSWORD_FOR_CRAM_MD5, _LISTS_WITH_OWNERS)
VERSION = len(_CHANGES)
"""Of the tables, in SQLite's user_version.  A program refuses a file that a newer one has changed."""

NOTICED_AFTER = 0.005
"""Seconds between two looks whether another process has changed anything: one look is for all who ask."""

NEVER = float("-inf")

KEYS = ("salt", "srs")
"""Random octets that no other server has: for password salts, and for return paths (smtp/srs.py)."""


_NOT_OURS = "run this as the user that the server runs as"
_FULL = "is its disk full (df) or broken?"
_BROKEN = "it is damaged: move it away and bring it back from a backup"
_REMEDIES = {
    sqlite3.SQLITE_IOERR: _FULL,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: _BROKEN,
}
"""SQLite's primary result code when the file cannot be opened -> what to do; for all others, _NOT_OURS."""


class Database:
    """One connection to read with, in the thread that made it, and one to write with, for any thread."""

    def __init__(self, path: str) -> None:
        """Makes file and folder where they are missing.  Raises DirectoryError."""
        self._path = path
        self._writing = Lock()
        self._version, self._looked = 0, NEVER
        try:
            _create(path)
            self._reader = open_shared(path)
            self._writer = open_shared(path)
            self._writer.execute("PRAGMA synchronous = FULL")
            self._writer.execute("PRAGMA foreign_keys = ON")
            self._prepare_tables()
        except (OSError, sqlite3.Error) as error:
            raise DirectoryError(f"{path} cannot be opened ({_reason(error)}); {_remedy(error)}") from error
        self.select = self._reader.execute
        """Ask something; fetch all of the answer, or the connection keeps looking at the past."""

    def version(self, now: float) -> int:
        """Another one once anything has changed: by this process at once, by others within NOTICED_AFTER.

        *now*: seconds of any clock, the same for all questions.
        """
        if now >= self._looked + NOTICED_AFTER:
            self._looked = now  # first: a change that another thread makes meanwhile asks for one more look
            ((self._version,),) = self.select("PRAGMA data_version").fetchall()
        return self._version

    def close(self) -> None:
        self._reader.close()
        self._writer.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and on disk afterwards.  Blocks.  Raises DirectoryError."""
        with self._writing:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                except BaseException:
                    self._writer.execute("ROLLBACK")
                    raise
                self._writer.execute("COMMIT")
                self._looked = NEVER
            except sqlite3.Error as error:
                raise DirectoryError(
                    f"{self._path} cannot be changed ({_reason(error)}); check its permissions and the disk, try again"
                ) from error

    def _prepare_tables(self) -> None:
        with self.transaction() as writer:
            (version,) = writer.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise DirectoryError(f"{self._path} was changed by a newer version of the server; install that one")
            for change in _CHANGES[version:]:
                for statement in change.split(";\n"):
                    writer.execute(statement)
            if version < VERSION:
                for name in KEYS:
                    writer.execute("INSERT OR IGNORE INTO server_key VALUES (?, ?)", (name, secrets.token_bytes(32)))
                writer.execute(f"PRAGMA user_version = {VERSION}")


def now() -> int:
    """Seconds since 1970, for the `created` columns."""
    return int(time.time())


def _create(path: str) -> None:
    """0600 before SQLite opens it: its -wal and -shm files take over the permissions."""
    make_directory(os.path.dirname(path))
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _reason(error: OSError | sqlite3.Error) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _remedy(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        return _FULL if error.errno == errno.ENOSPC else _NOT_OURS
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the bits above these eight say more of it
    return _REMEDIES.get(primary, _NOT_OURS)
