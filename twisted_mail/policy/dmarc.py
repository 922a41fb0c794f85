"""What the owner of the domain in From: wants (DMARC, RFC 9989), over `Lookups`.

Which record holds is found by a walk up the tree of names, of eight questions at most; there is no list of public
suffixes.  Nothing is raised: what DNS does not answer is `temperror`, and never a reason to refuse for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from twisted_mail.policy.dmarcrecord import DMARCRecord, Policy, PublicSuffix, parse_dmarc
from twisted_mail.policy.dns import LookupFailed, Lookups

MOST_LABELS = 8
"""Names with more are cut down to one less after the first question (RFC 9989 §4.10)."""
MAX_IDENTIFIERS = 10
"""Authenticated domains that are looked at."""


class DMARCResult(Enum):
    """RFC 8601 §2.7, as registered for DMARC."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What is known to be true of a message: domains whose SPF or DKIM says pass, in lower case."""

    spf: tuple[str, ...] = ()
    dkim: tuple[str, ...] = ()
    uncertain: bool = False
    """SPF or a signature could not be checked just now: there may be more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of one message."""

    result: DMARCResult
    domain: str = ""
    """In From:."""
    policy: Policy = Policy.NONE
    """What its owner wants for a message that fails, after test mode and sampling."""
    record: DMARCRecord | None = None
    policy_domain: str = ""
    """Where the record is."""
    spf_aligned: bool = False
    dkim_aligned: bool = False
    sampled_out: bool = False
    """The policy is milder than published."""
    reason: str = ""
    """For people, where the result is an error."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """The names of one walk up the tree that have a record, the longest name first."""

    start: str
    found: tuple[tuple[str, DMARCRecord], ...]

    @property
    def organization(self) -> str:
        """The organizational domain (RFC 9989 §4.10.2); without any record the domain itself."""
        for name, record in self.found:
            if record.psd is PublicSuffix.NO:
                return name
            if record.psd is PublicSuffix.YES and name != self.start:
                labels = self.start.split(".")
                return ".".join(labels[-(name.count(".") + 2) :])
        return self.found[-1][0] if self.found else self.start

    @property
    def record(self) -> tuple[str, DMARCRecord] | None:
        """The one that holds: of the domain itself, of its organization, of the public suffix (RFC 9989 §4.10.1)."""
        found = dict(self.found)
        for name in (self.start, self.organization, *(name for name, r in self.found if r.psd is PublicSuffix.YES)):
            if name in found:
                return name, found[name]
        return None


async def evaluate(lookups: Lookups, domain: str, identifiers: Identifiers, sample: float) -> Verdict:
    """*domain*: in From:, lower-case A-labels; *sample*: a random number from 0 up, below 100."""
    try:
        walk = await _walk(lookups, domain)
        if walk.record is None:
            return Verdict(DMARCResult.NONE, domain)
        policy_domain, record = walk.record
        organization = walk.organization
        spf = await _aligned(lookups, identifiers.spf, walk, organization, strict=record.strict_spf)
        dkim = await _aligned(lookups, identifiers.dkim, walk, organization, strict=record.strict_dkim)
        published = await _published(lookups, domain, policy_domain, record)
    except LookupFailed as error:
        return Verdict(DMARCResult.TEMPERROR, domain, reason=str(error))
    policy = record.applied(published, sample)
    result = DMARCResult.PASS if spf or dkim else DMARCResult.FAIL
    if result is DMARCResult.FAIL and identifiers.uncertain:
        result = DMARCResult.TEMPERROR
    return Verdict(result, domain, policy, record, policy_domain, spf, dkim, policy is not published)


async def evaluate_all(lookups: Lookups, domains: Sequence[str], identifiers: Identifiers, sample: float) -> Verdict:
    """For a message with several authors: the verdict that is worst for it."""
    verdicts = [await evaluate(lookups, domain, identifiers, sample) for domain in domains[:MAX_IDENTIFIERS]]
    return max(verdicts, key=lambda verdict: (_BADNESS.index(verdict.result), verdict.policy.severity))


_BADNESS = [DMARCResult.PASS, DMARCResult.NONE, DMARCResult.PERMERROR, DMARCResult.TEMPERROR, DMARCResult.FAIL]


async def accepts_reports(lookups: Lookups, policy_domain: str, address: str) -> bool:
    """Whether *address* may be sent reports about *policy_domain* (RFC 9990 §4).  Raises LookupFailed."""
    receiver = address.rpartition("@")[2].lower()
    if (await _walk(lookups, receiver)).organization == (await _walk(lookups, policy_domain)).organization:
        return True
    texts = await lookups.txt(f"{policy_domain}._report._dmarc.{receiver}")
    return any(text.strip().lower().startswith(b"v=dmarc1") for text in texts)


# ---- the walk


async def _walk(lookups: Lookups, domain: str) -> _Walk:
    """Raises LookupFailed."""
    found = []
    for name in names_to_ask(domain):
        record = await _record(lookups, name)
        if record is None:
            continue
        found.append((name, record))
        ends = record.psd is PublicSuffix.NO or (record.psd is PublicSuffix.YES and name != domain)
        if ends:
            break
    return _Walk(domain, tuple(found))


def names_to_ask(domain: str) -> list[str]:
    """The domain, then what is above it, eight names at most (RFC 9989 §4.10)."""
    labels = domain.split(".")
    above = labels[1:] if len(labels) <= MOST_LABELS else labels[-(MOST_LABELS - 1) :]
    return [domain, *(".".join(above[start:]) for start in range(len(above)))]


async def _record(lookups: Lookups, name: str) -> DMARCRecord | None:
    """The record of that name; several count as none."""
    texts = await lookups.txt(f"_dmarc.{name}")
    records = [record for record in map(parse_dmarc, texts) if record is not None]
    return records[0] if len(records) == 1 else None


async def _aligned(
    lookups: Lookups, identifiers: Sequence[str], author: _Walk, organization: str, *, strict: bool
) -> bool:
    """Whether one of *identifiers* is the author's domain, or (not *strict*) one of the same organization."""
    if author.start in identifiers:
        return True
    if strict:
        return False
    for identifier in dict.fromkeys(identifiers[:MAX_IDENTIFIERS]):
        # an organization lies above all its domains: nothing else need be asked for
        if identifier == organization or identifier.endswith("." + organization):
            walk = await _walk(lookups, identifier)
            if walk.organization == organization:
                return True
    return False


async def _published(lookups: Lookups, domain: str, policy_domain: str, record: DMARCRecord) -> Policy:
    """The policy for *domain* in the record of *policy_domain*."""
    if domain == policy_domain:
        return record.policy
    if record.missing is None:  # nobody wants to know whether it exists
        return record.policy_below(exists=True)
    exists = bool(await lookups.mx(domain) or await lookups.addresses(domain, 4) or await lookups.addresses(domain, 6))
    return record.policy_below(exists=exists)
