"""Mail from other servers, put together: the checks of who sent it, by the configuration."""

from __future__ import annotations

from random import SystemRandom
from typing import Any

from twisted_mail.auth.directory import Directory
from twisted_mail.config import Config
from twisted_mail.content import Blocking
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.networks import Networks
from twisted_mail.policy.checked import Checked, CheckOptions
from twisted_mail.policy.dns import CachedLookups
from twisted_mail.policy.findings import Handling
from twisted_mail.resolving import dns_resolver

DMARC = "dmarc"
"""The attribute of a domain: a `Handling`."""


def from_other_servers(
    config: Config, directory: Directory, target: IDeliveryTarget, disk: Blocking, reactor: Any
) -> IDeliveryTarget:
    """*target* as strangers get it: *target* itself where nothing is to be checked (demo mode has no configuration)."""
    if not config.checks.enabled or config.file is None:
        return target
    lookups = CachedLookups(dns_resolver(config.dns.servers, reactor), reactor)

    def handling(domain: str) -> Handling:
        return Handling(directory.domain_attributes(domain).get(DMARC, Handling.REJECT.value))

    options = CheckOptions(
        config.hostname, Networks(config.checks.trusted), handling, frozenset(config.checks.trusted_sealers)
    )
    return Checked(target, options, lookups, disk, reactor, SystemRandom())
