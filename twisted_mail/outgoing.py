"""Mail for other domains, put together: the queue, the relay behind it, and the retry rules of the configuration."""

from __future__ import annotations

import os
from functools import partial
from random import SystemRandom
from typing import Any

from twisted.names.client import createResolver

from twisted_mail.auth.directory import Directory
from twisted_mail.config import Config, ConfigError, Relay
from twisted_mail.content import Blocking
from twisted_mail.delivery.homeward import Homeward
from twisted_mail.delivery.mx import MXResolver
from twisted_mail.delivery.relay import Relay as RelayTarget
from twisted_mail.delivery.routes import Routes, parse_smarthost, read_password
from twisted_mail.durable import Committer
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.protocols.clienttls import unverified, verified
from twisted_mail.protocols.destination import Destination
from twisted_mail.protocols.smtpclient import ClientOptions
from twisted_mail.protocols.smtppool import ConnectionPool
from twisted_mail.queue.retry import RetryPolicies, RetryPolicy
from twisted_mail.queue.rounds import QueueOptions
from twisted_mail.queue.scheduler import Scheduler
from twisted_mail.queue.spool import Spool
from twisted_mail.queue.suppression import Suppressing, Suppression
from twisted_mail.smtp.address import Address


def queue_folder(config: Config) -> str:
    return os.path.join(config.server_folder, "queue")


def read_smarthost(relay: Relay) -> Destination | None:
    """Where all goes that leaves; None: to each domain's own servers.  Raises ConfigError."""
    if not relay.smarthost:
        return None
    try:
        password = read_password(relay.smarthost_password_file) if relay.smarthost_password_file else ""
        return parse_smarthost(relay.smarthost, relay.smarthost_user, password)
    except (OSError, ValueError) as error:
        raise ConfigError(f"[relay] smarthost cannot be used: {error}") from error


class Outgoing:
    """The queue of one process.  Any process may put messages in; one of them sends, whichever has the lock."""

    def __init__(
        self, config: Config, smarthost: Destination | None, committer: Committer, disk: Blocking, reactor: Any
    ) -> None:
        """*disk*: how to wait for it; *reactor*: everything that a client endpoint and a clock need."""
        self.spool = Spool(queue_folder(config), committer, disk, reactor)
        """The target for what is to leave."""
        self._routes = Routes(config.routes, smarthost)
        options = ClientOptions(reactor, config.hostname, disk, verified(), unverified())
        resolver = MXResolver(createResolver(), reactor, config.hostname, SystemRandom())
        self._relay = RelayTarget(self._routes, resolver, ConnectionPool(options))
        self._config = config
        self._clock = reactor
        self._scheduler: Scheduler | None = None

    def start(self, users: Directory, home: IDeliveryTarget) -> None:
        """Begin to send.  *home* takes what is for *users*, and what senders are told: the router."""
        relay = self._config.relay
        policies = RetryPolicies(RetryPolicy(relay.retry, relay.give_up_after))
        destination = partial(self._destination, users=users)
        options = QueueOptions(self._config.hostname, policies=policies, destination_of=destination)
        relayed = Suppressing(self._relay, Suppression(queue_folder(self._config)), self._clock)
        target = Homeward(users, home, relayed)
        self._scheduler = Scheduler(self.spool, target, home, options, self._clock)
        self._scheduler.start()

    async def stop(self, seconds: float) -> None:
        """Give what is under way *seconds* to end."""
        if self._scheduler is not None:
            await self._scheduler.stop(seconds)
        await self._relay.close()

    def _destination(self, recipient: Address, users: Directory) -> str:
        """What shares connections: the smarthost for all that goes there, else the domain.

        Mail for *users* is of a domain of its own: it does not wait for a smarthost.
        """
        route = self._routes.find(recipient.domain)
        return recipient.domain if route is None or users.owns(recipient.domain) else str(route)
