"""Transport security of what leaves, put together: what domains say of the TLS with which their mail shall come."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from twisted_mail.auth.directory import Directory
from twisted_mail.config import Config
from twisted_mail.content import Blocking
from twisted_mail.policy.dns import CachedLookups
from twisted_mail.policy.sts.files import PolicyFiles
from twisted_mail.policy.sts.policies import Policies
from twisted_mail.policy.sts.text import Mode, Policy
from twisted_mail.protocols.httpsclient import HTTPSClient
from twisted_mail.resolving import dns_resolver, system_resolvers
from twisted_mail.smtp.address import parse_address
from twisted_mail.tlsoutcome import NoteOutcome, forget

if TYPE_CHECKING:
    from twisted_mail.domainreports import DomainReports
    from twisted_mail.policy.dane.policies import Strongest
    from twisted_mail.policy.tlsreport import TLSSession

MTA_STS = "mta-sts"
"""The attribute of a domain of ours: a `Mode`."""

_AGES = {Mode.ENFORCE: 7 * 86_400, Mode.TESTING: 86_400, Mode.NONE: 86_400}
"""Seconds for which others may keep our policy: a week outlasts an attack, and a day a mistake."""


def own_policy(config: Config, attributes: Mapping[str, str]) -> Policy | None:
    """What a domain of ours says of its mail, which comes to this server; None: nothing.

    *attributes*: what `mailserver domain set` has set for it.
    """
    if MTA_STS not in attributes:
        return None
    mode = Mode(attributes[MTA_STS])
    return Policy(mode, _AGES[mode], (config.hostname,))


def published(config: Config, directory: Directory, domain: str) -> bytes | None:
    """The same as others get it; None, too, where the domain is none of ours."""
    policy = own_policy(config, directory.domain_attributes(domain))
    return None if policy is None else "".join(f"{line}\r\n" for line in policy.lines).encode()


def sts_policies(config: Config, disk: Blocking, reactor: Any) -> Policies | None:
    """None: the configuration does not want them.  *disk*: how to wait for it; *reactor*: also for the web."""
    if not config.relay.mta_sts:
        return None
    lookups = CachedLookups(dns_resolver(config.dns.servers, reactor), reactor)
    files = PolicyFiles(os.path.join(config.server_folder, "mta-sts"))
    return Policies(lookups, HTTPSClient(reactor), files, disk, reactor)


def transport_policies(config: Config, policies: Policies | None, reactor: Any) -> Policies | Strongest | None:
    """*policies*, and DANE before them where there is a resolver for it."""
    resolver = _validating_resolver(config) if config.relay.dane else None
    if resolver is None:
        return policies
    # dnspython takes a tenth of a second, which no command that only knows of our own policy shall pay
    from twisted_mail.policy.dane.policies import DanePolicies, Strongest
    from twisted_mail.protocols.securedns import SecureDNS

    return Strongest(DanePolicies(SecureDNS(*resolver, reactor)), policies)


def tls_reports(config: Config, disk: Blocking, reactor: Any) -> tuple[DomainReports[TLSSession] | None, NoteOutcome]:
    """Who wants to hear how TLS went on the way to them, and what counts it for them.

    None: the configuration says that nobody is told.
    """
    if not config.checks.reports_from:
        return None, forget
    # imported late: few servers report, and what composes reports takes 1 MiB
    from twisted_mail.domainreports import DomainReports
    from twisted_mail.policy.tlsreport import TLSSession
    from twisted_mail.policy.tlsreports import TLSReports, noting

    lookups = CachedLookups(dns_resolver(config.dns.servers, reactor), reactor)
    kind = TLSReports(lookups, parse_address(config.checks.reports_from), config.hostname)
    reports = DomainReports(config, "tlsrpt", TLSSession, kind, lookups, disk, reactor)
    return reports, noting(reports.counting, lookups)


def _validating_resolver(config: Config) -> tuple[str, int] | None:
    """The first one that we ask, if its word can be taken."""
    servers = config.dns.servers or system_resolvers()
    if not servers:
        return None
    address, port = servers[0]
    return (address, port) if config.dns.validating or ipaddress.ip_address(address).is_loopback else None
