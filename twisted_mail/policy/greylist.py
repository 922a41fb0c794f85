"""Greylisting: who has earned suspicion shall come again, which programs that send spam seldom do (RFC 6647).

What is remembered is a digest of network, sender and recipient's domain, in one SQLite file for all processes.  A file
that cannot be used keeps no mail waiting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail.content import Blocking
from twisted_mail.networks import neighbourhood
from twisted_mail.sharedfile import SharedFile
from twisted_mail.smtp.reply import Reply

DAY = 86_400.0
PATIENCE = 2 * DAY
"""Seconds in which a sender must have come again; after that it begins anew."""

_TABLES = """
CREATE TABLE IF NOT EXISTS triple (
    digest BLOB PRIMARY KEY,
    first REAL NOT NULL,
    last REAL NOT NULL,
    passed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS triple_last ON triple (passed, last);
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which a suspicious message is taken."""

    points: float = 3.0
    """With which it is suspicious."""
    delay: float = 300.0
    """Seconds after which the sender may come again."""
    memory: float = 36 * DAY
    """Seconds for which one that has come again is remembered, from its last message."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A triple: times in seconds."""

    first: float
    last: float
    passed: bool = False

    def again(self, now: float, terms: Terms) -> Seen:
        """What it becomes when it comes *now*."""
        if now - self.last > (terms.memory if self.passed else PATIENCE):
            return Seen(now, now)
        return Seen(self.first, now, self.passed or now - self.first >= terms.delay)


@dataclass(frozen=True, slots=True)
class Wait:
    """What is to be said of a message."""

    seconds: float = 0.0
    """That it has to wait still; 0: it may pass."""
    since: float = 0.0
    """Seconds since it came first."""

    def __str__(self) -> str:
        """For the log."""
        if not self.seconds:
            return f"came back after {self.since:.0f} s"
        first = f"came back too early, after {self.since:.0f} s" if self.since else "came for the first time"
        return f"{first}; may pass in {self.seconds:.0f} s"

    def refusal(self) -> Reply:
        minutes = max(1, round(self.seconds / 60))
        when = "a minute" if minutes == 1 else f"{minutes} minutes"
        return Reply(
            451,
            "7.1",
            f"This server does not know you yet: try again in {when}, as mail servers do by themselves\n"
            "It does not ask this of servers whose address, name and sender fit together (reverse DNS, HELO, SPF)",
        )


class Greylist:
    """The file.  One object a process; blocks: call it in a thread.  All raise OSError."""

    def __init__(self, path: str, terms: Terms) -> None:
        self.terms = terms
        self._file = SharedFile(path, _TABLES)

    def ask(self, digests: Iterable[bytes], now: float) -> Wait:
        """Note that they came.  The message has to wait for that of them that has to wait longest."""
        waits = []
        with self._file.writing() as database:
            for digest in digests:
                query = "SELECT first, last, passed FROM triple WHERE digest = ?"
                row = database.execute(query, (digest,)).fetchone()
                before = Seen(row[0], row[1], bool(row[2])) if row else Seen(now, now)
                seen = before.again(now, self.terms)
                waits.append(Wait(0.0 if seen.passed else seen.first + self.terms.delay - now, now - seen.first))
                database.execute(
                    "REPLACE INTO triple VALUES (?, ?, ?, ?)", (digest, seen.first, seen.last, seen.passed)
                )
            for passed, kept in ((False, PATIENCE), (True, self.terms.memory)):
                database.execute("DELETE FROM triple WHERE passed = ? AND last < ?", (passed, now - kept))
        return max(waits, key=lambda wait: wait.seconds)

    def close(self) -> None:
        self._file.close()


class Greylisting:
    """Asks it for one process."""

    _log = Logger()

    def __init__(self, greylist: Greylist, disk: Blocking, clock: IReactorTime) -> None:
        """*clock* gives Unix time, as a reactor does."""
        self.terms = greylist.terms
        self._greylist = greylist
        self._disk = disk
        self._clock = clock

    async def ask(self, peer: str, sender: str, domains: Iterable[str]) -> Wait:
        """*domains*: those of the recipients, one at least.  A message passes where the file is at fault."""
        digests = [_digest(neighbourhood(peer), sender.lower(), domain) for domain in sorted(domains)]

        def ask() -> Wait:
            return self._greylist.ask(digests, self._clock.seconds())

        try:
            wait = await self._disk(ask)
        except OSError as error:
            self._log.warn("greylisting is not possible ({error}); mail comes without it", error=str(error))
            return Wait()
        assert isinstance(wait, Wait)
        return wait


def _digest(*texts: str) -> bytes:
    return hashlib.sha256("\0".join(texts).encode()).digest()[:16]
