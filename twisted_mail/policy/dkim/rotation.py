"""How the keys of a domain follow one another: each step is taken only when DNS and time allow it.  Pure.

    NEW     made, to be published; nothing is signed with it yet
    ACTIVE  what leaves is signed with it
    OLD     not used any more; its records stay while mail that it signed may still be under way

A step begins with what is there already: a NEW pair that DNS knows becomes ACTIVE, an OLD one that DNS does not know
any more is forgotten.  Only where there is neither, a new pair begins.  Doing it again at any time does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto

from twisted_mail.policy.dkim.algorithms import Algorithm

KEPT = 7 * 86_400
"""Seconds for which an old key stays in DNS: longer than a message may wait in a queue, ours or another's."""

_LETTERS = {Algorithm.RSA: "r", Algorithm.ED25519: "e"}


class Stage(Enum):
    NEW = "new"
    ACTIVE = "active"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An RSA key and an Ed25519 key of one domain, made at the same time."""

    name: str
    """The date on which it was made, with a number from the second of a day on."""
    stage: Stage
    since: int
    """Unix time."""

    def selector(self, algorithm: Algorithm) -> str:
        return self.name + _LETTERS[algorithm]


class Presence(Enum):
    """What DNS has where the record of a key belongs."""

    THERE = auto()
    OTHER = auto()
    """Something else."""
    ABSENT = auto()
    UNKNOWN = auto()
    """DNS does not answer."""


class Outcome(Enum):
    """What a step was."""

    BEGUN = auto()
    """There is a new pair, to be published."""
    WAITING = auto()
    """The new pair is not in DNS yet."""
    SWITCHED = auto()
    """The new pair is used from now on."""
    KEEPING = auto()
    """The old pair must stay in DNS for a while."""
    LINGERING = auto()
    """The old pair can be taken out of DNS."""
    FORGOTTEN = auto()
    """The old pair is gone."""
    NOTHING = auto()
    """The keys are not old enough."""


@dataclass(frozen=True, slots=True)
class Step:
    pairs: tuple[KeyPair, ...]
    """What there is afterwards."""
    outcome: Outcome
    about: KeyPair


def first_pair(now: int) -> KeyPair:
    """Used at once: before, nothing was signed at all."""
    return KeyPair(_date(now), Stage.ACTIVE, now)


def next_step(pairs: Sequence[KeyPair], presence: Mapping[str, Presence], now: int, older_than: int = 0) -> Step:
    """*presence*: of the selectors of all *pairs*, of which there is at least one; *older_than*: seconds."""
    for pair in pairs:
        found = {presence[pair.selector(algorithm)] for algorithm in Algorithm}
        if pair.stage is Stage.NEW:
            if found != {Presence.THERE}:
                return Step(tuple(pairs), Outcome.WAITING, pair)
            switched = replace(pair, stage=Stage.ACTIVE, since=now)
            return Step((*_retired(pairs, now), switched), Outcome.SWITCHED, switched)
        if pair.stage is Stage.OLD:
            if now < pair.since + KEPT:
                return Step(tuple(pairs), Outcome.KEEPING, pair)
            if found != {Presence.ABSENT}:
                return Step(tuple(pairs), Outcome.LINGERING, pair)
            return Step(tuple(each for each in pairs if each != pair), Outcome.FORGOTTEN, pair)
    newest = pairs[-1]
    if now < newest.since + older_than:
        return Step(tuple(pairs), Outcome.NOTHING, newest)
    begun = KeyPair(_unused_name(pairs, now), Stage.NEW, now)
    return Step((*pairs, begun), Outcome.BEGUN, begun)


def _retired(pairs: Sequence[KeyPair], now: int) -> list[KeyPair]:
    kept = [each for each in pairs if each.stage is not Stage.NEW]
    return [replace(each, stage=Stage.OLD, since=now) if each.stage is Stage.ACTIVE else each for each in kept]


def _unused_name(pairs: Sequence[KeyPair], now: int) -> str:
    date, taken = _date(now), {each.name for each in pairs}
    names = [date, *(f"{date}-{number}" for number in range(2, len(taken) + 2))]
    return next(name for name in names if name not in taken)


def _date(now: int) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%d")
