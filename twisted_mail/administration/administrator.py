"""The avatar of an administrator on the page, and the portal that says who is one."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.cred.portal import Portal
from zope.interface import implementer

from twisted_mail import demo
from twisted_mail.administration.checks import Checks
from twisted_mail.administration.overview import Overview
from twisted_mail.administration.own import Means, OwnAffairs
from twisted_mail.administration.people import People
from twisted_mail.administration.queue import Queue
from twisted_mail.administration.records import Records
from twisted_mail.affairs import IAdministration, IChecks, IOverview, IOwnAffairs, IPeople, IQueue, IRecords
from twisted_mail.auth.pagerealm import PageRealm
from twisted_mail.monitoring import Monitoring
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin


@dataclass(frozen=True, slots=True)
class Everything:
    """What an administrator can look after, and who is one."""

    means: Means
    checks: Checks
    overview: Overview

    def administrators(self) -> set[Address]:
        """In demo mode, where nobody else can reach the page, its account is one, too."""
        found = self.means.directory.administrators()
        return found | {demo.ACCOUNT} if self.means.config.file is None else found

    def avatar(self, account: Address, origin: Origin) -> IOwnAffairs:
        if account in self.administrators():
            return Administration(account, origin, self)
        return OwnAffairs(account, origin, self.means)


@implementer(IAdministration)
class Administration(OwnAffairs):
    """Of one login."""

    def __init__(self, account: Address, origin: Origin, everything: Everything) -> None:
        self._everything = everything
        super().__init__(account, origin, everything.means)
        means, config = everything.means, everything.means.config
        self.overview: IOverview = everything.overview
        self.people: IPeople = People(account, means, config.data, everything.administrators)
        sends = config.relay.enabled and config.file is not None
        self.queue: IQueue | None = Queue(config.queue_folder, means) if sends else None
        self.records: IRecords | None = Records(config.journal_folder, means) if config.journal.keep else None
        self.checks: IChecks = everything.checks

    def _rights(self) -> tuple[object, ...]:
        return (self.account in self._everything.administrators(),)


def page_portal(means: Means, monitoring: Monitoring) -> Portal:
    """Where people log in at the page: for an IOwnAffairs."""
    everything = Everything(means, Checks(means.config, means.clock), Overview(means, monitoring))
    return Portal(PageRealm(everything.avatar), [means.checker])
