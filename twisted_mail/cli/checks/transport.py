"""Whether what the domains say of TLS (MTA-STS) can be found by others, and is kept by this server."""

from __future__ import annotations

from collections.abc import Iterator

from twisted_mail.cli.checks.finding import DomainFacts, Finding, Situation, advice, fault, ok
from twisted_mail.cli.checks.resolver import NoAnswer
from twisted_mail.cli.dnsrecords import Place, place_of, policy_records
from twisted_mail.policy.sts.text import Policy, parse_record
from twisted_mail.securing import own_policy

_LOCAL_ONLY = "the server listens on this machine only, so nobody else asks how to reach it"


def check_transport(situation: Situation) -> Iterator[Finding]:
    if situation.is_local_only:
        yield ok(_LOCAL_ONLY)
        return
    place = place_of(situation.config)
    try:
        for domain in situation.domains:
            policy = own_policy(situation.config, domain.attributes)
            if policy is None:
                yield from _unannounced(domain, situation)
            else:
                found = list(_announced(domain.name, policy, place, situation))
                yield from found or [ok(f"DNS announces what {domain.name} says of TLS ({policy.mode.value})")]
    except NoAnswer as error:
        yield fault(f"DNS gives {error}")


def _unannounced(domain: DomainFacts, situation: Situation) -> Iterator[Finding]:
    """A record without a policy of ours: others look for one in vain, or keep to that of another server."""
    record = f"_mta-sts.{domain.name}"
    if parse_record([text.encode() for text in situation.dns.records(record, "TXT")]) is not None:
        yield advice(
            f"DNS announces an MTA-STS policy of {domain.name} that is not this server's",
            f"mailserver domain set {domain.name} mta-sts=testing   (or take {record} out of DNS)",
        )
    else:
        yield ok(f"{domain.name} says nothing of TLS: mailserver domain set {domain.name} mta-sts=testing would begin")


def _announced(name: str, policy: Policy, place: Place, situation: Situation) -> Iterator[Finding]:
    text, host = policy_records(name, place, policy)
    found = parse_record([each.encode() for each in situation.dns.records(text.name, "TXT")])
    if found is None:
        yield fault(f"DNS does not announce what {name} says of TLS", str(text))
    elif found != policy.identifier:
        yield fault(f"DNS announces an older policy of {name}, so others do not fetch this one", str(text))
    if not any(situation.dns.records(host.name, kind) for kind in ("A", "AAAA")):
        yield fault(f"{host.name}, where others fetch what {name} says of TLS, has no address", str(host))
    if all(address.is_loopback for address in situation.config.listen.https):
        yield fault(
            f"others cannot fetch what {name} says of TLS: https is not open to them",
            'write https = ["tcp:443"] in [listen]',
        )
    exchanges = [value.split()[-1].rstrip(".") for value in situation.dns.records(name, "MX")]
    strangers = [each for each in exchanges if not policy.allows(each)]
    if strangers:
        yield fault(
            f"DNS leads mail for {name} to {' and '.join(strangers)}, and its policy does not allow that",
            f"take that MX record out of DNS, or: mailserver domain set {name} mta-sts=none",
        )
