"""How much each account has sent in the last day, and whom it wrote to before: one SQLite file for all processes.

Kept over restarts, so that a limit of a day is one.  No promise to anybody: nothing waits for the disk, and a file that
is lost starts anew.  All of it blocks: call it in a thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from threading import Lock

from twisted_mail.sharedfile import open_shared

HOUR, DAY = 3600, 86_400
FORGOTTEN_AFTER = 365 * DAY
"""Seconds after which a recipient whom nobody wrote to is new again."""

_TABLES = """
CREATE TABLE IF NOT EXISTS message (account TEXT NOT NULL, at REAL NOT NULL, recipients INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS message_of_account ON message (account, at);
CREATE TABLE IF NOT EXISTS known (
    account TEXT NOT NULL,
    recipient BLOB NOT NULL,  -- a digest: the list says nothing to who reads it
    first REAL NOT NULL,
    last REAL NOT NULL,
    PRIMARY KEY (account, recipient)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS known_since ON known (account, first);
"""


@dataclass(frozen=True, slots=True)
class SendingLimits:
    """What one account may send; None: any number.  The names are those of `mailserver account set`, with `-`."""

    messages_per_hour: int | None = None
    messages_per_day: int | None = None
    recipients_per_hour: int | None = None
    recipients_per_day: int | None = None
    new_recipients_per_day: int | None = None
    """People whom the account has not written to before."""

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> SendingLimits:
        """From what `mailserver account set` has stored."""
        names = {each.name: each.name.replace("_", "-") for each in fields(cls)}
        return cls(**{field: int(attributes[name]) for field, name in names.items() if name in attributes})

    @property
    def is_empty(self) -> bool:
        return all(getattr(self, each.name) is None for each in fields(self))


@dataclass(frozen=True, slots=True)
class Excess:
    """One message too many."""

    limit: int
    what: str
    """`messages an hour`."""
    wait: float | None
    """Seconds until it may be sent; None: never, it is too much by itself."""


class Ledger:
    """One object a process; safe in several threads."""

    def __init__(self, path: str) -> None:
        """Raises sqlite3.Error."""
        self._lock = Lock()
        self._database = open_shared(path)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_TABLES)
        self._next_sweep = 0.0

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def take(self, account: str, recipients: Sequence[str], limits: SendingLimits, now: float) -> Excess | None:
        """Note a message of *account*; what it exceeds instead, and then nothing is noted.  Raises sqlite3.Error."""
        digests = {hashlib.sha256(each.encode()).digest()[:16] for each in recipients}
        with self._transaction():
            self._sweep(now)
            new = [each for each in digests if not self._knows(account, each)]
            if excess := self._excess(account, len(digests), len(new), limits, now):
                return excess
            self._database.execute("INSERT INTO message VALUES (?, ?, ?)", (account, now, len(digests)))
            self._database.executemany(
                "INSERT INTO known VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET last = excluded.last",
                [(account, each, now, now) for each in digests],
            )
        return None

    def _excess(self, account: str, count: int, new: int, limits: SendingLimits, now: float) -> Excess | None:
        for limit, what, more, seconds, sent in (
            (limits.messages_per_hour, "messages an hour", 1, HOUR, _MESSAGES),
            (limits.messages_per_day, "messages a day", 1, DAY, _MESSAGES),
            (limits.recipients_per_hour, "recipients an hour", count, HOUR, _RECIPIENTS),
            (limits.recipients_per_day, "recipients a day", count, DAY, _RECIPIENTS),
            (limits.new_recipients_per_day, "new recipients a day", new, DAY, _NEW),
        ):
            if limit is None or not more:
                continue
            if more > limit:
                return Excess(limit, what, None)
            with closing(self._database.execute(sent, (account, now - seconds))) as rows:
                if (freed := _room_at(rows.fetchall(), limit - more)) is not None:
                    return Excess(limit, what, freed + seconds - now)
        return None

    def _knows(self, account: str, digest: bytes) -> bool:
        query = "SELECT 1 FROM known WHERE account = ? AND recipient = ?"
        return self._database.execute(query, (account, digest)).fetchone() is not None

    def _sweep(self, now: float) -> None:
        """Once an hour."""
        if now >= self._next_sweep:
            self._next_sweep = now + HOUR
            self._database.execute("DELETE FROM message WHERE at < ?", (now - DAY,))
            self._database.execute("DELETE FROM known WHERE last < ?", (now - FORGOTTEN_AFTER,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


_MESSAGES = "SELECT at, 1 FROM message WHERE account = ? AND at > ? ORDER BY at DESC"
_RECIPIENTS = "SELECT at, recipients FROM message WHERE account = ? AND at > ? ORDER BY at DESC"
_NEW = "SELECT first, 1 FROM known WHERE account = ? AND first > ? ORDER BY first DESC"
"""When something was sent, and how much of it, the latest first."""


def _room_at(sent: Sequence[tuple[float, int]], room: int) -> float | None:
    """The time of the first thing that must have passed before the rest leaves *room*; None: there is room now."""
    total = 0
    for at, count in sent:
        total += count
        if total > room:
            return at
    return None
