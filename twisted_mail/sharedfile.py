"""An SQLite file that several processes of the server open, perhaps all at the same moment."""

from __future__ import annotations

import sqlite3
import time

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
