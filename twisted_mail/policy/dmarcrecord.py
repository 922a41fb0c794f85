"""DMARC records taken apart (RFC 9989 §4.7; `pct` of RFC 7489 §6.3, which many still publish).  Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

LONGEST_RECORD = 10_000
MAX_REPORT_ADDRESSES = 10


class Policy(Enum):
    """What the owner of a domain wants for mail that fails, the milder first."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def milder(self) -> Policy:
        """One step less, as in test mode and for what the sample leaves out."""
        return Policy.QUARANTINE if self is Policy.REJECT else Policy.NONE

    @property
    def severity(self) -> int:
        return list(Policy).index(self)


class PublicSuffix(Enum):
    """`psd`: whether the domain is one below which anybody can have a domain."""

    YES = "y"
    NO = "n"
    UNKNOWN = "u"


@dataclass(frozen=True, slots=True)
class DMARCRecord:
    text: str
    policy: Policy = Policy.NONE
    """`p`."""
    subdomains: Policy | None = None
    """`sp`; None: as `policy`."""
    missing: Policy | None = None
    """`np`, for subdomains that do not exist; None: as `subdomains`."""
    strict_dkim: bool = False
    strict_spf: bool = False
    psd: PublicSuffix = PublicSuffix.UNKNOWN
    testing: bool = False
    """`t=y`."""
    percent: int = 100
    """`pct`; 100 where `t` is there, which replaces it."""
    reports: tuple[str, ...] = ()
    """`rua`: mail addresses for aggregate reports."""

    def policy_below(self, *, exists: bool) -> Policy:
        """For a subdomain of the domain that has this record."""
        below = self.subdomains or self.policy
        return below if exists else self.missing or below

    def applied(self, policy: Policy, sample: float) -> Policy:
        """*policy* of this record after test mode and sampling; *sample*: a random number below 100."""
        return policy.milder if self.testing or sample >= self.percent else policy


_TAG = re.compile(r"[ \t]*(?P<name>[A-Za-z]+)[ \t]*=(?P<value>[^;]*)\Z")
_MAILTO = re.compile(r"mailto:([^,!;\s]+)(?:![0-9]+[kmgt]?)?\Z", re.IGNORECASE)


@lru_cache(1024)
def parse_dmarc(record: bytes) -> DMARCRecord | None:
    """None: no DMARC record, or one that must be ignored (RFC 9989 §4.7)."""
    if len(record) > LONGEST_RECORD:
        return None
    text = record.decode("latin-1")
    tags: dict[str, str] = {}
    for number, part in enumerate(text.split(";")):
        match = _TAG.match(part)
        if match is None:
            if number == 0 or part.strip():
                return None
            continue
        name, value = match["name"].lower(), match["value"].strip(" \t")
        if number == 0 and (name != "v" or value != "DMARC1"):
            return None
        tags.setdefault(name, value)
    policy = _policy(tags.get("p", "none"))
    if policy is None and not tags.get("rua"):  # a wrong p beside a rua asks for reports only
        return None
    return DMARCRecord(
        text,
        policy or Policy.NONE,
        _policy(tags.get("sp", "")),
        _policy(tags.get("np", "")),
        strict_dkim=tags.get("adkim", "r").lower() == "s",
        strict_spf=tags.get("aspf", "r").lower() == "s",
        psd=_psd(tags.get("psd", "u").lower()),
        testing=tags.get("t", "n").lower() == "y",
        percent=100 if "t" in tags else _percent(tags.get("pct", "100")),
        reports=_addresses(tags.get("rua", "")),
    )


def _policy(text: str) -> Policy | None:
    return next((policy for policy in Policy if policy.value == text.lower()), None)


def _psd(text: str) -> PublicSuffix:
    return next((psd for psd in PublicSuffix if psd.value == text), PublicSuffix.UNKNOWN)


def _percent(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,2}|100", text) else 100


def _addresses(text: str) -> tuple[str, ...]:
    """Of a list of addresses: `mailto:` ones, without the size that older records add."""
    matches = (_MAILTO.match(uri.strip()) for uri in text.split(",")[:MAX_REPORT_ADDRESSES])
    return tuple(match.group(1) for match in matches if match)
