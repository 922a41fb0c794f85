"""An SQLite file that others open at the same moment."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from twisted_mail.sharedfile import open_shared


def _open(path: str) -> str:
    connection = open_shared(path)
    connection.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER)")
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    return str(mode)


def test_processes_that_make_the_file_at_once_all_open_it(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, get_context("spawn")) as processes:
        for number in range(10):
            path = os.path.join(tmp_path, f"{number}.sqlite")
            assert list(processes.map(_open, [path] * 8)) == ["wal"] * 8
