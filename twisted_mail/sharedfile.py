"""An SQLite file that several processes of the server open, perhaps all at the same moment."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

PATIENCE = 10.0
"""Seconds: for who writes (an import of thousands of accounts takes far less), and who makes the file just now."""
_PAUSE = 0.02


def open_shared(path: str) -> sqlite3.Connection:
    """In WAL mode, for any thread, without transactions of its own.  Blocks.  Raises sqlite3.Error."""
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return connection
        except sqlite3.OperationalError as error:
            # SQLite waits for no lock when it changes the mode of a new file; any other error will not pass
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                connection.close()
                raise
            time.sleep(_PAUSE)


class SharedFile:
    """A file that is opened when it is first needed, so that a broken one stops nothing but what needs it.

    One object a process; safe in several threads; everything blocks.  What SQLite says is raised as OSError.
    """

    def __init__(self, path: str, tables: str) -> None:
        """*tables*: statements that make them where there are none."""
        self._path = path
        self._tables = tables
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Each statement for itself."""
        with self._lock:
            try:
                yield self._opened()
            except sqlite3.Error as error:
                self._let_go()
                raise OSError(f"{self._path}: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All statements or none."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """It is opened again where it is needed again."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = open_shared(self._path)
            connection.execute("PRAGMA synchronous = NORMAL")  # a crash loses the last words, and no more
            connection.executescript(self._tables)
            self._connection = connection
        return self._connection
