"""How much mail accounts and domains may keep: what `mailserver account set` and `mailserver domain set` have set."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted_mail.auth.database import Database
from twisted_mail.auth.remembered import Remembered
from twisted_mail.smtp.address import Address

QUOTA = "quota"
"""Name of an attribute of accounts, and of domains for all accounts that have none of their own.  Octets on disk."""
TOTAL = "total-quota"
"""Name of an attribute of domains: for all their mailboxes together.  Octets on disk."""
UNLIMITED = "0"
"""The value for an account that has no limit, whatever its domain says."""

_ANY = (
    "SELECT EXISTS (SELECT 1 FROM account_attribute WHERE name = ?1)"
    " OR EXISTS (SELECT 1 FROM domain_attribute WHERE name IN (?1, ?2))"
)
_OF_ONE = (
    "SELECT CAST(value AS INTEGER) FROM account_attribute WHERE domain = ?1 AND local_part = ?2 AND name = ?3"
    " UNION ALL SELECT CAST(value AS INTEGER) FROM domain_attribute WHERE domain = ?1 AND name = ?3 LIMIT 1"
)


class Quotas:
    """Those of all accounts and domains, asked in the reactor's thread.  Addresses are canonical."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._select = database.select
        self._exist = Remembered[None, bool](database, self._ask_for_any, clock)

    def exist(self) -> bool:
        """Whether anybody has one.  Costs next to nothing: it is asked for each message."""
        return self._exist(None)

    def _ask_for_any(self, everybody: None) -> bool:
        return self._select(_ANY, (QUOTA, TOTAL)).fetchall() == [(1,)]

    def of(self, account: Address) -> int | None:
        """Octets; None: no limit."""
        rows = self._select(_OF_ONE, (account.domain, account.local_part, QUOTA)).fetchall()
        return (rows[0][0] or None) if rows else None

    def of_domain(self, domain: str) -> int | None:
        """Octets of all its mailboxes together; None: no limit."""
        rows = self._select(
            "SELECT CAST(value AS INTEGER) FROM domain_attribute WHERE domain = ? AND name = ?", (domain, TOTAL)
        ).fetchall()
        return rows[0][0] if rows else None
