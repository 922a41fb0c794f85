"""What a person at a terminal sees of long work: how much is done, how fast it goes and how long it will still take.

Standard error, and only where that is a terminal: nothing of it gets into a pipe, a file or a log.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TextIO, TypeVar

T = TypeVar("T")

SHOWN_EVERY = 0.1
"""Seconds: a terminal far away is not to slow the work down."""
MEASURED_AFTER = 1.0
"""Seconds before a rate means anything."""


class Progress:
    """One line that is written over and over.  Used in a `with`, which ends the line."""

    def __init__(
        self,
        what: str,
        total: int | None = None,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*total*: how many there will be; None: nobody knows.  *stream*: None is standard error."""
        self._what = what
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._is_shown = self._stream.isatty()
        self._clock = clock
        self._started = clock()
        self._shown_at: float | None = None
        self._width = 0
        self._note = ""
        self.done = 0

    def __enter__(self) -> Progress:
        self._show()
        return self

    def __exit__(self, *error: object) -> None:
        self._show()
        if self._is_shown:
            print(file=self._stream, flush=True)

    def advance(self, count: int = 1, note: str = "") -> None:
        """*count* more are done; *note*: what stands at the end of the line from now on."""
        self.done += count
        self._note = note
        if self._shown_at is None or self._clock() - self._shown_at >= SHOWN_EVERY:
            self._show()

    def __str__(self) -> str:
        """`hashing passwords: 300 of 2000, 45/s, 38 s left`."""
        of = "" if self._total is None else f" of {self._total}"
        parts = [f"{self._what}: {self.done}{of}", *self._speed()]
        return ", ".join([*parts, self._note] if self._note else parts)

    def _speed(self) -> list[str]:
        seconds = self._clock() - self._started
        if seconds < MEASURED_AFTER or not self.done:
            return []
        rate = self.done / seconds
        shown = f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
        if self._total is None or self.done >= self._total:
            return [shown]
        return [shown, f"{_time_text((self._total - self.done) / rate)} left"]

    def _show(self) -> None:
        if not self._is_shown:
            return
        self._shown_at = self._clock()
        text = str(self)
        print(f"\r{text:{self._width}}", end="", file=self._stream, flush=True)
        self._width = len(text)


def tracked(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """*items*, with a progress display while they are worked through."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(what, total) as progress:
        for item in items:
            yield item
            progress.advance()


def _time_text(seconds: float) -> str:
    """`38 s`, `4 min`, `2 h 05 min`."""
    whole = max(1, round(seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
