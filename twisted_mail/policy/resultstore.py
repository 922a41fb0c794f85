"""What was seen in the last days, counted by kind: one SQLite file for all processes, until it has been reported.

No promise to anybody: nothing waits for the disk, and a file that is lost starts anew.  What blocks says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from twisted_mail.sharedfile import open_shared

DAY = 86_400
MAX_COUNTED = 10_000
"""Kinds of messages in memory, until they are written; and of one domain in a day.  More are not counted."""

_TABLE = """
CREATE TABLE IF NOT EXISTS result (
    day INTEGER NOT NULL,     -- since 1970
    domain TEXT NOT NULL,
    record TEXT NOT NULL,     -- by which its owner asks for reports
    row TEXT NOT NULL,        -- JSON
    count INTEGER NOT NULL,
    PRIMARY KEY (day, domain, record, row)
) WITHOUT ROWID
"""


class Row(Protocol):
    """A kind of things that are counted: a frozen dataclass of texts, and tuples of such."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Day(Generic[R]):
    """All that there is to be told the owner of one domain about one day."""

    day: int
    domain: str
    record: str
    """The one that held last."""
    rows: Sequence[tuple[R, int]]


Counts = Counter[tuple[int, str, str, R]]
"""Day, domain, record and row, with their number."""


class ResultStore(Generic[R]):
    """One object a process; `count` and `take` in one thread, the rest in any."""

    def __init__(self, path: str, row_class: type[R]) -> None:
        """Raises sqlite3.Error."""
        self._row_class = row_class
        self._is_open = True
        self._counts: Counts[R] = Counter()
        self._lock = Lock()
        self._database = open_shared(path)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(_TABLE)

    def count(self, now: float, domain: str, record: str, row: R) -> None:
        """One more.  *now*: Unix time.  Does not block."""
        key = (int(now) // DAY, domain, record, row)
        if key in self._counts or len(self._counts) < MAX_COUNTED:
            self._counts[key] += 1

    def take(self) -> Counts[R]:
        """What was counted since the last time, for `write`.  Does not block."""
        counts, self._counts = self._counts, Counter()
        return counts

    def write(self, counts: Counts[R]) -> None:
        """Put what was counted where all processes see it.  Blocks; raises sqlite3.Error."""
        with self._lock:
            if not counts or not self._is_open:
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for (day, domain, record, row), count in counts.items():
                    self._database.execute(
                        "INSERT INTO result SELECT ?1, ?2, ?3, ?4, ?5"
                        f" WHERE (SELECT count(*) FROM result WHERE day = ?1 AND domain = ?2) < {MAX_COUNTED}"
                        " ON CONFLICT DO UPDATE SET count = count + excluded.count",
                        (day, domain, record, json.dumps(asdict(cast(Any, row))), count),
                    )
            finally:
                self._database.execute("COMMIT")

    def days_before(self, day: int) -> list[tuple[int, str]]:
        """Day and domain of all that is there, the oldest first.  Blocks."""
        with self._lock:
            query = "SELECT DISTINCT day, domain FROM result WHERE day < ? ORDER BY day, domain"
            return self._database.execute(query, (day,)).fetchall()

    def read(self, day: int, domain: str) -> Day[R]:
        """Blocks."""
        with self._lock:
            query = "SELECT record, row, count FROM result WHERE day = ? AND domain = ?"
            found = self._database.execute(query, (day, domain)).fetchall()
        rows: Counter[R] = Counter()
        for _, row, count in found:
            rows[self._row_class(**{name: _frozen(value) for name, value in json.loads(row).items()})] += count
        return Day(day, domain, found[-1][0] if found else "", list(rows.items()))

    def remove(self, day: int, domain: str) -> None:
        """It has been reported, or nobody wants to know.  Blocks."""
        with self._lock:
            self._database.execute("DELETE FROM result WHERE day = ? AND domain = ?", (day, domain))

    def close(self) -> None:
        """What was not written is lost."""
        with self._lock:
            self._is_open = False
            self._database.close()


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
