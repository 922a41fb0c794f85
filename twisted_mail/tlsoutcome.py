"""How TLS went on the way to a domain's server, in the words of those who report it (RFC 8460 §4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class TLSFailure(Enum):
    """Result types (RFC 8460 §4.3).  `dane-required` is not among them: nothing here demands DANE of others."""

    NO_STARTTLS = "starttls-not-supported"
    WRONG_HOST = "certificate-host-mismatch"
    EXPIRED = "certificate-expired"
    UNTRUSTED = "certificate-not-trusted"
    OTHER = "validation-failure"
    TLSA_INVALID = "tlsa-invalid"
    DNSSEC_INVALID = "dnssec-invalid"
    POLICY_NOT_FETCHED = "sts-policy-fetch-error"
    POLICY_INVALID = "sts-policy-invalid"
    POLICY_HOST_UNTRUSTED = "sts-webpki-invalid"


@dataclass(frozen=True, slots=True)
class Flaw:
    """What was not as it should be."""

    failure: TLSFailure
    reason: str = ""
    """In words, one line."""


@dataclass(frozen=True, slots=True)
class Published:
    """The policy that a domain has for its server, as it published it (RFC 8460 §4.2)."""

    kind: str = "no-policy-found"
    """Or `sts`, `tlsa`."""
    lines: tuple[str, ...] = ()
    """Of an MTA-STS policy, or the TLSA records."""
    hosts: tuple[str, ...] = ()
    """`mx` of an MTA-STS policy."""
    flaw: Flaw | None = None
    """It cannot be had, or kept to, whatever the server does."""


NO_POLICY = Published()


@dataclass(frozen=True, slots=True)
class TLSOutcome:
    """One connection, or one that was not even tried because of a policy."""

    domain: str
    """Of the recipients."""
    published: Published
    host: str
    """The MX."""
    address: str = ""
    """IP address of the server."""
    own_address: str = ""
    flaw: Flaw | None = None
    """None: TLS was as the policy wants it; where there is none, it was there."""


NoteOutcome = Callable[[TLSOutcome], None]
"""Told of each connection.  Does not block."""


def forget(outcome: TLSOutcome) -> None:
    """Where nobody wants to know."""
