"""What `mailserver account set` has set of the terms of maildrops: how long mail stays, how often one may log in."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted_mail.auth.database import Database
from twisted_mail.auth.remembered import Remembered
from twisted_mail.pop3.terms import Terms, TermsRange
from twisted_mail.smtp.address import Address

EXPIRE = "expire"
LOGIN_DELAY = "login-delay"
"""Names of attributes.  Their values are seconds; EXPIRE's are a day or more."""

DAY = 86_400

_OF_ONE = "SELECT name, CAST(value AS INTEGER) FROM account_attribute WHERE domain = ? AND local_part = ?"
_OF_ALL = (
    "SELECT name, min(CAST(value AS INTEGER)), max(CAST(value AS INTEGER)),"
    " count(*) = (SELECT count(*) FROM account) FROM account_attribute WHERE name IN (?, ?) GROUP BY name"
)
_EXPIRING = "SELECT local_part, domain, CAST(value AS INTEGER) FROM account_attribute WHERE name = ?"


class AccountTerms:
    """Those of all accounts, asked in the reactor's thread.  Addresses are canonical."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._select = database.select
        self._terms = Remembered[Address, Terms](database, self._ask_for, clock)
        self._ranges = Remembered[None, TermsRange](database, self._ask_for_range, clock)

    def of(self, account: Address) -> Terms:
        return self._terms(account)

    def _ask_for(self, account: Address) -> Terms:
        values = dict(self._select(_OF_ONE, (account.domain, account.local_part)).fetchall())
        return _terms(values.get(EXPIRE), values.get(LOGIN_DELAY, 0))

    def range(self) -> TermsRange:
        return self._ranges(None)

    def expiring(self) -> list[tuple[Address, int]]:
        """The accounts whose mail does not stay for ever, each with the seconds that it stays."""
        rows = self._select(_EXPIRING, (EXPIRE,)).fetchall()
        return [(Address(local_part, domain), seconds) for local_part, domain, seconds in rows]

    def _ask_for_range(self, everybody: None) -> TermsRange:
        rows = self._select(_OF_ALL, (EXPIRE, LOGIN_DELAY)).fetchall()
        found = {name: (least, most, bool(all_have)) for name, least, most, all_have in rows}
        shortest, longest, all_expire = found.get(EXPIRE, (None, None, False))
        quickest, slowest, all_wait = found.get(LOGIN_DELAY, (0, 0, False))
        strictest = _terms(shortest, slowest)
        return TermsRange(strictest, _terms(longest if all_expire else None, quickest if all_wait else 0))


def _terms(expire: int | None, login_delay: int) -> Terms:
    """*expire*: seconds, or None.  CAPA counts whole days, and promises no more than is kept."""
    return Terms(expire // DAY if expire is not None else None, login_delay)
