"""An SQLite file that others open at the same moment."""

from __future__ import annotations

import os
import sqlite3
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from twisted_mail.sharedfile import PATIENCE, open_shared


def _open(path: str) -> str:
    connection = open_shared(path)
    connection.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER)")
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    return str(mode)


class BrokenConnection:
    """Its disk is broken."""

    closed = False

    def execute(self, statement: str) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    def close(self) -> None:
        self.closed = True


def test_what_will_not_pass_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = BrokenConnection()
    monkeypatch.setattr(sqlite3, "connect", lambda *arguments, **options: connection)
    begun = time.monotonic()
    with pytest.raises(sqlite3.OperationalError):
        open_shared("broken.sqlite")
    assert time.monotonic() - begun < PATIENCE / 2
    assert connection.closed


def test_processes_that_make_the_file_at_once_all_open_it(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, get_context("spawn")) as processes:
        for number in range(10):
            path = os.path.join(tmp_path, f"{number}.sqlite")
            assert list(processes.map(_open, [path] * 8)) == ["wal"] * 8
