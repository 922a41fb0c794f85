"""Mail from other servers, put together: the checks, what becomes of it, and the reports to others about them."""

from __future__ import annotations

from collections.abc import Callable
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from twisted_mail.auth.directory import Directory
from twisted_mail.config import Config
from twisted_mail.content import Blocking
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.junkconfig import REJECT
from twisted_mail.networks import Networks
from twisted_mail.policy.acquaintances import Acquaintances
from twisted_mail.policy.checked import Checked, CheckOptions, forget
from twisted_mail.policy.dns import CachedLookups, Lookups
from twisted_mail.policy.findings import Action, Findings, Handling
from twisted_mail.policy.greylist import Greylist, Greylisting, Terms
from twisted_mail.policy.judging import Judge
from twisted_mail.policy.lists import AddressLists
from twisted_mail.policy.reputation import Reputation
from twisted_mail.resolving import dns_resolver
from twisted_mail.smtp.address import parse_address

if TYPE_CHECKING:
    from twisted_mail.domainreports import DomainReports
    from twisted_mail.policy.aggregate import Row

DMARC = "dmarc"
"""The attribute of a domain: a `Handling`."""


class Incoming:
    """The checks of one process; it counts for the reports, which one process alone sends."""

    def __init__(
        self, config: Config, directory: Directory, reputation: Reputation, disk: Blocking, reactor: Any
    ) -> None:
        """*disk*: how to wait for it; *reactor*: a clock, and what a resolver needs."""
        self._config = config
        self._directory = directory
        self._disk = disk
        self._reactor = reactor
        self._lookups: Lookups | None = None
        self._reports: DomainReports[Row] | None = None
        self._note: Callable[[Findings, Action], None] = forget
        self._acquaintances = Acquaintances(reputation, disk, reactor)
        self._greylist: Greylist | None = None
        if not config.checks.enabled or config.file is None:  # demo mode asks nobody
            return
        self._lookups = CachedLookups(dns_resolver(config.dns.servers, reactor), reactor)
        junk = config.junk
        if junk.greylist:
            terms = Terms(junk.greylist_points, junk.greylist_delay, junk.greylist_memory)
            self._greylist = Greylist(config.greylist_file, terms)
        if config.checks.reports_from:
            self._report(config.checks.reports_from, self._lookups)

    def _report(self, sender: str, lookups: Lookups) -> None:
        # imported late: few servers do, and what composes reports and sends them takes 2 MiB
        from twisted_mail.domainreports import DomainReports
        from twisted_mail.policy.aggregate import Row
        from twisted_mail.policy.counting import noting
        from twisted_mail.policy.dmarcreports import DMARCReports

        kind = DMARCReports(lookups, parse_address(sender), self._config.hostname)
        self._reports = DomainReports(self._config, "dmarc", Row, kind, lookups, self._disk, self._reactor)
        self._note = noting(self._reports.counting)

    def checked(self, target: IDeliveryTarget) -> IDeliveryTarget:
        """*target* as strangers get it."""
        if self._lookups is None:
            return target
        checks = self._config.checks
        options = CheckOptions(
            self._config.hostname,
            Networks(checks.trusted),
            self._handling,
            frozenset(checks.trusted_sealers),
            self._lists(self._lookups),
            self._judge(),
            self._note,
        )
        return Checked(target, options, self._lookups, self._disk, self._reactor, SystemRandom())

    def _lists(self, lookups: Lookups) -> AddressLists | None:
        junk = self._config.junk
        if not (junk.block_lists or junk.allow_lists):
            return None
        return AddressLists(lookups, junk.block_lists, junk.allow_lists, self._reactor)

    def _judge(self) -> Judge:
        greylist = self._greylist
        greylisting = None if greylist is None else Greylisting(greylist, self._disk, self._reactor)
        return Judge(self._config.junk.action == REJECT, self._acquaintances, greylisting)

    def _handling(self, domain: str) -> Handling:
        return Handling(self._directory.domain_attributes(domain).get(DMARC, Handling.REJECT.value))

    def start(self, reports: IDeliveryTarget | None) -> None:
        """*reports* takes those that are due; None: another process sends them."""
        if self._lookups is not None:
            self._acquaintances.start()
        if self._reports is not None:
            self._reports.start(reports)

    def retire(self) -> None:
        """Leave the reports to another process, or to the service that has taken over."""
        if self._reports is not None:
            self._reports.retire()

    def stop(self) -> None:
        """Blocks for the disk, a moment."""
        self._acquaintances.stop()
        if self._greylist is not None:
            self._greylist.close()
        if self._reports is not None:
            self._reports.stop()
