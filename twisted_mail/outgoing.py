"""Mail for other domains, put together: signatures, queue, relay, and the retry rules of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from random import SystemRandom
from typing import Any

from twisted_mail.auth.directory import Directory
from twisted_mail.committing.committer import Committer
from twisted_mail.config import Config
from twisted_mail.content import Blocking
from twisted_mail.delivery.homeward import Homeward
from twisted_mail.delivery.mx import MXResolver
from twisted_mail.delivery.relay import Relay as RelayTarget
from twisted_mail.delivery.routes import Routes
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.protocols.clienttls import unverified, verified
from twisted_mail.protocols.destination import Destination
from twisted_mail.protocols.smtpclient import ClientOptions
from twisted_mail.protocols.smtppool import ConnectionPool
from twisted_mail.queue.destination import Bounds
from twisted_mail.queue.retry import RetryPolicies, RetryPolicy
from twisted_mail.queue.rounds import QueueOptions
from twisted_mail.queue.scheduler import Scheduler
from twisted_mail.queue.spool import Spool
from twisted_mail.queue.suppression import Suppressing, Suppression
from twisted_mail.relayconfig import Relay, RelayDomain
from twisted_mail.resolving import dns_resolver
from twisted_mail.securing import sts_policies, tls_reports, transport_policies
from twisted_mail.signing import signed
from twisted_mail.smtp.address import Address


def retry_policies(relay: Relay) -> RetryPolicies:
    """When messages are tried again and given up, with what differs for some domains."""
    default = RetryPolicy(relay.retry, relay.give_up_after, relay.delay_report_after or None)

    def policy(domain: RelayDomain) -> RetryPolicy:
        late = relay.delay_report_after if domain.delay_report_after is None else domain.delay_report_after
        return RetryPolicy(domain.retry or relay.retry, domain.give_up_after or relay.give_up_after, late or None)

    return RetryPolicies(default, {name: policy(domain) for name, domain in relay.domains.items()})


@dataclass(frozen=True, slots=True)
class Lines:
    """What shares connections: a smarthost with its login for all that goes there, else the recipient's domain."""

    relay: Relay
    routes: Routes

    def of(self, sender: Address | None, recipient: Address) -> str:
        """The name of the line in which a message waits."""
        return self._name(recipient.domain, self.routes.find(sender, recipient.domain))

    def bounds(self) -> Bounds:
        """How many connections each may have."""
        others = {
            self._name(name, route): domain.connections
            for name, domain in self.relay.domains.items()
            for route in (None, self.routes.find(None, name), *self.routes.by_sender.values())
            if domain.connections is not None
        }
        return Bounds(self.relay.connections, self.relay.connections_per_destination, others)

    def _name(self, domain: str, route: Destination | None) -> str:
        if route is None:
            return domain
        name = route.address if route.port is None else f"{route.address} port {route.port}"
        if route.login is not None:
            name += f" as {route.login.user}"
        settings = self.relay.domains.get(domain)
        return name if settings is None or settings.connections is None else f"{domain} by {name}"


class Outgoing:
    """The queue of one process.  Any process may put messages in; one of them sends, whichever has the lock."""

    def __init__(self, config: Config, routes: Routes, committer: Committer, disk: Blocking, reactor: Any) -> None:
        """*disk*: how to wait for it; *reactor*: everything that a client endpoint and a clock need."""
        self._spool = Spool(config.queue_folder, committer, disk, reactor)
        self.target = signed(config, self._spool, disk, reactor)
        """For what is to leave."""
        options = ClientOptions(reactor, config.hostname, disk, verified(), unverified())
        resolver = MXResolver(dns_resolver(config.dns.servers, reactor), reactor, config.hostname, SystemRandom())
        self._policies = sts_policies(config, disk, reactor)
        security = transport_policies(config, self._policies, reactor)
        self._reports, note = tls_reports(config, disk, reactor)
        pool = ConnectionPool(options, note)
        self._relay = RelayTarget(routes, resolver, pool, security, self.target, policies=security)
        self._config = config
        self._lines = Lines(config.relay, routes)
        self._clock = reactor
        self._scheduler: Scheduler | None = None

    def start(self, users: Directory, home: IDeliveryTarget, reports: IDeliveryTarget | None) -> None:
        """Begin to send.  *home* takes what is for *users*, and what senders are told: the router.

        *reports* takes what the owners of domains are told; None: another process tells them.
        """
        policies = retry_policies(self._config.relay)
        options = QueueOptions(self._config.hostname, self._lines.bounds(), policies, partial(self._line, users))
        relayed = Suppressing(self._relay, Suppression(self._config.queue_folder), self._clock)
        target = Homeward(users, home, relayed)
        self._scheduler = Scheduler(self._spool, target, home, options, self._clock)
        self._scheduler.start()
        if self._policies is not None:
            self._policies.start()
        if self._reports is not None:
            self._reports.start(reports)

    async def stop(self, seconds: float) -> None:
        """Give what is under way *seconds* to end."""
        if self._policies is not None:
            self._policies.stop()
        if self._scheduler is not None:
            await self._scheduler.stop(seconds)
        await self._relay.close()
        if self._reports is not None:
            self._reports.stop()

    def _line(self, users: Directory, sender: Address | None, recipient: Address) -> str:
        """Mail for *users* is of a line of its own: it does not wait for a smarthost."""
        return recipient.domain if users.owns(recipient.domain) else self._lines.of(sender, recipient)
