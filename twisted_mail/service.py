"""The composition root: a configuration becomes a running service.  The only module that knows everybody.

`House` has the objects in the order in which they need one another: reading it from top to bottom is reading the
server.  (Their life in one process is in serving.py; what twistd starts is in mailserver.py.)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from twisted_mail import demo
from twisted_mail.admission import Admission, Avatars
from twisted_mail.auth.directory import Directory
from twisted_mail.capturing import CapturedFiles, Everybody, captures
from twisted_mail.committing.committer import Committer
from twisted_mail.config import Config
from twisted_mail.content import Blocking, MessageBuilder
from twisted_mail.delivery.forwarding import ReturnPaths
from twisted_mail.delivery.holding import Holding
from twisted_mail.delivery.inbound import InboundPolicy
from twisted_mail.delivery.ledger import Ledger, SendingLimits
from twisted_mail.delivery.lists import ListOwner
from twisted_mail.delivery.onebyone import OneByOne
from twisted_mail.delivery.ratelimit import MessageRates, RateLimited
from twisted_mail.delivery.receipts import Receipted
from twisted_mail.delivery.router import Refusing, Router
from twisted_mail.delivery.routes import Routes
from twisted_mail.delivery.sending import LimitedSending, SendingRules
from twisted_mail.delivery.submission import SubmissionPolicy
from twisted_mail.delivery.trace import Traced
from twisted_mail.doors import Doors
from twisted_mail.filtering import Filtering
from twisted_mail.incoming import Incoming
from twisted_mail.interfaces import IDeliveryTarget, IUsers
from twisted_mail.mailboxes import Mailboxes, Timer
from twisted_mail.message.identifier import message_id
from twisted_mail.monitoring import Monitoring
from twisted_mail.neighbours import Neighbours
from twisted_mail.pickup import Pickup
from twisted_mail.policy.reputation import Reputation
from twisted_mail.protocols.rates import Rate
from twisted_mail.protocols.tls import Certificates
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.reply import Reply
from twisted_mail.smtp.srs import SenderRewriting
from twisted_mail.web.challenges import Challenges

if TYPE_CHECKING:
    from twisted_mail.outgoing import Outgoing

FINISH = 10.0
"""Seconds that what is under way has at shutdown."""
DISK_THREADS = 4
"""Threads that wait for large messages and long listings; small ones do not need them."""
ISSUER_THREADS = 8
"""Threads that wait for the issuer of tokens: if it does not answer, passwords must not wait with them."""
HASH_THREADS = 2
"""Threads that check passwords: a storm of wrong ones takes no more of the machine."""

NO_RELAY = Reply(550, "7.1", "This server does not send mail to other domains")


class House:
    """All objects of one process, wired together.  `factories` has one for each service of [listen] that it serves."""

    def __init__(
        self,
        config: Config,
        certificates: Certificates | None,
        routes: Routes,
        reactor: ReactorBase,
        neighbours: Neighbours,
    ) -> None:
        self._config = config
        self._reactor = reactor
        self._stopped = False

        # what waits for the disk, and what for the processor
        committer = neighbours.committer
        sizes = {"disk": DISK_THREADS, "hash": HASH_THREADS, "issuer": ISSUER_THREADS}
        self.threads = [ThreadPool(0, size, name) for name, size in sizes.items()]
        disk, hashing, asking = (_blocking(reactor, pool) for pool in self.threads)
        self._disk, self._hashing = disk, hashing

        # who exists, where their mail lies, and what is thought of those who write to them
        self.directory = Directory(config.directory_file, keeps_verifiers=config.auth.keeps_verifiers)
        self._mailboxes = Mailboxes(config, self.directory, committer, disk, self._route, reactor)
        self._reputation = Reputation(config.reputation_file, config.hostname, reactor.seconds)

        # where a message goes
        users = self._users()
        arriving = self._destinations(users, routes, committer)
        self._pickup = Pickup(config, committer, disk, reactor)
        self._from_commands = OneByOne(arriving)

        # who may do what
        self._checks = Incoming(config, self.directory, self._reputation, disk, reactor)
        self._ledger = Ledger(os.path.join(config.server_folder, "sending.sqlite"))
        admission = Admission(config, self.directory, hashing, asking, neighbours, reactor)
        portals = admission.portals(self._avatars(users, arriving))

        # the doors
        self._doors = Doors(config, certificates, self.directory, admission.inquiries, neighbours.counts, reactor)
        for name in ("smtp", "submission", "submissions", "lmtp"):
            self._doors.add_smtp(name, portals[name], self._new_message, sends=self._outgoing is not None)
        for name in ("pop3", "pop3s"):
            self._doors.add_pop3(name, portals[name])
        self.challenges = Challenges(certificates)

        # what there is only once
        self._leads = neighbours.leads
        self._timers = self._watch_and_show(admission, certificates) if neighbours.leads else ()
        self.factories = self._doors.factories

    def _destinations(self, users: IUsers, routes: Routes, committer: Committer) -> IDeliveryTarget:
        """What takes all mail that comes in: mailboxes here, the queue for others, the future for what is held."""
        config, reactor = self._config, self._reactor
        sends = config.relay.enabled and not config.stays_here
        self._outgoing = self._send(routes, committer) if sends else None
        outside = self._outgoing.target if self._outgoing is not None else Refusing(NO_RELAY)
        return_paths = ReturnPaths(users, SenderRewriting(self.directory.srs_key), reactor)
        mailboxes = self._mailboxes.target(users, return_paths)
        router = Router(users, mailboxes, outside, return_paths, self._mailboxes.room)
        self._router = Receipted(router, config.hostname, reactor)
        holding = self._router if self._outgoing is None else Holding(self._router, router, self._outgoing.target)
        arriving = Traced(holding, config.hostname, reactor)
        return captures(arriving, config, self._new_id, reactor) if config.capture else arriving

    def _send(self, routes: Routes, committer: Committer) -> Outgoing:
        from twisted_mail.outgoing import Outgoing  # late: 2 MiB, and a server that only receives does without

        return Outgoing(self._config, routes, committer, self._disk, self._reactor)

    def _avatars(self, users: IUsers, arriving: IDeliveryTarget) -> Avatars:
        """What becomes of mail on its way here depends on who brings it."""
        config, reactor = self._config, self._reactor
        filters = Filtering(config, self._disk, self._new_message, reactor)
        rates = MessageRates(_rate(config.limits.message_rate), _rate(config.limits.account_rate), reactor)
        sending = SendingRules(self._ledger, self._sending_limits, self._disk, reactor)
        checked = self._checks.checked(filters.around("smtp", arriving))
        submitted = filters.around("submission", arriving)

        def of_user(account: Address) -> IDeliveryTarget:
            policy = SubmissionPolicy(account, self.directory, submitted, config.hostname, reactor)
            limited = RateLimited(LimitedSending(account, policy, sending), lambda origin: rates.of_account(account))
            return ListOwner(account, users, limited)

        return Avatars(
            RateLimited(InboundPolicy(users, checked), rates.of_host),
            InboundPolicy(users, filters.around("lmtp", OneByOne(arriving))),
            of_user,
            self._mailboxes.store,
        )

    def _watch_and_show(self, admission: Admission, certificates: Certificates | None) -> tuple[Timer, ...]:
        """The pages become doors; the timers are returned."""
        config, limits = self._config, self._doors.limits
        monitoring = Monitoring(config, lambda: limits.open, self._disk, self._reactor)
        if config.listen.web or config.listen.https:
            self._show(monitoring, admission, certificates)
        return (*self._mailboxes.timers(self._reputation), monitoring)

    def _show(self, monitoring: Monitoring, admission: Admission, certificates: Certificates | None) -> None:
        # imported late: they and their libraries are 7 MiB, which a server without pages does not need
        from twisted_mail.administration.administrator import page_portal
        from twisted_mail.administration.own import Means
        from twisted_mail.webservice import WebService

        config, reactor, disk, limits = self._config, self._reactor, self._disk, self._doors.limits
        means = Means(config, self.directory, admission.passwords, self._reputation, disk, self._hashing, reactor)
        people = page_portal(means, monitoring)
        captured = CapturedFiles(config, disk) if config.capture else None
        web = WebService(
            config, self.directory, certificates, self.challenges, people, monitoring, captured, limits, reactor
        )
        for name, site in web.factories.items():
            self._doors.add(name, site)

    def _route(self) -> IDeliveryTarget:
        """For what is written by those whom the router itself delivers to."""
        return self._router

    def _users(self) -> IUsers:
        if self._config.capture:
            return Everybody()
        return demo.EveryDomain(self.directory) if self._config.file is None else self.directory

    def _sending_limits(self, account: Address) -> SendingLimits:
        return SendingLimits.of(self.directory.attributes(account))

    def _new_id(self) -> str:
        return message_id(int(self._reactor.seconds() * 1000), os.urandom(10))

    def _new_message(self) -> MessageBuilder:
        return MessageBuilder(self._new_id(), self._mailboxes.incoming, self._disk)

    def start(self) -> None:
        for pool in self.threads:
            pool.start()
        if self._outgoing is not None:
            self._outgoing.start(self.directory, self._router, self._router if self._leads else None)
        self._pickup.start(self._from_commands, self._router)
        self._checks.start(self._router if self._leads else None)
        for timer in self._timers:
            timer.start()

    async def retire(self) -> None:
        """Leave to another house what there may be only once: timers, and the scheduling of the queues."""
        timers, self._timers = self._timers, ()
        for timer in timers:
            timer.stop()
        await self._pickup.stop(FINISH)
        self._checks.retire()
        if self._outgoing is not None:
            await self._outgoing.stop(FINISH)

    async def stop(self) -> None:
        """The committer goes on: it has been given.  Safe more than once."""
        await self.retire()
        if self._stopped:
            return
        self._stopped = True
        self._checks.stop()
        self._reputation.close()
        for pool in self.threads:
            pool.stop()
        self._ledger.close()
        self.directory.close()


def _rate(limit: tuple[int, int] | None) -> Rate | None:
    return Rate(*limit) if limit else None


def _blocking(reactor: ReactorBase, pool: ThreadPool) -> Blocking:
    def run(call: Callable[[], object]) -> Deferred[object]:
        return deferToThreadPool(reactor, pool, call)

    return run
