"""The journal: each event that has a name, as a line of JSON in a file that nobody else writes.

    .server/journal/MILLISECONDS-PROCESS.jsonl      of the first record; a new file each day, and when one is full

An event is put into memory where it happens, and written by a thread, each second and at the stop.  A crash loses the
last second; the journal is not synced, for it promises nothing: what must not be lost is in mailboxes and queue.  Where
the disk does not take it, records are lost and counted, and the server goes on.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from zope.interface import implementer

from twisted_mail.durable import make_directory
from twisted_mail.logline import OWN, plain
from twisted_mail.records.happenings import HAPPENINGS

MOST_WAITING = 100_000
"""Events in memory; what comes beyond is lost, and counted."""
LARGEST_FILE = 64 * 1024 * 1024
DAY = 86_400.0
SUFFIX = ".jsonl"
_FAULTS = (LogLevel.error, LogLevel.critical)

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept: of all processes together."""

    seconds: float
    octets: int

    @property
    def file_size(self) -> int:
        return min(LARGEST_FILE, max(self.octets // 16, 4096))


@implementer(ILogObserver)
class Journal:
    """An observer; `flush` writes what it has seen, in a thread (background.py)."""

    def __init__(
        self,
        folder: str,
        process: str,
        bounds: Bounds,
        complain: Callable[[OSError], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """*process*: ends the names of its files; *complain* is called in the thread, once for each row of failures."""
        self._folder = folder
        self._process = process
        self._bounds = bounds
        self._complain = complain
        self._now = now
        self._waiting: deque[LogEvent] = deque()
        self._lost = 0
        self._failing = False
        self._file = -1
        self._size = 0
        self._opened = 0.0

    def __call__(self, event: LogEvent) -> None:
        if event.get("event") or event["log_level"] in _FAULTS:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(event)
            else:
                self._lost += 1

    def flush(self) -> None:
        """Write what is waiting."""
        lines = []
        while self._waiting:
            lines.append(line_of(record_of(self._waiting.popleft())))
        count, lost = len(lines), self._lost
        if lost:
            lines.append(line_of({"time": self._now(), "event": "journal.lost", "count": lost}))
        if not lines:
            return
        try:
            self._write(b"".join(lines))
        except OSError as error:
            self._lost += count
            if not self._failing:
                self._failing = True
                self._complain(error)
        else:
            self._lost -= lost
            self._failing = False

    def close(self) -> None:
        """Nothing more is flushed."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, octets: bytes) -> None:
        """Raises OSError."""
        now = self._now()
        if self._file < 0 or self._size >= self._bounds.file_size or now - self._opened >= DAY:
            self._open(now)
        self._size += len(octets)
        while octets:
            octets = octets[os.write(self._file, octets) :]

    def _open(self, now: float) -> None:
        self.close()
        make_directory(self._folder)
        name = f"{self._folder}/{int(now * 1000):013d}-{self._process}{SUFFIX}"
        self._file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size, self._opened = 0, now
        sweep(self._folder, self._bounds, now)


def record_of(event: LogEvent) -> Record:
    """What is kept of *event*: its fields, and of a failure its words."""
    record: Record = {"time": round(event["log_time"], 6), "event": event.get("event") or "fault"}
    for name, value in event.items():
        if name not in OWN and name != "event" and value is not None and value != "":
            record[name] = value
    if record["event"] not in HAPPENINGS or record["event"] == "fault":
        record["text"] = _words(event)
    if (failure := event.get("log_failure")) is not None:
        record["error"] = failure.getTraceback()
    return record


def _words(event: LogEvent) -> str:
    try:
        return str(event["log_format"].format_map(event))
    except Exception:  # noqa: BLE001 (a format that does not fit its fields: Twisted has words for that, too)
        return formatEvent(event)


def line_of(record: Mapping[str, object]) -> bytes:
    return f"{_ENCODER.encode(record)}\n".encode(errors="replace")


# json.dumps would make one for each line
_ENCODER = json.JSONEncoder(default=plain, separators=(",", ":"), ensure_ascii=False)


def files(folder: str) -> list[str]:
    """All of the journal, the oldest first; empty where there is none."""
    with suppress(FileNotFoundError):
        return sorted(f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(SUFFIX))
    return []


def sweep(folder: str, bounds: Bounds, now: float) -> None:
    """Remove what is too old, and the oldest of what is too much; never the newest file of a process, which may write.

    Raises OSError.
    """
    newest = {_process_of(path): path for path in files(folder)}
    total = 0
    for path in reversed(files(folder)):
        with suppress(FileNotFoundError):  # another process sweeps, too
            status = os.stat(path)
            total += status.st_size
            too_old = status.st_mtime < now - max(bounds.seconds, DAY)
            if (too_old or total > bounds.octets) and path not in newest.values():
                os.unlink(path)


def _process_of(path: str) -> str:
    return path.rpartition("-")[2]
