"""What the tables say about one address or domain, without following anything: the `Lookup` of expansion.py."""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Cursor

from twisted_mail.auth.expansion import Standing
from twisted_mail.auth.names import DirectoryError
from twisted_mail.smtp.address import Address

SRS = "srs"
"""Name of a domain's attribute: `off` where senders are not rewritten in what its aliases send on."""
ON, OFF = "on", "off"


class TableLookup:
    """Questions about one canonical address; reactor's thread, or that of a command."""

    def __init__(self, select: Callable[..., Cursor]) -> None:
        """*select*: `execute` of the connection to ask."""
        self._select = select

    def has_domain(self, domain: str) -> bool:
        return bool(self._select("SELECT 1 FROM domain WHERE name = ?", (domain,)).fetchall())

    def standing(self, address: Address) -> Standing:
        rows = self._select(
            "SELECT disabled FROM account WHERE domain = ? AND local_part = ?", columns(address)
        ).fetchall()
        if not rows:
            return Standing.NONE
        return Standing.DISABLED if rows[0][0] else Standing.ACTIVE

    def targets(self, address: Address) -> list[Address]:
        rows = self._select(
            "SELECT target_local_part, target_domain FROM alias WHERE domain = ? AND local_part = ? ORDER BY position",
            columns(address),
        ).fetchall()
        return [Address(*row) for row in rows]

    def owner(self, alias: Address) -> Address | None:
        rows = self._select(
            "SELECT owner_local_part, owner_domain FROM alias_owner WHERE domain = ? AND local_part = ?",
            columns(alias),
        ).fetchall()
        return Address(*rows[0]) if rows else None

    def rewrites(self, domain: str) -> bool:
        rows = self._select("SELECT value FROM domain_attribute WHERE domain = ? AND name = ?", (domain, SRS))
        return rows.fetchall() != [(OFF,)]

    def require_domain(self, name: str) -> None:
        """Raises DirectoryError."""
        if not self.has_domain(name):
            raise DirectoryError(f"{name} is not a domain of this server; first: mailserver domain add {name}")

    def require_account(self, address: Address) -> None:
        """Raises DirectoryError."""
        if self.standing(address) is Standing.NONE:
            raise DirectoryError(f"there is no account {address}; see: mailserver account list")


def columns(address: Address) -> tuple[str, str]:
    """The order of the tables' keys."""
    return address.domain, address.local_part
