"""Comparing texts with what a rule names: is, contains, matches with * and ? (RFC 5228 §2.7.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Match(Enum):
    """How a text is compared."""

    IS = "is"
    CONTAINS = "contains"
    MATCHES = "matches"
    """`*` stands for anything, `?` for one character, and a backslash takes the next one as it is."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """With each of *keys*; one that fits is enough."""

    match: Match
    keys: tuple[str, ...]
    exact: bool = False
    """`a` is not `A` (i;octet); else ASCII letters are compared without case (i;ascii-casemap, RFC 4790 §9.2)."""

    def fits(self, text: str) -> bool:
        compare = _COMPARE[self.match]
        if self.exact:
            return any(compare(text, key) for key in self.keys)
        text = text.translate(_LOWER)
        return any(compare(text, key.translate(_LOWER)) for key in self.keys)

    @property
    def fits_all(self) -> bool:
        """Whether there is no text that does not fit."""
        if self.match is Match.CONTAINS:
            return "" in self.keys
        return self.match is Match.MATCHES and any(key and not key.strip("*") for key in self.keys)


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

# a pattern is of these: an escaped character, `*`, `?`, any other character
_SIGN = re.compile(r"\\(.)|([*])|([?])|(.)", re.DOTALL)


def matches(text: str, pattern: str) -> bool:
    """Piece by piece from the left, so that no pattern costs more than both lengths multiplied."""
    first, *pieces = _pieces(pattern)
    if not pieces:
        return first.expression.fullmatch(text) is not None
    if first.expression.match(text) is None:
        return False
    position = first.length
    *middle, last = pieces
    for piece in middle:
        found = piece.expression.search(text, position)
        if found is None:
            return False
        position = found.end()
    start = len(text) - last.length
    return start >= position and last.expression.fullmatch(text, start) is not None


@dataclass(frozen=True, slots=True)
class _Piece:
    """What stands before, between or behind the `*` of a pattern: it fits texts of one length only."""

    expression: re.Pattern[str]
    length: int


@lru_cache(1024)
def _pieces(pattern: str) -> Sequence[_Piece]:
    pieces: list[list[str]] = [[]]
    for match in _SIGN.finditer(pattern):
        if match[2]:
            pieces.append([])
        else:
            pieces[-1].append("." if match[3] else re.escape(match[1] or match[4]))
    return [_Piece(re.compile("".join(signs), re.DOTALL), len(signs)) for signs in pieces]


_COMPARE: Mapping[Match, Callable[[str, str], bool]] = {
    Match.IS: lambda text, key: text == key,
    Match.CONTAINS: lambda text, key: key in text,
    Match.MATCHES: matches,
}
