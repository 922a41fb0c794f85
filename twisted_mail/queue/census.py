"""How many messages wait in the queue, and how long the oldest has: from the names and times of its files alone."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from twisted_mail.message.identifier import milliseconds_of
from twisted_mail.queue.entry import NEVER
from twisted_mail.queue.spool import SpoolFiles

ENVELOPE = ".envelope"


@dataclass(frozen=True, slots=True)
class Census:
    """Counts of messages."""

    due: int = 0
    """At work, or about to be."""
    waiting: int = 0
    """For their next attempt."""
    held: int = 0
    oldest: float | None = None
    """When the oldest one was taken, Unix time; None: the queue is empty."""

    @property
    def total(self) -> int:
        return self.due + self.waiting + self.held


def census(files: SpoolFiles, now: float) -> Census:
    """Blocks: half a second for 100,000.  An empty queue where there is no folder."""
    due = waiting = held = 0
    oldest = None
    with suppress(FileNotFoundError), os.scandir(files.messages) as found:
        for file in found:
            if not file.name.endswith(ENVELOPE):
                continue
            with suppress(FileNotFoundError, ValueError):  # it leaves the queue in this moment; somebody else's file
                when = file.stat().st_mtime
                taken = milliseconds_of(file.name) / 1000
                oldest = taken if oldest is None else min(oldest, taken)
                if when >= NEVER:
                    held += 1
                elif when > now:
                    waiting += 1
                else:
                    due += 1
    return Census(due, waiting, held, oldest)
