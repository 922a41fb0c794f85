"""Failed logins make the next attempts wait, longer each time: a host's, and an account's.

Failures are forgiven with time.  While an account is under attack, hosts from which its owner has logged in before do
not wait for it.  Loopback hosts are not counted: a webmail there speaks for many people.  All in memory, and bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from twisted_mail.networks import host_key

K = TypeVar("K")
V = TypeVar("V")

MAX_REMEMBERED = 10_000
"""Hosts, accounts and pairs of both; the one touched longest ago goes first."""


@dataclass(frozen=True, slots=True)
class Rule:
    """After *free* failures the next attempts are *first* seconds apart, then twice that, up to *longest*."""

    free: int
    first: float
    longest: float
    forgiven_after: float
    """Seconds after which one failure is forgotten."""

    def spacing(self, failures: float) -> float:
        """Seconds between attempts."""
        excess = failures - self.free
        return min(self.first * 2.0 ** min(excess, 30.0), self.longest) if excess >= 0 else 0.0


HOST_RULE = Rule(free=10, first=1.0, longest=30.0, forgiven_after=30.0)
ACCOUNT_RULE = Rule(free=5, first=0.5, longest=15.0, forgiven_after=60.0)


class Throttle:
    """Counts failures.  Times are those of the caller's clock, in seconds."""

    def __init__(self) -> None:
        self._hosts = _Failures(HOST_RULE)
        self._accounts = _Failures(ACCOUNT_RULE)
        self._known: _Recent[tuple[str, str], None] = _Recent(MAX_REMEMBERED)

    def admit(self, host: str, account: str, now: float) -> float:
        """0: go on.  Else the seconds after which to ask again; there is no place in a queue."""
        host = host_key(host)
        counts = [(self._hosts, host)] if host else []
        if (host, account) not in self._known:
            counts.append((self._accounts, account))
        wait = max((failures.wait(key, now) for failures, key in counts), default=0.0)
        if wait <= 0:
            for failures, key in counts:
                failures.take_turn(key, now)
        return max(wait, 0.0)

    def failed(self, host: str, account: str, now: float) -> None:
        """A wrong password, or a user who does not exist."""
        host = host_key(host)
        if host:
            self._hosts.count(host, now)
        self._accounts.count(account, now)

    def succeeded(self, host: str, account: str) -> None:
        """A right password.  The host's other failures stay counted: it may be guessing elsewhere."""
        self._accounts.forget(account)
        self._known.put((host_key(host), account), None)

    def sizes(self) -> list[int]:
        """How many hosts, accounts and pairs are remembered."""
        return [len(self._hosts), len(self._accounts), len(self._known)]


class SharedThrottle(Throttle):
    """One of several, each in a process of its own, that tell one another what they see."""

    def __init__(self, tell: Callable[[str, str, str], None]) -> None:
        """*tell* takes what happened ("failed" or "succeeded"), the host and the account to the others."""
        super().__init__()
        self._tell = tell

    def failed(self, host: str, account: str, now: float) -> None:
        super().failed(host, account, now)
        self._tell("failed", host, account)

    def succeeded(self, host: str, account: str) -> None:
        super().succeeded(host, account)
        self._tell("succeeded", host, account)

    def hear(self, what: str, host: str, account: str, now: float) -> None:
        """Another one tells."""
        if what == "failed":
            super().failed(host, account, now)
        else:
            super().succeeded(host, account)


@dataclass(slots=True)
class _Record:
    failures: float
    seen: float
    next_turn: float


class _Failures:
    """Of one kind of key."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._records: _Recent[str, _Record] = _Recent(MAX_REMEMBERED)

    def __len__(self) -> int:
        return len(self._records)

    def wait(self, key: str, now: float) -> float:
        record = self._records.get(key)
        return record.next_turn - now if record else 0.0

    def take_turn(self, key: str, now: float) -> None:
        """Whoever else waits for the same turn waits for the next one."""
        if record := self._records.get(key):
            self._forgive(record, now)
            record.next_turn = now + self._rule.spacing(record.failures)

    def count(self, key: str, now: float) -> None:
        record = self._records.get(key) or _Record(0.0, now, now)
        self._forgive(record, now)
        record.failures += 1
        record.next_turn = max(record.next_turn, now + self._rule.spacing(record.failures))
        self._records.put(key, record)

    def forget(self, key: str) -> None:
        self._records.pop(key)

    def _forgive(self, record: _Record, now: float) -> None:
        record.failures = max(0.0, record.failures - (now - record.seen) / self._rule.forgiven_after)
        record.seen = now


class _Recent(Generic[K, V]):
    """A dictionary of bounded size that forgets what was put longest ago."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def get(self, key: K) -> V | None:
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        self._entries.pop(key, None)
        self._entries[key] = value
        if len(self._entries) > self._size:
            del self._entries[next(iter(self._entries))]

    def pop(self, key: K) -> None:
        self._entries.pop(key, None)
