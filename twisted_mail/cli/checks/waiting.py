"""Mail that waits to be sent: how much, for how long, and whether somebody is sending it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from twisted_mail.cli.checks.finding import Finding, Situation, advice, fault, ok
from twisted_mail.queue.entry import NEVER
from twisted_mail.queue.envelope import EnvelopeError
from twisted_mail.queue.lock import is_scheduled
from twisted_mail.queue.spool import SpoolFiles
from twisted_mail.units import duration_text

MOST_READ = 20_000
"""Envelopes that are read; a longer queue is counted only."""
OLD = 4 * 3600
"""Seconds that a message waits before it is worth telling: its sender hears of it then too."""
OVERDUE = 900
"""Seconds after which a message that is due should have been tried, however busy the server is."""
MANY = 5000
_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The queue in numbers."""

    count: int
    octets: int
    held: int
    oldest: float | None
    """When the oldest message that is not held came: seconds since 1970."""
    due: float | None
    """When the one that is due first should be tried."""


def check_queue(situation: Situation) -> Iterator[Finding]:
    folder = os.path.join(situation.config.server_folder, "queue")
    try:
        yield from _queue(SpoolFiles(folder), situation)
    except FileNotFoundError:
        yield ok("nothing has been sent to other servers yet")
    except PermissionError as error:
        yield advice(f"{error.filename} cannot be looked at by this user", "run this as root")


def _queue(files: SpoolFiles, situation: Situation) -> Iterator[Finding]:
    """Raises OSError."""
    if damaged := os.listdir(files.damaged):
        yield fault(f"{len(damaged)} files of the queue were damaged and put aside", f"ls -l {files.damaged}")
    waiting = _counted(files)
    text = _text(waiting, situation.now)
    age = situation.now - (waiting.oldest or situation.now)
    if waiting.due is not None and situation.now - waiting.due > OVERDUE and not _is_sent(files.folder):
        yield fault(f"{text}, and no process sends them", situation.start)
    elif age > OLD or waiting.count > MANY:
        yield advice(text, "mailserver queue list   (it says why each waits)")
    else:
        yield ok(text)


def _counted(files: SpoolFiles) -> _Waiting:
    identifiers = files.identifiers()
    octets, held, created, due = 0, 0, [], []
    for identifier in identifiers[:MOST_READ]:
        try:
            entry = files.read(identifier)
        except (FileNotFoundError, EnvelopeError):  # gone meanwhile; or the server will put it aside
            continue
        octets += entry.size
        if entry.due >= NEVER:
            held += 1
        else:
            created.append(entry.created)
            due.append(entry.due)
    return _Waiting(len(identifiers), octets, held, min(created, default=None), min(due, default=None))


def _text(waiting: _Waiting, now: float) -> str:
    if not waiting.count:
        return "no messages wait to be sent"
    parts = [f"{waiting.count} messages wait to be sent" if waiting.count > 1 else "1 message waits to be sent"]
    parts.append(f"{max(1, waiting.octets // _MIB)} MiB" if waiting.octets >= _MIB else f"{waiting.octets} octets")
    if waiting.oldest is not None:
        parts.append(f"the oldest for {_rough(now - waiting.oldest)}")
    if waiting.held:
        parts.append(f"{waiting.held} of them held")
    return ", ".join(parts)


def _rough(seconds: float) -> str:
    unit = next((unit for unit in (86_400, 3600, 60) if seconds >= 2 * unit), 1)
    return duration_text(max(1, int(seconds) // unit * unit))


def _is_sent(folder: str) -> bool:
    # the question would make the file, perhaps as root
    return os.path.exists(os.path.join(folder, "scheduler.lock")) and is_scheduled(folder)
