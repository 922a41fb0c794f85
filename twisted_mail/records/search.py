"""Finding records in the journal's files: octets are compared first, and only lines that have them are read as JSON.

1 GB takes about a second for each text that is looked for.  All of it blocks.
"""

from __future__ import annotations

import itertools
import json
import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from twisted_mail.records.journal import Record, files


def find(folder: str, *texts: str) -> list[Record]:
    """All records that contain one of *texts*, in order of time."""
    needles = {_as_written(text) for text in texts if text}
    found = []
    for path in files(folder):
        with _mapped(path) as octets:
            found += [record for line in _matching(octets, needles) if (record := _record(line)) is not None]
    return sorted(found, key=time_of)


def between(folder: str, since: float, until: float) -> list[Record]:
    """All records of a span of time."""
    found = []
    for path in files(folder):
        with suppress(FileNotFoundError):
            if os.stat(path).st_mtime < since or moment_of_file(path) > until:
                continue
        with _mapped(path) as octets:
            for line in _lines(octets):
                if since <= _time_in(line) <= until and (record := _record(line)) is not None:
                    found.append(record)
    return sorted(found, key=time_of)


def newest(folder: str, wanted: Callable[[Record], bool], limit: int, text: str = "") -> list[Record]:
    """The last *limit* records that are *wanted* and contain *text*, the newest first."""
    needle = _as_written(text).lower()
    found: list[Record] = []
    for path in reversed(files(folder)):
        # those of several processes overlap: only a file that ends before all that was found has nothing newer
        with suppress(FileNotFoundError):
            if len(found) == limit and os.stat(path).st_mtime < time_of(found[-1]):
                continue
        with _mapped(path) as octets:
            lines = (line for line in _lines_backwards(octets) if not needle or needle in line.lower())
            records = filter(None, map(_record, lines))
            found += itertools.islice(filter(wanted, records), limit)
        found = sorted(found, key=time_of, reverse=True)[:limit]
    return found


def time_of(record: Record) -> float:
    value = record.get("time", 0.0)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _as_written(text: str) -> bytes:
    """*text* as it stands inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode(errors="replace")


def moment_of_file(path: str) -> float:
    """Seconds: it stands in the file's name."""
    milliseconds = os.path.basename(path).partition("-")[0]
    return int(milliseconds) / 1000 if milliseconds.isdigit() else 0.0


@contextmanager
def _mapped(path: str) -> Iterator[mmap.mmap | bytes]:
    """Nothing, where the file is empty or has just been swept."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
                    yield octets
                return
    except FileNotFoundError:
        pass
    yield b""


def _matching(octets: mmap.mmap | bytes, needles: Iterable[bytes]) -> list[bytes]:
    """The lines that contain one of *needles*, each once, in their order."""
    starts = set()
    for needle in needles:
        position = octets.find(needle)
        while position >= 0:
            starts.add(octets.rfind(b"\n", 0, position) + 1)
            end = octets.find(b"\n", position)
            position = octets.find(needle, end) if end >= 0 else -1
    return [_line_at(octets, start) for start in sorted(starts)]


def _line_at(octets: mmap.mmap | bytes, start: int) -> bytes:
    end = octets.find(b"\n", start)
    return octets[start:] if end < 0 else octets[start:end]


def _lines(octets: mmap.mmap | bytes) -> Iterator[bytes]:
    start = 0
    while (end := octets.find(b"\n", start)) >= 0:
        yield octets[start:end]
        start = end + 1


def _lines_backwards(octets: mmap.mmap | bytes) -> Iterator[bytes]:
    end = octets.rfind(b"\n")
    while end > 0:
        start = octets.rfind(b"\n", 0, end) + 1
        yield octets[start:end]
        end = start - 1


def _time_in(line: bytes) -> float:
    """Without reading all of it: `{"time":1764.123,"event":...`."""
    try:
        return float(line[len('{"time":') : line.index(b",")])
    except ValueError:
        return 0.0


def _record(line: bytes) -> Record | None:
    """None: the line was cut off by a crash."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
