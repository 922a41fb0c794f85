"""Conditions of rules (RFC 5228 §5): each says of a `Letter` whether it holds.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from twisted_mail.rules.comparing import Comparison
from twisted_mail.rules.letter import Letter

TAG = "+"
"""Between the user and the detail of a local part."""


class Condition(Protocol):
    """Something that holds for a letter or does not."""

    def holds(self, letter: Letter) -> bool: ...


class Part(Enum):
    """Of an address (RFC 5228 §2.7.4; the last two: RFC 5233 §4)."""

    ALL = "all"
    LOCAL = "local"
    DOMAIN = "domain"
    USER = "user"
    """The local part without its tag."""
    DETAIL = "detail"
    """The tag: `shop` of `alice+shop@example.org`."""


class End(Enum):
    """Of an envelope."""

    FROM = "from"
    TO = "to"


@dataclass(frozen=True, slots=True)
class HeaderTest:
    """A field of these names (lower case) fits."""

    names: tuple[str, ...]
    comparison: Comparison

    def holds(self, letter: Letter) -> bool:
        return any(self.comparison.fits(value) for name in self.names for value in letter.values(name))


@dataclass(frozen=True, slots=True)
class AddressTest:
    """An address in a field of these names (lower case) fits."""

    names: tuple[str, ...]
    part: Part
    comparison: Comparison

    def holds(self, letter: Letter) -> bool:
        return any(
            _part_fits(address, self.part, self.comparison) for name in self.names for address in letter.addresses(name)
        )


@dataclass(frozen=True, slots=True)
class EnvelopeTest:
    """The sender or the recipient of the envelope fits; the null reverse-path is an empty text (RFC 5228 §5.4)."""

    ends: tuple[End, ...]
    part: Part
    comparison: Comparison

    def holds(self, letter: Letter) -> bool:
        return any(_part_fits(_at_end(letter, end), self.part, self.comparison) for end in self.ends)


@dataclass(frozen=True, slots=True)
class Larger:
    """More octets than that."""

    octets: int

    def holds(self, letter: Letter) -> bool:
        return letter.size > self.octets


@dataclass(frozen=True, slots=True)
class Smaller:
    """Fewer octets than that."""

    octets: int

    def holds(self, letter: Letter) -> bool:
        return letter.size < self.octets


@dataclass(frozen=True, slots=True)
class Exists:
    """All fields of these names (lower case) are there."""

    names: tuple[str, ...]

    def holds(self, letter: Letter) -> bool:
        return all(letter.has(name) for name in self.names)


@dataclass(frozen=True, slots=True)
class Junk:
    """It was judged to be junk, or not."""

    wanted: bool

    def holds(self, letter: Letter) -> bool:
        return letter.junk is self.wanted


@dataclass(frozen=True, slots=True)
class AllOf:
    """Without conditions it holds always."""

    conditions: tuple[Condition, ...] = ()

    def holds(self, letter: Letter) -> bool:
        return all(condition.holds(letter) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Without conditions it holds never."""

    conditions: tuple[Condition, ...] = ()

    def holds(self, letter: Letter) -> bool:
        return any(condition.holds(letter) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition

    def holds(self, letter: Letter) -> bool:
        return not self.condition.holds(letter)


ALWAYS = AllOf()
NEVER = AnyOf()

_EVERYWHERE = {"from", "to", "subject", "date", "received", "message-id", "return-path"}
"""Fields that all mail has, or nearly."""


def holds_always(condition: Condition) -> bool:
    """Whether no usual message escapes it, as far as its form shows."""
    match condition:
        case AllOf(conditions):
            return all(map(holds_always, conditions))
        case AnyOf(conditions):
            return any(map(holds_always, conditions))
        case Not(inner):
            return holds_never(inner)
        case HeaderTest(names, comparison) | AddressTest(names, _, comparison):
            return comparison.fits_all and not _EVERYWHERE.isdisjoint(names)
        case EnvelopeTest(_, part, comparison):
            return comparison.fits_all and part is not Part.DETAIL
        case Exists(names):
            return _EVERYWHERE.issuperset(names)
        case Larger(octets):
            return octets == 0
        case Junk(wanted):
            return not wanted
    return False


def holds_never(condition: Condition) -> bool:
    """Whether no usual message meets it, as far as its form shows."""
    match condition:
        case AllOf(conditions):
            return any(map(holds_never, conditions))
        case AnyOf(conditions):
            return all(map(holds_never, conditions))
        case Not(inner):
            return holds_always(inner)
    return False


def is_about_junk(condition: Condition) -> bool:
    """Whether it, or a part of it, asks for junk."""
    match condition:
        case AllOf(conditions) | AnyOf(conditions):
            return any(map(is_about_junk, conditions))
        case Not(inner):
            return is_about_junk(inner)
    return isinstance(condition, Junk)


def _at_end(letter: Letter, end: End) -> str:
    address = letter.sender if end is End.FROM else letter.recipient
    return "" if address is None else f"{address.local_part}@{address.domain}"


def _part_fits(address: str, part: Part, comparison: Comparison) -> bool:
    text = _PARTS[part](address)
    return text is not None and comparison.fits(text)


def _local(address: str) -> str:
    return address.rpartition("@")[0]


def _detail(address: str) -> str | None:
    _, tag, detail = _local(address).partition(TAG)
    return detail if tag else None


_PARTS: Mapping[Part, Callable[[str], str | None]] = {
    Part.ALL: lambda address: address,
    Part.LOCAL: _local,
    Part.DOMAIN: lambda address: address.rpartition("@")[2],
    Part.USER: lambda address: _local(address).partition(TAG)[0],
    Part.DETAIL: _detail,
}
