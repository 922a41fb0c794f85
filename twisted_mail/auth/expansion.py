"""Following an address to the accounts that it stands for: exact account, alias, the same without its tag, catch-all.

Pure: what exists is asked of a `Lookup`.  Each address is followed once, so a loop of aliases ends by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import Protocol

from twisted_mail.auth.names import without_tag
from twisted_mail.interfaces import Expansion, NoSuchUser, UserDisabled, Way
from twisted_mail.smtp.address import Address

MAX_DEPTH = 10
"""Aliases of aliases; what lies deeper is left out."""


class Standing(Enum):
    """What an address is as an account."""

    NONE = auto()
    ACTIVE = auto()
    DISABLED = auto()


class Lookup(Protocol):
    """What the directory knows about one canonical address, without following anything."""

    def has_domain(self, domain: str) -> bool: ...

    def standing(self, address: Address) -> Standing: ...

    def targets(self, address: Address) -> Sequence[Address]:
        """Of the alias *address*; `Address("", domain)` is the catch-all.  Empty: no such alias."""

    def owner(self, alias: Address) -> Address | None:
        """The account that owns it."""

    def rewrites(self, domain: str) -> bool:
        """Whether senders are rewritten in what aliases of *domain* send on to others."""


def expand(lookup: Lookup, address: Address) -> Expansion:
    """*address* is canonical.  Raises NoSuchUser, or UserDisabled where only disabled accounts are found."""
    search = _Search(lookup)
    search.run(address)
    if not search.mailboxes and not search.outside:
        raise UserDisabled(str(address)) if search.disabled else NoSuchUser(str(address))
    return Expansion(tuple(search.mailboxes), tuple(search.outside), search.ways)


class _Search:
    """Level by level, so that an address is met first where it lies least deep."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._next: dict[Address, Way] = {}
        # dictionaries as ordered sets
        self.mailboxes: dict[Address, None] = {}
        self.outside: dict[Address, None] = {}
        self.ways: dict[Address, Way] = {}
        self.disabled = False

    def run(self, start: Address) -> None:
        seen = {start}
        self._follow(start, None)
        for _ in range(MAX_DEPTH):
            if not self._next:
                break
            level = {target: way for target, way in self._next.items() if target not in seen}
            seen.update(level)
            self._next = {}
            for target, way in level.items():
                if self._lookup.has_domain(target.domain):
                    self._follow(target, way)
                else:
                    self.outside[target] = None
                    self.ways[target] = replace(way, rewrites=self._lookup.rewrites(way.domain))

    def _follow(self, address: Address, way: Way | None) -> None:
        base = without_tag(address)
        if not (self._try(address, way) or (base is not None and self._try(base, way))):
            self._follow_alias(Address("", address.domain), way)

    def _try(self, address: Address, way: Way | None) -> bool:
        """Whether *address* itself is an account or an alias."""
        match self._lookup.standing(address):
            case Standing.ACTIVE:
                self.mailboxes[address] = None
                if way is not None:
                    self.ways.setdefault(address, way)
            case Standing.DISABLED:
                self.disabled = True
            case Standing.NONE:
                return self._follow_alias(address, way)
        return True

    def _follow_alias(self, alias: Address, way: Way | None) -> bool:
        """*way* is that to the alias; a list in a list has its own owner, or the same one."""
        targets = self._lookup.targets(alias)
        if not targets:
            return False
        owner = self._lookup.owner(alias) or (way.owner if way is not None else None)
        for target in targets:
            self._next.setdefault(target, Way(alias.domain, owner))
        return True
