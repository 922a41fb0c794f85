"""The DNS records that a domain of this server should have: `mailserver init` writes them, `mailserver check` looks."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from twisted_mail.config import Config
from twisted_mail.policy.sts.text import Policy

TTL = 3600
"""Seconds."""
MAX_STRING = 255
"""Octets of one string of a TXT record (RFC 1035 §3.3)."""
PREFERENCE = 10
"""Of the MX record (RFC 5321 §5.1)."""

_SERVICES = (("submissions", 465), ("submission", 587), ("pop3s", 995), ("pop3", 110))
"""In the order in which mail programs should prefer them (RFC 8314 §3), with their usual ports."""
_NOT_OFFERED = ("imaps", "imap")


class Purpose(Enum):
    """What a record is for.  The value is what stands above it in a zone file."""

    MAIL = "Mail for the domain comes to this server (RFC 5321 §5.1)."
    HOST = "The server itself."
    SENDER = "Who may send as the domain: this server and nobody else (SPF, RFC 7208)."
    SIGNATURES = "With which keys mail of the domain is signed (DKIM, RFC 6376); mailserver dkim rotate changes them."
    POLICY = "What others should do with mail that fails that, and where to report it (DMARC, RFC 7489)."
    TLS = "Which servers are the domain's own, with TLS (MTA-STS, RFC 8461); https of [listen] must be open to others."
    TLS_REPORTS = "Where others may report whether mail could come by TLS (RFC 8460)."
    SERVICES = 'Where mail programs find it; "." is: not offered (RFC 6186, RFC 8314).'
    AUTOCONFIG = "Where mail programs ask for their settings, once web and https of [listen] are open to others."


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record, as text."""

    name: str
    """Without the dot at the end."""
    type: str
    value: str
    """As in a zone file; the text of a TXT record without its quotes."""
    purpose: Purpose

    def __str__(self) -> str:
        """Long texts are several strings, which count as one (RFC 7208 §3.3)."""
        value = self.value
        if self.type == "TXT":
            starts = range(0, len(value), MAX_STRING)
            value = " ".join(f'"{value[start : start + MAX_STRING]}"' for start in starts)
        return f"{self.name}. {TTL} IN {self.type} {value}"


@dataclass(frozen=True, slots=True)
class Place:
    """A mail server as DNS should know it."""

    hostname: str
    addresses: Sequence[str]
    """IP addresses from which others reach it; empty: nobody knows here."""
    ports: Mapping[str, int]
    """Service of [listen] -> port."""


def records(domain: str, place: Place) -> list[Record]:
    """All that *domain* should have, and what its server should have."""
    return [
        Record(domain, "MX", f"{PREFERENCE} {place.hostname}.", Purpose.MAIL),
        *_host_records(place, domain),
        Record(domain, "TXT", "v=spf1 mx -all", Purpose.SENDER),
        # "none", until the reports have shown that all its mail is signed: a forwarder breaks SPF
        Record(f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}", Purpose.POLICY),
        Record(f"_smtp._tls.{domain}", "TXT", f"v=TLSRPTv1; rua=mailto:postmaster@{domain}", Purpose.TLS_REPORTS),
        *_service_records(domain, place),
        Record(f"autoconfig.{domain}", "CNAME", f"{place.hostname}.", Purpose.AUTOCONFIG),
        Record(f"autodiscover.{domain}", "CNAME", f"{place.hostname}.", Purpose.AUTOCONFIG),
    ]


def _host_records(place: Place, domain: str) -> list[Record]:
    """Address records of the server, and who may greet others under its name (RFC 7208 §2.3)."""
    found = [Record(place.hostname, _address_type(each), each, Purpose.HOST) for each in place.addresses]
    if place.hostname != domain:  # which has one already: two are an error (RFC 7208 §4.5)
        found.append(Record(place.hostname, "TXT", "v=spf1 a -all", Purpose.SENDER))
    return found


def policy_records(domain: str, place: Place, policy: Policy) -> list[Record]:
    """By which others find what the domain says of TLS."""
    return [
        Record(f"_mta-sts.{domain}", "TXT", f"v=STSv1; id={policy.identifier}", Purpose.TLS),
        Record(f"mta-sts.{domain}", "CNAME", f"{place.hostname}.", Purpose.TLS),
    ]


def zone_text(domain: str, place: Place, signatures: Sequence[Record] = (), policy: Policy | None = None) -> str:
    """The records as lines for a zone file.  *signatures*: those of its keys; *policy*: its MTA-STS policy."""
    lines = [f"; DNS records for {domain} and its mail server {place.hostname}"]
    wanted = [*records(domain, place), *signatures, *(policy_records(domain, place, policy) if policy else ())]
    there = {record.purpose for record in wanted} | {Purpose.HOST}
    for purpose in Purpose:
        if purpose not in there:
            continue
        lines += ["", f"; {purpose.value}"]
        if purpose is Purpose.HOST and not place.addresses:
            lines += ["; Write its public address here; there should be a PTR record back to the name.", ";"]
            lines[-1] = f";{place.hostname}. {TTL} IN A 192.0.2.25"
        lines += [str(record) for record in wanted if record.purpose is purpose]
    return "\n".join(lines) + "\n"


def usual_ports() -> dict[str, int]:
    return dict(_SERVICES)


def ports_of(config: Config) -> dict[str, int]:
    """The TCP ports at which mail programs on other machines can reach each service."""
    has_certificate = config.tls.certificate is not None
    ports = {}
    for name, _ in _SERVICES:
        addresses = [each for each in getattr(config.listen, name) if each.port and not each.is_loopback]
        if addresses and (has_certificate or name not in ("submissions", "pop3s")):
            ports[name] = addresses[0].port
    return ports


def place_of(config: Config) -> Place:
    """The server of this configuration; one that is on loopback only, as it would be if it were not."""
    return Place(config.hostname, own_addresses(), ports_of(config) or usual_ports())


def own_addresses() -> list[str]:
    """The addresses from which this machine speaks to the Internet, as far as they are valid there.  Sends nothing."""
    found = []
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        # a datagram socket asks the routing table only
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 25))
            found.append(probe.getsockname()[0])
    return [each for each in found if ipaddress.ip_address(each).is_global]


def _service_records(domain: str, place: Place) -> list[Record]:
    found = []
    for priority, (service, _) in enumerate(_SERVICES):
        target = f"{priority} 1 {place.ports[service]} {place.hostname}." if service in place.ports else "0 0 0 ."
        found.append(Record(f"_{service}._tcp.{domain}", "SRV", target, Purpose.SERVICES))
    for service in _NOT_OFFERED:
        found.append(Record(f"_{service}._tcp.{domain}", "SRV", "0 0 0 .", Purpose.SERVICES))
    return found


def _address_type(address: str) -> str:
    return "AAAA" if ":" in address else "A"
