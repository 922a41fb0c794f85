"""What users have said of the mail that came from a network, or from a domain that proved to be its author's.

One SQLite file for the server's processes and commands.  Each account has one voice in each matter, however much it
says, and what was said fades: nobody can make another's mail junk alone, and nobody is remembered for ever.  Beside it
is counted how much came of which nobody says anything.  All of it blocks: call it in a thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from zope.interface import implementer

from twisted_mail.interfaces import IVerdicts
from twisted_mail.message.header import arrival_of, fields
from twisted_mail.networks import neighbourhood
from twisted_mail.policy.authresults import NAME, read_results, said_by
from twisted_mail.policy.esteem import Esteem, Voice
from twisted_mail.sharedfile import SharedFile
from twisted_mail.smtp.address import Address

DAY = 86_400.0
HALF_LIFE = 30 * DAY
"""Seconds after which what was said counts half."""
FORGOTTEN_AFTER = 6 * HALF_LIFE
SEEN_FOR = 2 * HALF_LIFE
"""Seconds for which it is remembered that mail came."""
KEPT = 20
"""Verdicts of one account on one network or domain: the last ones."""

_TABLES = """
CREATE TABLE IF NOT EXISTS verdict (
    subject TEXT NOT NULL,    -- a network or a domain
    account BLOB NOT NULL,    -- a digest: the file does not tell who gets mail from where
    message TEXT NOT NULL,    -- our id
    at REAL NOT NULL,
    is_junk INTEGER NOT NULL,
    PRIMARY KEY (subject, account, message)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS verdict_at ON verdict (at);
CREATE TABLE IF NOT EXISTS seen (
    subject TEXT NOT NULL,
    day INTEGER NOT NULL,     -- since 1970
    messages INTEGER NOT NULL,
    PRIMARY KEY (subject, day)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_day ON seen (day);
"""


_NAMES = ("verdict", "seen")


@implementer(IVerdicts)
class Reputation:
    """One object a process."""

    def __init__(self, path: str, hostname: str, now: Callable[[], float]) -> None:
        """*hostname*: by which our Received fields are known; *now*: Unix time.  The file is made when it is needed."""
        self._file = SharedFile(path, _TABLES)
        self._hostname = hostname
        self._now = now

    def close(self) -> None:
        self._file.close()

    def learn(self, account: Address, header: bytes, is_junk: bool) -> None:
        """See `IVerdicts`."""
        about = subjects_of(header, self._hostname)
        if about is None:
            return
        message, subjects = about
        now, voter = self._now(), _digest(account)
        with self._file.writing() as database:
            for subject in subjects:
                database.execute(
                    "INSERT INTO verdict VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET at = excluded.at, is_junk = excluded.is_junk",
                    (subject, voter, message, now, is_junk),
                )
                database.execute(
                    "DELETE FROM verdict WHERE subject = ?1 AND account = ?2 AND message NOT IN"
                    " (SELECT message FROM verdict WHERE subject = ?1 AND account = ?2 ORDER BY at DESC LIMIT ?3)",
                    (subject, voter, KEPT),
                )
            database.execute("DELETE FROM verdict WHERE at < ?", (now - FORGOTTEN_AFTER,))

    def count(self, messages: Mapping[str, int]) -> None:
        """So many that were no junk came from each subject today.  Raises OSError."""
        today = int(self._now() // DAY)
        with self._file.writing() as database:
            database.executemany(
                "INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET messages = messages + excluded.messages",
                [(subject, today, count) for subject, count in messages.items()],
            )
            database.execute("DELETE FROM seen WHERE day < ?", (today - SEEN_FOR // DAY,))

    def esteem(self, subject: str) -> Esteem:
        """Raises OSError."""
        now = self._now()
        with self._file.reading() as database:
            said = database.execute("SELECT account, is_junk, at FROM verdict WHERE subject = ?", (subject,)).fetchall()
            seen = database.execute("SELECT day, messages FROM seen WHERE subject = ?", (subject,)).fetchall()
        voices: dict[bytes, list[float]] = {}
        for account, is_junk, at in said:
            voices.setdefault(account, [0.0, 0.0])[0 if is_junk else 1] += _weight(now - at)
        today = int(now // DAY)
        messages = sum(count * _weight((today - day) * DAY) for day, count in seen)
        earlier = sum(1 for day, _ in seen if day < today)
        return Esteem(subject, [Voice(junk, good) for junk, good in voices.values()], messages, earlier)

    def subjects(self) -> list[str]:
        """Of which users have said something.  Raises OSError."""
        with self._file.reading() as database:
            return [subject for (subject,) in database.execute("SELECT DISTINCT subject FROM verdict ORDER BY subject")]

    def forget(self, subject: str) -> bool:
        """All about it; whether there was anything.  Raises OSError."""
        with self._file.writing() as database:
            gone = [database.execute(f"DELETE FROM {table} WHERE subject = ?", (subject,)) for table in _NAMES]
        return any(each.rowcount for each in gone)


def subjects_of(header: bytes, hostname: str) -> tuple[str, Sequence[str]] | None:
    """Our id of a stranger's message, and whose reputation it adds to: its network's, and that of the domain proven.

    None: it did not come from a stranger, or not to us.
    """
    arrival = arrival_of(header)
    if arrival is None or arrival.hostname != hostname or arrival.protocol not in ("SMTP", "ESMTP", "ESMTPS"):
        return None
    return arrival.message_id, subjects(arrival.peer, _proven_domain(header, hostname))


def subjects(peer: str, domain: str) -> list[str]:
    """*peer*: the client's address; *domain*: the author's, where it is proven.  The one that says more comes last."""
    return [subject for subject in (neighbourhood(peer), domain) if subject]


def _proven_domain(header: bytes, hostname: str) -> str:
    """The author's, where our own checks have said so; empty otherwise."""
    for name, field in fields(header):
        value = field.partition(b":")[2]
        if name == NAME.decode() and said_by(value) == hostname:
            found = (each for each in read_results(value) if each.method == "dmarc" and each.result == "pass")
            return next((each.properties.get("header.from", "").lower() for each in found), "")
    return ""


def _weight(age: float) -> float:
    """*age*: seconds."""
    return float(0.5 ** (max(age, 0.0) / HALF_LIFE))


def _digest(account: Address) -> bytes:
    return hashlib.sha256(str(account.key).encode()).digest()[:16]
