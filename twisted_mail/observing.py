"""What watches the server at work, put together: the lines of its log, the journal, the counters.

What happens is said once, as an event of twisted.logger; everything here is an observer of those.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from twisted.internet.base import ReactorBase
from twisted.logger import Logger, globalLogPublisher

from twisted_mail.config import Config, Log
from twisted_mail.logline import as_json, as_text
from twisted_mail.records.background import Background
from twisted_mail.records.counters import Counters, forget
from twisted_mail.records.journal import Bounds, Journal
from twisted_mail.records.logfile import Levels, LineFormat, Reformatting


class Observing:
    """The observers of one process."""

    log = Logger()

    def __init__(self, config: Config, process: str, reactor: ReactorBase, *, first: bool) -> None:
        """*process*: its name, another one for each process of a server.  *first*: the server begins with it."""
        self._config = config
        self._reactor = reactor
        self._first = first
        self._counters = Counters(config.run_folder, f"{process}-{os.getpid()}")
        self._journal: Journal | None = None
        tasks = [self._write_numbers]
        if config.journal.keep:
            bounds = Bounds(config.journal.keep, config.journal.size)
            self._journal = Journal(config.journal_folder, process, bounds, self._complain)
            tasks.append(self._journal.flush)
        self._background = Background(tasks)

    def start(self) -> None:
        if self._first:
            forget(self._config.run_folder)
        for observer in self._observers:
            globalLogPublisher.addObserver(observer)
        self._background.start()

    def stop(self) -> None:
        """Blocks until all is written."""
        for observer in self._observers:
            globalLogPublisher.removeObserver(observer)
        self._background.stop()
        if self._journal is not None:
            self._journal.close()

    @property
    def _observers(self) -> list[Counters | Journal]:
        return [self._counters, self._journal] if self._journal is not None else [self._counters]

    def _write_numbers(self) -> None:
        with suppress(OSError):  # a full disk is told elsewhere, and they are written again in a second
            self._counters.write()

    def _complain(self, error: OSError) -> None:
        """In the thread."""
        self._reactor.callFromThread(self.log.warn, "the journal cannot be written: {error}", error=str(error))


def line_format_of(log: Log, worker: int | None = None) -> LineFormat:
    """What makes the lines of one process; *worker*: its number, where there are several."""
    more: Mapping[str, object] = {} if worker is None else {"worker": worker}
    return LineFormat(Levels(log.level, log.levels), as_json if log.format == "json" else as_text, more)


def format_log(config: Config, program: Any) -> Config:
    """Have the observer that twistd or twist is going to make write our lines.

    *program*: the options of twistd or twist, or None.  Returns the configuration with the format that was chosen.
    """
    chosen = config.log.format
    if chosen == "auto":
        asked = program.get("logFormat") if program is not None else None  # of twist only
        chosen = asked or ("json" if is_systemd_journal(os.environ) else "text")
    log = replace(config.log, format=chosen)
    Reformatting(globalLogPublisher, line_format_of(log))
    return replace(config, log=log)


def is_systemd_journal(environment: Mapping[str, str]) -> bool:
    """Standard output is what systemd has connected with its journal (systemd.exec(5), JOURNAL_STREAM)."""
    status = os.fstat(1)
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
