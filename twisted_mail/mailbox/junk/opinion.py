"""How likely a message is junk, from the words that it has and in how many messages they were before.  Pure.

Robinson's method with Fisher's combination: each word is a small piece of evidence, one that was seen seldom a smaller
one, and the words that say most are combined twice, for junk and against it.  Where both sides are strong, or none is,
nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twisted_mail.message.evidence import ENOUGH, Evidence

MINIMUM = 20
"""Messages of each kind that must have been learned before anything is said."""

STRENGTH = 0.45
"""How many messages a word must have been in for them to weigh as much as not knowing it."""
UNKNOWN = 0.5
"""Probability of a word that nobody has seen: it says nothing."""
DECISIVE = 0.1
"""How far from UNKNOWN a word must be to be counted at all."""
MOST = 150
"""Words that are combined: those that say most."""

# what is said, from the probability on; the first row that fits
_FOR = ((0.99, ENOUGH), (0.95, 3.0), (0.8, 1.5))
_AGAINST = ((0.01, -3.0), (0.05, -2.0), (0.2, -1.0))


@dataclass(frozen=True, slots=True)
class Count:
    """In how many messages of each kind a word was; or how many there were in all."""

    junk: int
    good: int


@dataclass(frozen=True, slots=True)
class Clue:
    """A word, and how likely a message with it is junk."""

    word: str
    probability: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """0.0: good, for sure; 1.0: junk, for sure."""

    probability: float
    clues: Sequence[Clue]
    """The words that decided, the strongest first."""


def is_trained(learned: Count) -> bool:
    """Whether enough was learned, *learned* in all, to say something."""
    return min(learned.junk, learned.good) >= MINIMUM


def opinion_of(words: Mapping[str, Count], learned: Count) -> Opinion:
    """*words*: those of a message that are known; *learned*: in all, of both kinds at least one."""
    likely = ((_probability(count, learned), word) for word, count in words.items())
    ranked = sorted((-abs(each - UNKNOWN), word, each) for each, word in likely if abs(each - UNKNOWN) >= DECISIVE)
    strong = [Clue(word, each) for _, word, each in ranked[:MOST]]
    for_junk = 1.0 - _chance([1.0 - clue.probability for clue in strong])
    for_good = 1.0 - _chance([clue.probability for clue in strong])
    return Opinion((1.0 + for_junk - for_good) / 2.0, strong)


def evidence_of(opinion: Opinion, whose: object) -> Evidence | None:
    """What an account's filter says; None: nothing."""
    for least, points in _FOR:
        if opinion.probability >= least:
            return Evidence(points, f"looks like what {whose} calls junk ({opinion.probability:.3f})", True)
    for most, points in _AGAINST:
        if opinion.probability <= most:
            return Evidence(points, f"looks like what {whose} calls good ({opinion.probability:.3f})", True)
    return None


def _probability(count: Count, learned: Count) -> float:
    """Of a word: as if both kinds came equally often, whatever was learned of each."""
    junk, good = count.junk / learned.junk, count.good / learned.good
    if junk + good == 0.0:
        return UNKNOWN
    number = count.junk + count.good
    # a word may have been counted more often than there are messages, where some of them were forgotten
    return (STRENGTH * UNKNOWN + number * (junk / (junk + good))) / (STRENGTH + number)


def _chance(probabilities: Sequence[float]) -> float:
    """How likely numbers as small as these come by chance: chi-square with 2n degrees of freedom, of -2 ln of all."""
    half = -sum(map(math.log, probabilities))
    term = total = math.exp(-half)
    for i in range(1, len(probabilities)):
        term *= half / i
        total += term
    return min(total, 1.0)
