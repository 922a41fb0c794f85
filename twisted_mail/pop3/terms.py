"""How long mail stays and how often one may log in (RFC 2449 §6.5, §6.7): of one account, or of all of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """Those of one account."""

    expire: int | None = None
    """Days for which a message stays at least; None: for ever."""
    login_delay: int = 0
    """Seconds from one login to the next."""


@dataclass(frozen=True, slots=True)
class TermsRange:
    """Those of all accounts: what can be said before it is known who logs in."""

    strictest: Terms = Terms()
    """The shortest stay and the longest delay, perhaps of different accounts."""
    mildest: Terms = Terms()

    @classmethod
    def of(cls, terms: Terms) -> TermsRange:
        """That of one account."""
        return cls(terms, terms)

    @property
    def expire(self) -> str:
        """The argument of EXPIRE in CAPA."""
        days = self.strictest.expire
        return _word("NEVER" if days is None else str(days), varies=days != self.mildest.expire)

    @property
    def login_delay(self) -> str:
        """The argument of LOGIN-DELAY in CAPA."""
        seconds = self.strictest.login_delay
        return _word(str(seconds), varies=seconds != self.mildest.login_delay)


def _word(value: str, *, varies: bool) -> str:
    """USER: ask again after the login (RFC 2449 §6.5)."""
    return f"{value} USER" if varies else value
