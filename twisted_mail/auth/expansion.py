"""Following an address to the accounts that it stands for: exact account, alias, the same without its tag, catch-all.

Pure: what exists is asked of a `Lookup`.  Each address is followed once, so a loop of aliases ends by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Protocol

from twisted_mail.auth.names import without_tag
from twisted_mail.interfaces import Expansion, NoSuchUser, UserDisabled
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


def expand(lookup: Lookup, address: Address) -> Expansion:
    """*address* is canonical.  Raises NoSuchUser, or UserDisabled where only disabled accounts are found."""
    search = _Search(lookup)
    search.follow(address, 0)
    if not search.mailboxes and not search.outside:
        raise UserDisabled(str(address)) if search.disabled else NoSuchUser(str(address))
    return Expansion(tuple(search.mailboxes), tuple(search.outside))


class _Search:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._seen: set[Address] = set()
        # dictionaries as ordered sets
        self.mailboxes: dict[Address, None] = {}
        self.outside: dict[Address, None] = {}
        self.disabled = False

    def follow(self, address: Address, depth: int) -> None:
        if address in self._seen or depth > MAX_DEPTH:
            return
        self._seen.add(address)
        if depth and not self._lookup.has_domain(address.domain):
            self.outside[address] = None
        elif not self._try(address, depth) and not self._try_without_tag(address, depth):
            self._follow_alias(Address("", address.domain), depth)

    def _try(self, address: Address, depth: int) -> bool:
        """Whether *address* itself is an account or an alias."""
        match self._lookup.standing(address):
            case Standing.ACTIVE:
                self.mailboxes[address] = None
            case Standing.DISABLED:
                self.disabled = True
            case Standing.NONE:
                return self._follow_alias(address, depth)
        return True

    def _try_without_tag(self, address: Address, depth: int) -> bool:
        base = without_tag(address)
        return base is not None and self._try(base, depth)

    def _follow_alias(self, alias: Address, depth: int) -> bool:
        targets = self._lookup.targets(alias)
        for target in targets:
            self.follow(target, depth + 1)
        return bool(targets)
