"""A thread that does small things with files, each second and at the stop: what must not wait happens elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

INTERVAL = 1.0
"""Seconds."""


class Background:
    """*tasks* must not raise."""

    def __init__(self, tasks: Sequence[Callable[[], None]]) -> None:
        self._tasks = tasks
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """In the process whose thread it is to be: threads do not survive a fork."""
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Blocks until all was done once more."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(INTERVAL):
            self._do_all()
        self._do_all()

    def _do_all(self) -> None:
        for task in self._tasks:
            task()
