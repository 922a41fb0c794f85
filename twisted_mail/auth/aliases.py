"""Aliases as the administrator sets them: targets, here or in other domains, and the owner of a list.

What they lead to in the end is expansion.py's business.  Changes block for the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Connection

from twisted_mail.auth import expansion
from twisted_mail.auth.database import Database
from twisted_mail.auth.expansion import Standing
from twisted_mail.auth.lookup import TableLookup, columns
from twisted_mail.auth.names import DirectoryError, alias_text, check_no_return_path
from twisted_mail.interfaces import NoSuchUser, UserDisabled
from twisted_mail.smtp.address import Address


@dataclass(frozen=True, slots=True)
class Alias:
    """An address that stands for others; `Address("", domain)` is the domain's catch-all."""

    address: Address
    targets: tuple[Address, ...]
    owner: Address | None = None
    """An account: the sender of what the alias sends on, so that it hears of failures; it may see the targets."""


class Aliases:
    """Those of all domains.  Addresses given must be canonical; those returned are."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._select = database.select
        self._lookup = TableLookup(database.select)

    def all(self, domain: str | None = None) -> list[Alias]:
        """All, or those of one domain, in the order of the alphabet."""
        rows = self._select(
            "SELECT local_part, domain, target_local_part, target_domain FROM alias"
            " WHERE ?1 IS NULL OR domain = ?1 ORDER BY domain, local_part, position",
            (domain,),
        ).fetchall()
        owners = self._select("SELECT local_part, domain, owner_local_part, owner_domain FROM alias_owner").fetchall()
        owner_of = {Address(*row[:2]): Address(*row[2:]) for row in owners}
        found: dict[Address, list[Address]] = {}
        for local, name, target_local, target_domain in rows:
            found.setdefault(Address(local, name), []).append(Address(target_local, target_domain))
        return [Alias(address, tuple(targets), owner_of.get(address)) for address, targets in found.items()]

    def owned(self, address: Address, owner: Address) -> list[Address] | None:
        """The targets of the alias *address*; None: *owner* owns no such alias."""
        return self._lookup.targets(address) if self._lookup.owner(address) == owner else None

    def add(self, address: Address, targets: Sequence[Address], owner: Address | None = None) -> None:
        """Add *targets* to those that the alias has; *owner* replaces the one that it has.  Raises DirectoryError."""
        with self._database.transaction() as writer:
            lookup = TableLookup(writer.execute)
            lookup.require_domain(address.domain)
            check_no_return_path(address)
            if lookup.standing(address) is not Standing.NONE:
                raise DirectoryError(f"{address} is an account; an alias needs an address of its own")
            known = lookup.targets(address)
            new = [target for target in dict.fromkeys(targets) if target not in known]
            for target in new:
                _check_target(lookup, address, target)
                _insert_target(writer, address, target)
            _check_depth(lookup, address, new)
            if owner is not None:
                _set_owner(writer, address, owner)

    def remove(self, address: Address, targets: Sequence[Address] = ()) -> None:
        """The whole alias, or only some of its targets.  Raises DirectoryError."""
        with self._database.transaction() as writer:
            known = _required_targets(TableLookup(writer.execute), address)
            for target in targets or known:
                if target not in known:
                    raise DirectoryError(f"{alias_text(address)} does not lead to {target}")
                writer.execute(
                    "DELETE FROM alias WHERE domain = ? AND local_part = ?"
                    " AND target_domain = ? AND target_local_part = ?",
                    (*columns(address), *columns(target)),
                )
            forget_empty(writer)

    def set_owner(self, address: Address, owner: Address | None) -> None:
        """None: nobody.  Raises DirectoryError."""
        with self._database.transaction() as writer:
            _required_targets(TableLookup(writer.execute), address)
            if owner is None:
                writer.execute("DELETE FROM alias_owner WHERE domain = ? AND local_part = ?", columns(address))
            else:
                _set_owner(writer, address, owner)


def forget_empty(writer: Connection) -> None:
    """What has lost its last target is no alias, and owned by nobody."""
    writer.execute(
        "DELETE FROM alias_owner WHERE NOT EXISTS (SELECT 1 FROM alias"
        " WHERE alias.domain = alias_owner.domain AND alias.local_part = alias_owner.local_part)"
    )


def _required_targets(lookup: TableLookup, address: Address) -> list[Address]:
    known = lookup.targets(address)
    if not known:
        raise DirectoryError(f"{alias_text(address)} is no alias; see: mailserver alias list")
    return known


def _check_target(lookup: TableLookup, alias: Address, target: Address) -> None:
    if target == alias:
        raise DirectoryError(f"{alias_text(alias)} cannot be an alias of itself")
    if not lookup.has_domain(target.domain):
        if not target.local_part:
            raise DirectoryError(f"{alias_text(target)} is no address; write one like alice@{target.domain}")
    elif _reached(lookup, target) is None:
        raise DirectoryError(f"{target} does not exist; first: mailserver account add {target}")


def _check_depth(lookup: TableLookup, alias: Address, targets: Sequence[Address]) -> None:
    reached = _reached(lookup, alias) or set()
    for target in targets:
        if not (_reached(lookup, target) or set()) <= reached:
            raise DirectoryError(
                f"{target} leads through more than {expansion.MAX_DEPTH} aliases in a row; name the accounts instead"
            )


def _reached(lookup: TableLookup, address: Address) -> set[Address] | None:
    """None: it does not exist.  Empty: all that it leads to are disabled accounts."""
    if not lookup.has_domain(address.domain):
        return {address}
    try:
        found = expansion.expand(lookup, address)
    except NoSuchUser:
        return None
    except UserDisabled:
        return set()
    return {*found.mailboxes, *found.outside}


def _insert_target(writer: Connection, alias: Address, target: Address) -> None:
    writer.execute(
        "INSERT INTO alias (domain, local_part, position, target_domain, target_local_part) VALUES (?1, ?2,"
        " (SELECT coalesce(max(position), 0) + 1 FROM alias WHERE domain = ?1 AND local_part = ?2), ?3, ?4)",
        (*columns(alias), *columns(target)),
    )


def _set_owner(writer: Connection, alias: Address, owner: Address) -> None:
    if not alias.local_part:
        raise DirectoryError(f"{alias_text(alias)} takes mail of all kinds; a list with an owner needs an address")
    TableLookup(writer.execute).require_account(owner)
    writer.execute("INSERT OR REPLACE INTO alias_owner VALUES (?, ?, ?, ?)", (*columns(alias), *columns(owner)))
