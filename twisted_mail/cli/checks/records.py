"""What DNS says of the domains and of the server, compared with what `mailserver init` says should be there."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence

from twisted_mail.cli.checks.finding import Finding, Level, Situation, advice, fault, ok
from twisted_mail.cli.checks.resolver import NoAnswer, Resolver
from twisted_mail.cli.dnsrecords import Place, Purpose, Record, place_of, records
from twisted_mail.config import Config

_ASK = "cat /etc/resolv.conf   (and [dns] servers); on the server itself Unbound is a good resolver"
_LOCAL_ONLY = "the server listens on this machine only, so DNS need not know it"


def check_dns(situation: Situation) -> Iterator[Finding]:
    if situation.is_local_only:
        yield ok(_LOCAL_ONLY)
        return
    config, dns = situation.config, situation.dns
    place = place_of(config)
    try:
        yield from _host(place, dns)
        looks = [*_LOOKS, *([_autoconfig] if _has_public_web(config) else [])]
        for domain in situation.domains:
            found = [finding for look in looks for finding in look(domain.name, place, dns)]
            if not any(finding.level is not Level.OK for finding in found):
                yield ok(f"DNS says of {domain.name} what it should")
            yield from found
    except NoAnswer as error:
        yield fault(f"DNS gives {error}", _ASK)


def check_reverse(situation: Situation) -> Iterator[Finding]:
    """Many servers refuse mail from an address without a name, or with one that does not lead back."""
    if situation.is_local_only:
        yield ok(_LOCAL_ONLY)
        return
    hostname, dns = situation.config.hostname, situation.dns
    try:
        for address in _addresses(hostname, dns):
            names = [name.rstrip(".") for name in dns.names_of(address)]
            if hostname in names:
                yield ok(f"{address} is called {hostname}")
            else:
                called = f"called {' and '.join(names)}" if names else "without a name"
                yield fault(
                    f"{address} is {called} in reverse DNS and not {hostname}, so others will refuse mail from there",
                    f"{ipaddress.ip_address(address).reverse_pointer}. IN PTR {hostname}.   (at the provider)",
                )
    except NoAnswer as error:
        yield fault(f"DNS gives {error}", _ASK)


def _addresses(hostname: str, dns: Resolver) -> list[str]:
    return [*dns.records(hostname, "A"), *dns.records(hostname, "AAAA")]


# ---- what is looked at


def _host(place: Place, dns: Resolver) -> Iterator[Finding]:
    known = _addresses(place.hostname, dns)
    if "." not in place.hostname:
        yield fault(
            f'the server calls itself "{place.hostname}", which is no full name, and many refuse mail from such',
            'write hostname = "mail.example.org" at the top of the configuration, with the name that DNS has',
        )
    elif not known:
        wanted = place.addresses or ["192.0.2.25 (the public address of this machine)"]
        kinds = [("AAAA" if ":" in address else "A", address) for address in wanted]
        remedy = "\n".join(f"{place.hostname}. IN {kind} {address}" for kind, address in kinds)
        yield fault(f"DNS has no address of {place.hostname}", remedy)
    elif place.addresses and not set(known) & set(place.addresses):
        yield advice(
            f"DNS says {place.hostname} is {' and '.join(known)}, and this machine is {' and '.join(place.addresses)}: "
            "right only if a router or balancer stands between",
        )
    else:
        yield ok(f"DNS says {place.hostname} is {' and '.join(known)}")


def _mail(domain: str, place: Place, dns: Resolver) -> Iterator[Finding]:
    exchanges = [value.split()[-1].rstrip(".") for value in dns.records(domain, "MX")]
    remedy = _lines(domain, place, Purpose.MAIL)
    if not exchanges:
        yield fault(f"{domain} has no MX record, so others do not know where to send its mail", remedy)
    elif place.hostname not in exchanges:
        others = " and ".join(exchanges) or "nowhere"
        yield fault(f"mail for {domain} goes to {others} and not to {place.hostname}", remedy)


def _sender(domain: str, place: Place, dns: Resolver) -> Iterator[Finding]:
    """One SPF record; whether it lets this server send, others evaluate (RFC 7208 §4.5)."""
    wanted = [record for record in _wanted(domain, place, Purpose.SENDER) if record.type == "TXT"]
    for record in wanted:
        name, remedy = record.name, str(record)
        found = [text for text in dns.records(name, "TXT") if text.lower().split(" ")[0] == "v=spf1"]
        if len(found) > 1:
            yield fault(f"{name} has {len(found)} SPF records, which counts as an error; only one may stay", remedy)
        elif not found and name == domain:
            yield fault(f"{domain} has no SPF record, and large providers refuse mail from such domains", remedy)
        elif not found:
            yield advice(
                f"{name} has no SPF record, which would count for reports and other mail without sender", remedy
            )
        elif "+all" in found[0].lower().split() or "all" in found[0].lower().split():
            yield fault(f'the SPF record of {name}, "{found[0]}", lets everybody send in its name', remedy)


def _policy(domain: str, place: Place, dns: Resolver) -> Iterator[Finding]:
    found = [text for text in dns.records(f"_dmarc.{domain}", "TXT") if text.lower().startswith("v=dmarc1")]
    remedy = _lines(domain, place, Purpose.POLICY)
    if len(found) > 1:
        yield fault(f"{domain} has {len(found)} DMARC records, which count as none; only one may stay", remedy)
    elif not found:
        yield advice(f"{domain} has no DMARC record, which large providers want", remedy)


def _services(domain: str, place: Place, dns: Resolver) -> Iterator[Finding]:
    """Records that are missing are one finding; those that lead astray are one each."""
    missing = []
    for record in _wanted(domain, place, Purpose.SERVICES):
        found = dns.records(record.name, "SRV")
        wanted = record.value.split()[2:]
        if not found and wanted[1] != ".":
            missing.append(str(record))
        elif found and wanted not in [value.split()[2:] for value in found]:
            led = " and ".join(":".join(reversed(value.split()[2:])) for value in found)
            yield advice(
                f"{record.name} leads mail programs to {led}, which is not what this server offers", str(record)
            )
    if missing:
        yield advice(f"mail programs that look in DNS do not find all services of {domain}", "\n".join(missing))


def _autoconfig(domain: str, place: Place, dns: Resolver) -> Iterator[Finding]:
    missing = [record for record in _wanted(domain, place, Purpose.AUTOCONFIG) if not _addresses(record.name, dns)]
    if missing:
        names = " and ".join(record.name for record in missing)
        yield advice(f"{names} {'is' if len(missing) == 1 else 'are'} not in DNS", "\n".join(map(str, missing)))


def _has_public_web(config: Config) -> bool:
    return any(not address.is_loopback for address in (*config.listen.web, *config.listen.https))


_LOOKS: Sequence[Callable[[str, Place, Resolver], Iterator[Finding]]] = (
    _mail,
    _sender,
    _policy,
    _services,
)
"""What a domain has in DNS for its mail: a row for each kind of record."""


def _wanted(domain: str, place: Place, purpose: Purpose) -> list[Record]:
    return [record for record in records(domain, place) if record.purpose is purpose]


def _lines(domain: str, place: Place, purpose: Purpose) -> str:
    return "\n".join(map(str, _wanted(domain, place, purpose)))
