"""What an account's filter has learned: one small SQLite file in its Maildir, which goes with it wherever that goes.

It holds digests of words, not the words; of messages, what was said of each, so that each is learned once and can be
unlearned when the verdict changes; and what lies in the junk folder, so that a move is seen (moves.py).  It is opened
for each use: a Maildir that is removed, restored or moved away leaves nothing open.  All of it blocks, and raises
OSError.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b

from twisted_mail.mailbox.junk.opinion import Count
from twisted_mail.mailbox.junk.words import Lesson
from twisted_mail.sharedfile import SharedFile

FILE_NAME = "twisted-mail.learned"

MAX_WORDS = 200_000
"""Words in one memory, some 6 MB: when there are more, those seen least and longest ago go."""
MAX_VERDICTS = 20_000
"""Messages of which it is known what was said of them."""
DAY = 86_400
_ROUND = 64
"""Lessons between two looks at the bounds."""
_AT_ONCE = 500
"""Words of one question: older versions of SQLite take 999."""

_TABLES = """
CREATE TABLE IF NOT EXISTS word (
    word INTEGER PRIMARY KEY, -- a digest
    junk INTEGER NOT NULL,    -- messages with it
    good INTEGER NOT NULL,
    day INTEGER NOT NULL      -- since 1970, when it was learned last
);
CREATE TABLE IF NOT EXISTS verdict (
    message BLOB PRIMARY KEY, -- words.Lesson
    is_junk INTEGER NOT NULL,
    at INTEGER NOT NULL       -- seconds since 1970
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (
    name TEXT PRIMARY KEY,    -- of a file in the junk folder, without flags
    message BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Learned:
    """What there is in a memory."""

    messages: Count
    words: int
    since: int | None
    """Seconds since 1970, of the first lesson; None: nothing was learned."""


def path_in(maildir: str) -> str:
    return f"{maildir}/{FILE_NAME}"


@contextmanager
def opened_memory(maildir: str) -> Iterator[Memory]:
    """That of the Maildir at *maildir*, which must be there; the file is made if there is none."""
    file = SharedFile(path_in(maildir), _TABLES)
    try:
        yield Memory(file)
    finally:
        file.close()


def learned_in(maildir: str) -> Learned:
    """What the memory of the Maildir at *maildir* has, if there is one."""
    if not size_of(maildir):
        return Learned(Count(0, 0), 0, None)
    with opened_memory(maildir) as memory:
        return memory.learned()


def size_of(maildir: str) -> int:
    """Octets of the file, without what has not been put into it yet; 0: there is none."""
    try:
        return os.stat(path_in(maildir)).st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


class Memory:
    """One that is open."""

    def __init__(self, file: SharedFile) -> None:
        self._file = file

    def messages(self) -> Count:
        """How many were learned."""
        with self._file.reading() as database:
            return _messages(database)

    def learned(self) -> Learned:
        with self._file.reading() as database:
            [[words]] = database.execute("SELECT count(*) FROM word")
            return Learned(_messages(database), words, _fact(database, "since"))

    def counts(self, words: Collection[str]) -> Mapping[str, Count]:
        """Of those that are known."""
        digests = {_digest(word): word for word in words}
        found: dict[str, Count] = {}
        keys = list(digests)
        with self._file.reading() as database:
            for start in range(0, len(keys), _AT_ONCE):
                some = keys[start : start + _AT_ONCE]
                query = f"SELECT word, junk, good FROM word WHERE word IN ({', '.join('?' * len(some))})"
                found |= {digests[word]: Count(junk, good) for word, junk, good in database.execute(query, some)}
        return found

    # ---- learning

    def verdict(self, message: bytes) -> bool | None:
        """Whether it was said to be junk; None: nothing was said."""
        with self._file.reading() as database:
            return _verdict(database, message)

    def learn(self, lesson: Lesson, is_junk: bool, now: float) -> bool:
        """That it is junk, or that it is not; the last word counts.  False: that was known.  *now*: Unix time."""
        with self._file.writing() as database:
            before = _verdict(database, lesson.message)
            if before == is_junk:
                return False
            if before is not None:
                _count(database, lesson, before, -1, now)
            else:
                database.execute("INSERT OR IGNORE INTO fact VALUES ('since', ?)", (int(now),))
            _count(database, lesson, is_junk, +1, now)
            database.execute("INSERT OR REPLACE INTO verdict VALUES (?, ?, ?)", (lesson.message, is_junk, int(now)))
            learned = _messages(database)
            if (learned.junk + learned.good) % _ROUND == 0:
                _forget_some(database)
        return True

    def forget(self) -> None:
        """All that was learned; not what lies where, or a look at the folders would teach it again."""
        with self._file.writing() as database:
            for table in ("word", "verdict"):
                database.execute(f"DELETE FROM {table}")
            database.execute("DELETE FROM fact WHERE name <> 'looked'")
        with self._file.reading() as database:
            database.execute("VACUUM")

    # ---- what lies in the junk folder

    def places(self) -> dict[str, bytes]:
        """The names of its files, without flags, and which message each is."""
        with self._file.reading() as database:
            return dict(database.execute("SELECT name, message FROM place"))

    def looked(self) -> int:
        """When the folders were looked at last, seconds since 1970; 0: never."""
        with self._file.reading() as database:
            return _fact(database, "looked") or 0

    def place(self, new: Mapping[str, bytes], gone: Collection[str], looked: int) -> None:
        """What has come into it and what is no longer there, as of *looked*."""
        with self._file.writing() as database:
            database.executemany("DELETE FROM place WHERE name = ?", [(name,) for name in gone])
            database.executemany("INSERT OR REPLACE INTO place VALUES (?, ?)", list(new.items()))
            database.execute("INSERT OR REPLACE INTO fact VALUES ('looked', ?)", (looked,))


def _digest(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)


def _fact(database: sqlite3.Connection, name: str) -> int | None:
    row = database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def _messages(database: sqlite3.Connection) -> Count:
    return Count(_fact(database, "junk") or 0, _fact(database, "good") or 0)


def _verdict(database: sqlite3.Connection, message: bytes) -> bool | None:
    row = database.execute("SELECT is_junk FROM verdict WHERE message = ?", (message,)).fetchone()
    return bool(row[0]) if row else None


def _count(database: sqlite3.Connection, lesson: Lesson, is_junk: bool, step: int, now: float) -> None:
    kind = "junk" if is_junk else "good"
    digests = [_digest(word) for word in lesson.words]
    if step > 0:
        database.executemany(
            f"INSERT INTO word VALUES (?, {int(is_junk)}, {int(not is_junk)}, ?)"
            f" ON CONFLICT DO UPDATE SET {kind} = {kind} + 1, day = excluded.day",
            [(digest, int(now) // DAY) for digest in digests],
        )
    else:
        database.executemany(
            # one that was forgotten since must not count less than never
            f"UPDATE word SET {kind} = max({kind} - 1, 0) WHERE word = ?",
            [(digest,) for digest in digests],
        )
        database.executemany("DELETE FROM word WHERE word = ? AND junk = 0 AND good = 0", [(d,) for d in digests])
    database.execute("INSERT OR IGNORE INTO fact VALUES (?, 0)", (kind,))
    database.execute("UPDATE fact SET value = max(value + ?, 0) WHERE name = ?", (step, kind))


def _forget_some(database: sqlite3.Connection) -> None:
    """What is beyond the bounds, and a tenth of them more, so that it is not done each time."""
    for table, most, order in (("word", MAX_WORDS, "junk + good > 1, day"), ("verdict", MAX_VERDICTS, "at")):
        [[number]] = database.execute(f"SELECT count(*) FROM {table}")
        if number > most:
            key = "word" if table == "word" else "message"
            query = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} ORDER BY {order} LIMIT ?)"
            database.execute(query, (number - most * 9 // 10,))
