"""What DMARC said in the last days, counted: one SQLite file for all processes, until it has been reported.

No promise to anybody: nothing waits for the disk, and a file that is lost starts anew.  What blocks says so.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from threading import Lock

from twisted_mail.policy.aggregate import Row

DAY = 86_400
MAX_COUNTED = 10_000
"""Kinds of messages in memory, until they are written; and of one domain in a day.  More are not counted."""

_TABLE = """
CREATE TABLE IF NOT EXISTS result (
    day INTEGER NOT NULL,     -- since 1970
    domain TEXT NOT NULL,     -- where the record is
    record TEXT NOT NULL,
    row TEXT NOT NULL,        -- JSON
    count INTEGER NOT NULL,
    PRIMARY KEY (day, domain, record, row)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Day:
    """All that there is to be told the owner of one domain about one day."""

    day: int
    domain: str
    record: str
    """The DMARC record that held last."""
    rows: Sequence[tuple[Row, int]]


Counts = Counter[tuple[int, str, str, Row]]
"""Day, domain, record and row, with the number of messages."""


class ResultStore:
    """One object a process; `count` and `take` in one thread, the rest in any."""

    def __init__(self, path: str) -> None:
        """Raises sqlite3.Error."""
        self._counts: Counts = Counter()
        self._lock = Lock()
        self._database = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(_TABLE)

    def count(self, now: float, domain: str, record: str, row: Row) -> None:
        """One message more.  *now*: Unix time.  Does not block."""
        key = (int(now) // DAY, domain, record, row)
        if key in self._counts or len(self._counts) < MAX_COUNTED:
            self._counts[key] += 1

    def take(self) -> Counts:
        """What was counted since the last time, for `write`.  Does not block."""
        counts, self._counts = self._counts, Counter()
        return counts

    def write(self, counts: Counts) -> None:
        """Put what was counted where all processes see it.  Blocks; raises sqlite3.Error."""
        if not counts:
            return
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for (day, domain, record, row), count in counts.items():
                    self._database.execute(
                        "INSERT INTO result SELECT ?1, ?2, ?3, ?4, ?5"
                        f" WHERE (SELECT count(*) FROM result WHERE day = ?1 AND domain = ?2) < {MAX_COUNTED}"
                        " ON CONFLICT DO UPDATE SET count = count + excluded.count",
                        (day, domain, record, json.dumps(asdict(row)), count),
                    )
            finally:
                self._database.execute("COMMIT")

    def days_before(self, day: int) -> list[tuple[int, str]]:
        """Day and domain of all that is there, the oldest first.  Blocks."""
        with self._lock:
            query = "SELECT DISTINCT day, domain FROM result WHERE day < ? ORDER BY day, domain"
            return self._database.execute(query, (day,)).fetchall()

    def read(self, day: int, domain: str) -> Day:
        """Blocks."""
        with self._lock:
            query = "SELECT record, row, count FROM result WHERE day = ? AND domain = ?"
            found = self._database.execute(query, (day, domain)).fetchall()
        rows: Counter[Row] = Counter()
        for _, row, count in found:
            rows[_row(json.loads(row))] += count
        return Day(day, domain, found[-1][0] if found else "", list(rows.items()))

    def remove(self, day: int, domain: str) -> None:
        """It has been reported, or nobody wants to know.  Blocks."""
        with self._lock:
            self._database.execute("DELETE FROM result WHERE day = ? AND domain = ?", (day, domain))

    def close(self) -> None:
        """What was not written is lost."""
        with self._lock:
            self._database.close()


def _row(values: dict[str, object]) -> Row:
    signatures = values.pop("signatures")
    assert isinstance(signatures, list)
    return Row(**values, signatures=tuple(tuple(each) for each in signatures))  # type: ignore[arg-type]
