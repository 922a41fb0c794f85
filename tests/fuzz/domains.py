"""Fuzzing of what the owners of domains publish: DMARC, SPF, MTA-STS and TLSRPT.

    python -m tests.fuzz.domains --inputs 1000000 [--seed 1] [--only dmarc]

Whatever stands there, there is an answer, in bounded time and with a bounded number of questions to DNS; for DMARC it
is that of a slow and obvious reader.  A failure names the seed of its input: `--seed N --inputs 1` repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random

from tests.fuzz import longrun
from tests.fuzz.noise import changed, check_words, made_of, octets_of
from tests.policy.dkim.zones import result_of
from tests.policy.records import FAILS, Records
from twisted_mail.policy.dmarc import (
    MAX_IDENTIFIERS,
    MOST_LABELS,
    DMARCResult,
    Identifiers,
    accepts_reports,
    evaluate,
    evaluate_all,
)
from twisted_mail.policy.dmarcrecord import MAX_REPORT_ADDRESSES, DMARCRecord, Policy, PublicSuffix, parse_dmarc
from twisted_mail.policy.dns import LookupFailed
from twisted_mail.policy.spf import LONGEST_EXPLANATION, MAX_NAMES, MAX_TERMS, Client, check_host
from twisted_mail.policy.spfrecord import Result
from twisted_mail.policy.sts.text import MAX_AGE, MAX_HOSTS, PolicyError, parse_policy, parse_record
from twisted_mail.policy.tlsreports import MAX_PLACES, places_in

Zone = dict[str, Mapping[str, Sequence[str]] | str]

LIMIT = 1.0
"""Seconds of processor time for one input, however hostile."""

LABELS = ("example", "org", "a", "b", "www", "bank", "xn--bcher-kva", "_x", "1")
DMARC_TAGS = (
    *("p=reject", "p=quarantine", "p=none", "p=REJECT", "p=x", "p=", "sp=reject", "sp=none", "sp=y", "np=reject"),
    *("np=quarantine", "psd=y", "psd=n", "psd=u", "psd=x", "t=y", "t=n", "t=", "pct=0", "pct=50", "pct=101", "pct=-1"),
    *("adkim=s", "adkim=r", "aspf=s", "aspf=x", "rua=mailto:d@example.org", "rua=", "rua=https://x.example", "fo=1"),
    *("rua=mailto:a@b.example!10m,mailto:c@d.example", "rua=" + "mailto:a@b.example," * 500, "v=DMARC1", "future=1"),
    *("p", "=", "", " ", "rf=afrf"),
)
SPF_TERMS = (
    *("a", "mx", "ptr", "include:example.org", "exists:%{i}.example.org", "a:%{l1r-}.example.org", "?all", "~all"),
    *("redirect=example.org", "exp=%{p}.example.org", "mx:b.example//0", "ip4:192.0.2.9", "-a:void.example", "-all"),
    *("ip6:2001:db8::/33", "include:%{d2}", "include:b.example", "exists:%{s}.%{L3R-}.a", "a:", "ptr:org", "exp=b.org"),
)
STS_LINES = (
    *("version: STSv1", "mode: enforce", "mode: testing", "mode: none", "max_age: 86400", "max_age: 9999999999"),
    *("mx: mail.example.com", "mx: *.example.net", "mx: *", "mx:", "mx: " + "a." * 200, ":", "", "mx: -.x"),
)
RUA = (
    *("v=TLSRPTv1;", "rua=", "mailto:a@b.example", ",", "https://x.example/a", "mailto:", "https:", "http://x", " "),
    *("mailto:a@b.example," * 300, ";", "!1m"),
)


# ---- DMARC


def dmarc_text(random: Random) -> str:
    version = random.choice(("v=DMARC1",) * 9 + ("v=DMARC2", "v=dmarc1", " v = DMARC1 ", ""))
    text = f"{version};{made_of(random, DMARC_TAGS, 6, random.choice((';', '; ', ' ; ')))}"
    return changed(random, text) if random.random() < 0.3 else text


def name_near(random: Random, name: str) -> str:
    """Above *name*, below it, beside it, or anywhere."""
    labels = name.split(".")
    more = [random.choice(LABELS) for _ in range(random.choice((0, 1, 1, 2, 10)))]
    return ".".join([*more, *labels[random.randint(0, len(labels)) :]]) or random.choice(LABELS)


def hostile_zone(random: Random, names: Sequence[str]) -> Zone:
    """Records at some of the *names*, and of those above them."""
    zone: Zone = {}
    for name in names:
        labels = name.split(".")
        for start in range(len(labels)):
            if random.random() < 0.4:
                count = random.choice((1, 1, 1, 1, 2, 100))
                zone[f"_dmarc.{'.'.join(labels[start:])}"] = {"TXT": [dmarc_text(random) for _ in range(count)]}
    if random.random() < 0.3:
        zone[random.choice(names)] = {random.choice(("A", "AAAA")): ["192.0.2.1"]}
    if zone and random.random() < 0.05:
        zone[random.choice(list(zone))] = FAILS
    return zone


def fuzz_dmarc(random: Random) -> None:
    """Verdicts over hostile zones: those of the obvious reader, within their questions."""
    author = ".".join(random.choice(LABELS) for _ in range(random.choice((1, 2, 2, 3, 3, 5, 12))))
    others = [name_near(random, author) for _ in range(random.choice((0, 1, 2, 3, 30)))]
    identifiers = Identifiers(tuple(others[::2]), tuple(others[1::2]), random.random() < 0.2)
    zone = hostile_zone(random, [author, *others[:3]])
    records = Records(zone)
    verdict = result_of(evaluate(records, author, identifiers, 50.0))
    assert len(records.asked) <= MOST_LABELS * (1 + 2 * MAX_IDENTIFIERS) + 3, records.asked
    check_words(verdict.reason)
    if FAILS not in zone.values():
        assert (verdict.result, verdict.policy) == obvious(zone, author, identifiers)
    worst = result_of(evaluate_all(Records(zone), [*others[:2], author], identifiers, 50.0))
    assert worst.result is not DMARCResult.PASS or verdict.result is DMARCResult.PASS
    if verdict.record is not None:
        records = Records(zone)
        try:
            result_of(accepts_reports(records, verdict.policy_domain, f"d@{name_near(random, author)}"))
        except LookupFailed:
            assert FAILS in zone.values()
        assert len(records.asked) <= 2 * MOST_LABELS + 1


def obvious(zone: Zone, author: str, identifiers: Identifiers) -> tuple[DMARCResult, Policy]:
    """The verdict in the words of RFC 9989: every domain is asked for its organization, whatever that costs."""
    found = obvious_walk(zone, author)
    organization = obvious_organization(author, found)
    suffixes = [name for name, record in found.items() if record.psd is PublicSuffix.YES]
    where = next((name for name in (author, organization, *suffixes) if name in found), None)
    if where is None:
        return DMARCResult.NONE, Policy.NONE
    record = found[where]

    def aligned(names: Sequence[str], strict: bool) -> bool:
        if author in names:
            return True
        looked_at = [] if strict else list(dict.fromkeys(names[:MAX_IDENTIFIERS]))
        return any(obvious_organization(name, obvious_walk(zone, name)) == organization for name in looked_at)

    passes = aligned(identifiers.spf, record.strict_spf) or aligned(identifiers.dkim, record.strict_dkim)
    failure = DMARCResult.TEMPERROR if identifiers.uncertain else DMARCResult.FAIL
    return DMARCResult.PASS if passes else failure, obvious_policy(zone, author, where, record)


def obvious_policy(zone: Zone, author: str, where: str, record: DMARCRecord) -> Policy:
    policy = record.policy
    if where != author:
        policy = record.subdomains or record.policy
        if author not in zone:
            policy = record.missing or policy
    if record.testing or record.percent <= 50:
        policy = {Policy.REJECT: Policy.QUARANTINE}.get(policy, Policy.NONE)
    return policy


def obvious_walk(zone: Zone, domain: str) -> dict[str, DMARCRecord]:
    """RFC 9989 §4.10, step by step."""
    found: dict[str, DMARCRecord] = {}
    name = domain
    while name:
        records = Records(zone)
        texts = [parse_dmarc(text) for text in result_of(records.txt(f"_dmarc.{name}"))]
        valid = [record for record in texts if record is not None]
        if len(valid) == 1:
            found[name] = valid[0]
            if valid[0].psd is PublicSuffix.NO or (valid[0].psd is PublicSuffix.YES and name != domain):
                break
        labels = name.split(".")
        name = ".".join(labels[-7:] if len(labels) > 8 else labels[1:])
    return found


def obvious_organization(domain: str, found: Mapping[str, DMARCRecord]) -> str:
    """RFC 9989 §4.10.2."""
    for name, record in found.items():
        if record.psd is PublicSuffix.NO:
            return name
        if record.psd is PublicSuffix.YES and name != domain:
            above = "." + name
            return domain.removesuffix(above).rpartition(".")[2] + above
    return min(found, key=lambda name: name.count("."), default=domain)


def fuzz_dmarc_records(random: Random) -> None:
    """A record by itself, also a long one."""
    record = parse_dmarc(octets_of(changed(random, dmarc_text(random))))
    if record is not None:
        assert record.policy in Policy
        assert 0 <= record.percent <= 100
        assert len(record.reports) <= MAX_REPORT_ADDRESSES
        assert all(re.fullmatch(r"[^\s,;!]+", address) for address in record.reports)


# ---- SPF


def fuzz_spf(random: Random) -> None:
    """Records that lead to one another in any way."""
    hosts = {f"mx{number}.example": {"A": ["192.0.2.2"], "AAAA": ["2001:db8::2"]} for number in range(MAX_NAMES + 1)}
    some = list(hosts)[: random.randint(0, len(hosts))]
    zone: Zone = {**hosts, "192.0.2.1": {"PTR": [f"{host}." for host in some]}}
    for name in ("example.org", "b.example", "org", "mx1.example.org"):
        text = f"v=spf1 {made_of(random, SPF_TERMS, 20, ' ')}"
        texts = [changed(random, text) if random.random() < 0.3 else text]
        zone[name] = {"TXT": texts, "MX": [f"10 {host}" for host in some], "A": ["192.0.2.3"]}
    if random.random() < 0.1:
        zone[random.choice(list(zone))] = FAILS
    records = Records(zone)
    sender, hello = changed(random, "alice@example.org"), changed(random, "mx1.example.org")
    client = Client(random.choice(("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1")), sender, hello, now=1)
    outcome = result_of(check_host(records, client, "example.org"))
    assert outcome.result in Result
    check_words(outcome.reason)
    check_words(outcome.explanation)
    assert len(outcome.explanation) <= LONGEST_EXPLANATION
    assert len(records.asked) <= (MAX_TERMS + 2) * (2 * MAX_NAMES + 3)


# ---- transport


def fuzz_transport(random: Random) -> None:
    """Records and policies of MTA-STS, and the addresses of TLSRPT."""
    identifier = parse_record([octets_of(changed(random, "v=STSv1; id=20160831085700Z;")) for _ in range(2)])
    assert identifier is None or re.fullmatch(r"[A-Za-z0-9]{1,32}", identifier)
    text = made_of(random, STS_LINES, 10, random.choice(("\n", "\r\n")))
    try:
        policy = parse_policy(octets_of(changed(random, text) if random.random() < 0.5 else text))
    except PolicyError as error:
        check_words(str(error))
    else:
        assert policy.max_age <= MAX_AGE
        assert len(policy.hosts) <= MAX_HOSTS
        assert parse_policy("\n".join(policy.lines).encode()) == policy
    record = octets_of(changed(random, "v=TLSRPTv1; " + made_of(random, RUA, 12)))
    places = places_in([record])
    assert len(places.addresses) + len(places.urls) <= MAX_PLACES


TARGETS: dict[str, Callable[[Random], None]] = {
    "dmarc": fuzz_dmarc,
    "dmarc-records": fuzz_dmarc_records,
    "spf": fuzz_spf,
    "transport": fuzz_transport,
}


def run(name: str, random: Random) -> None:
    """One input of a target, in its time."""
    longrun.bounded(TARGETS[name], random, LIMIT)


if __name__ == "__main__":
    longrun.run(__doc__, {name: partial(run, name) for name in TARGETS}, 100_000)
