"""The composition root: a configuration becomes a running service.  The only module that knows everybody.

`House` has the objects in the order in which they need one another: reading it from top to bottom is reading the
server.  `Serving` is their life in one process.  (What twistd starts is in mailserver.py.)
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.portal import Portal
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from twisted_mail import demo
from twisted_mail.auth.checker import AppPasswordUse, PasswordChecker, ProofChecker
from twisted_mail.auth.directory import Directory
from twisted_mail.auth.inquiries import Inquiries
from twisted_mail.auth.logins import Logins
from twisted_mail.auth.realm import MailRealm
from twisted_mail.auth.recent import RecentLogins
from twisted_mail.auth.throttle import Throttle
from twisted_mail.config import Config
from twisted_mail.content import Blocking, MessageBuilder
from twisted_mail.delivery.forwarding import ReturnPaths
from twisted_mail.delivery.holding import Holding
from twisted_mail.delivery.inbound import InboundPolicy, LoginRequired
from twisted_mail.delivery.ledger import Ledger, SendingLimits
from twisted_mail.delivery.lists import ListOwner
from twisted_mail.delivery.loops import LoopGuard
from twisted_mail.delivery.onebyone import OneByOne
from twisted_mail.delivery.ratelimit import MessageRates, RateLimited
from twisted_mail.delivery.receipts import Receipted
from twisted_mail.delivery.router import Refusing, Router
from twisted_mail.delivery.routes import Routes
from twisted_mail.delivery.sending import LimitedSending, SendingRules
from twisted_mail.delivery.submission import SubmissionPolicy
from twisted_mail.delivery.trace import Traced
from twisted_mail.durable import Committer, make_directory
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.issuers import oauth
from twisted_mail.listeners import BoundAddress
from twisted_mail.mailbox.expiry import Mailbox
from twisted_mail.mailbox.expirytimer import ExpiryTimer
from twisted_mail.mailbox.journal import Bounds
from twisted_mail.mailbox.maildrop import MaildirReader
from twisted_mail.mailbox.store import MailboxStore, maildir_of
from twisted_mail.mailbox.sweeping import Sweeper
from twisted_mail.mailbox.views import Views
from twisted_mail.message.identifier import message_id
from twisted_mail.networks import Networks
from twisted_mail.offering import session_options
from twisted_mail.outgoing import Outgoing
from twisted_mail.pickup import Pickup
from twisted_mail.pop3.server import SessionOptions as POP3Options
from twisted_mail.protocols.connection import Connection, ConnectionFactory, Listener
from twisted_mail.protocols.http import WebSite
from twisted_mail.protocols.limits import ConnectionLimits, HostCounts
from twisted_mail.protocols.pop3 import POP3Server, POP3Service
from twisted_mail.protocols.proxy import ProxyFactory
from twisted_mail.protocols.rates import Rate
from twisted_mail.protocols.smtp import SMTPServer, SMTPService
from twisted_mail.protocols.tls import Certificates
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.reply import Reply
from twisted_mail.smtp.srs import SenderRewriting
from twisted_mail.tlsfiles import TLSFiles
from twisted_mail.webservice import WebService

OTHER_DESCRIPTORS = 100
"""Open files that are no connection's."""
SMTP_IDLE = 300.0
"""Seconds (RFC 5321 §4.5.3.2.7)."""
POP3_IDLE = 600.0
"""Seconds (RFC 1939 §3)."""
FINISH = 10.0
"""Seconds that what is under way has at shutdown."""
DISK_THREADS = 4
"""Threads that wait for large messages and long listings; small ones do not need them."""
ISSUER_THREADS = 8
"""Threads that wait for the issuer of tokens: if it does not answer, passwords must not wait with them."""
HASH_THREADS = 2
"""Threads that check passwords: a storm of wrong ones takes no more of the machine."""

NO_RELAY = Reply(550, "7.1", "This server does not send mail to other domains")

Build = Callable[[Listener, Callable[[Connection], None]], Connection]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What this process shares with the others that serve the same ports."""

    counts: HostCounts
    throttle: Throttle
    recent: RecentLogins
    leads: bool
    """It alone has the timers and what else there must be once."""


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
        self._certificates = certificates
        self._reactor = reactor

        # what waits for the disk, and what for the processor
        self.committer = Committer(reactor)
        sizes = {"disk": DISK_THREADS, "hash": HASH_THREADS, "issuer": ISSUER_THREADS}
        self.threads = [ThreadPool(0, size, name) for name, size in sizes.items()]
        disk, hashing, asking = (_blocking(reactor, pool) for pool in self.threads)
        self._disk = disk
        self._incoming = os.path.join(config.server_folder, "incoming")
        make_directory(self._incoming)

        # who exists, and where their mail lies
        self.directory = Directory(config.directory_file)
        journal = Bounds(config.pop3.undo, octets=config.pop3.undo_size) if config.pop3.undo else None
        reader = MaildirReader(self.committer, disk, journal=journal)
        views = Views(self.committer, disk, config.pop3.view_age)
        store = MailboxStore(config.data, config.hostname, self.committer, reader, views)
        sweeper = Sweeper(config.data, self._incoming, journal, disk, reactor)
        expiry = ExpiryTimer(lambda: self._expiring(journal), disk, reactor)
        self._timers = (sweeper, expiry) if neighbours.leads else ()

        # where a message goes
        users = demo.EveryDomain(self.directory) if config.file is None else self.directory
        self._outgoing: Outgoing | None = None
        if config.relay.enabled and config.file is not None:
            self._outgoing = Outgoing(config, routes, self.committer, disk, reactor)
        outside = self._outgoing.spool if self._outgoing is not None else Refusing(NO_RELAY)
        return_paths = ReturnPaths(users, SenderRewriting(self.directory.srs_key), reactor)
        router = Router(users, store, outside, return_paths)
        self._router = Receipted(router, config.hostname, reactor)
        holding = self._router if self._outgoing is None else Holding(self._router, router, self._outgoing.spool)
        arriving = LoopGuard(Traced(holding, config.hostname, reactor))
        self._pickup = Pickup(config, self.committer, disk, reactor)
        self._from_commands = OneByOne(arriving)
        rates = MessageRates(_rate(config.limits.message_rate), _rate(config.limits.account_rate), reactor)
        from_strangers = RateLimited(InboundPolicy(users, arriving), rates.of_host)
        from_programs = InboundPolicy(users, OneByOne(arriving))

        self._ledger = Ledger(os.path.join(config.server_folder, "sending.sqlite"))
        sending = SendingRules(self._ledger, self._sending_limits, disk, reactor)

        def from_user(account: Address) -> IDeliveryTarget:
            policy = SubmissionPolicy(account, self.directory, arriving, config.hostname, reactor)
            limited = RateLimited(LimitedSending(account, policy, sending), lambda origin: rates.of_account(account))
            return ListOwner(account, users, limited)

        # who may do what
        logins = Logins(self.directory, reactor, neighbours.throttle)
        self._inquiries = Inquiries(self.directory, logins, oauth(config, asking))
        passwords = PasswordChecker(self.directory, hashing, logins, neighbours.recent)
        proofs = ProofChecker(logins, AppPasswordUse(self.directory, hashing))
        strangers = Portal(MailRealm(from_strangers, None, None), [AllowAnonymousAccess()])
        programs = Portal(MailRealm(from_programs, None, None), [AllowAnonymousAccess()])
        senders = Portal(MailRealm(LoginRequired(), from_user, None), [AllowAnonymousAccess(), passwords, proofs])
        readers = Portal(MailRealm(None, None, store, self.directory.terms.of), [passwords, proofs])

        # the wires
        limits = config.limits
        self._limits = ConnectionLimits(
            limits.connections,
            limits.connections_per_host,
            neighbours.counts,
            _rate(limits.connection_rate),
            connections_within(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        )
        factories: dict[str, ConnectionFactory | WebSite] = {
            "smtp": self._smtp("smtp", strangers),
            "submission": self._smtp("submission", senders),
            "submissions": self._smtp("submissions", senders, tls_at_once=True),
            "lmtp": self._smtp("lmtp", programs),
            "pop3": self._pop3("pop3", readers),
            "pop3s": self._pop3("pop3s", readers, tls_at_once=True),
        }
        if neighbours.leads:
            factories |= WebService(config, self.directory, certificates, self._limits, reactor).factories
        self.factories = {name: self._behind_proxy(name, factory) for name, factory in factories.items()}

    def _sending_limits(self, account: Address) -> SendingLimits:
        return SendingLimits.of(self.directory.attributes(account))

    def _mechanisms(self) -> tuple[str, ...]:
        """What is offered now: a program that takes SCRAM and fails tries nothing else."""
        config = self._config
        passwords = config.auth.mechanisms
        if not passwords:
            passwords = (("SCRAM-SHA-256",) if self.directory.everybody_has_a_verifier() else ()) + ("PLAIN", "LOGIN")
        certificates = ("EXTERNAL",) if config.tls.client_authority else ()
        tokens = ("OAUTHBEARER", "XOAUTH2") if config.oauth.issuer else ()
        return passwords + certificates + tokens

    def _smtp(self, name: str, portal: Portal, *, tls_at_once: bool = False) -> ConnectionFactory:
        config = self._config
        tls_available = self._certificates is not None
        options = session_options(config, name, tls_available=tls_available, sends=self._outgoing is not None)
        service = SMTPService(options, portal, self._inquiries, self._new_message, config.proxy.xclient)

        def build(listener: Listener, gone: Callable[[Connection], None]) -> Connection:
            mechanisms = self._mechanisms() if options.submission else ()
            offering = replace(service, options=replace(options, mechanisms=mechanisms))
            return SMTPServer(offering, listener, gone)

        speaks_first = tls_at_once or options.lmtp
        silence = None if speaks_first else 0.0 if options.submission else float(config.limits.greeting_delay)
        return self._factory(name, build, SMTP_IDLE, tls_at_once, silence)

    def _pop3(self, name: str, portal: Portal, *, tls_at_once: bool = False) -> ConnectionFactory:
        config = self._config
        options = POP3Options(
            hostname=config.hostname,
            tls_available=self._certificates is not None,
            plaintext_auth=config.auth.allow_plaintext,
        )
        service = POP3Service(options, portal, self._inquiries, self.directory.terms.range)

        def build(listener: Listener, gone: Callable[[Connection], None]) -> Connection:
            offering = replace(service, options=replace(options, mechanisms=self._mechanisms()))
            return POP3Server(offering, listener, gone)

        return self._factory(name, build, POP3_IDLE, tls_at_once)

    def _factory(
        self, name: str, build: Build, idle_limit: float, tls_at_once: bool, greeting_delay: float | None = None
    ) -> ConnectionFactory:
        listener = Listener(
            self._limits, self._reactor, self._certificates, tls_at_once, idle_limit, name, greeting_delay
        )
        return ConnectionFactory(listener, build)

    def _behind_proxy(
        self, name: str, factory: ConnectionFactory | WebSite
    ) -> ConnectionFactory | WebSite | ProxyFactory:
        proxy = self._config.proxy
        return ProxyFactory(factory, Networks(proxy.trusted), self._reactor) if name in proxy.listeners else factory

    def _new_message(self) -> MessageBuilder:
        identifier = message_id(int(self._reactor.seconds() * 1000), os.urandom(10))
        return MessageBuilder(identifier, self._incoming, self._disk)

    def _expiring(self, journal: Bounds | None) -> Iterator[Mailbox]:
        """Those whose mail does not stay for ever."""
        data, hostname = self._config.data, self._config.hostname
        for account, stay in self.directory.terms.expiring():
            yield Mailbox(maildir_of(data, account), account, stay, hostname, journal)

    def start(self) -> None:
        self.committer.start()
        for pool in self.threads:
            pool.start()
        if self._outgoing is not None:
            self._outgoing.start(self.directory, self._router)
        self._pickup.start(self._from_commands, self._router)
        for timer in self._timers:
            timer.start()

    async def stop(self) -> None:
        """Blocks, in the end, until what was begun is on disk."""
        for timer in self._timers:
            timer.stop()
        await self._pickup.stop(FINISH)
        if self._outgoing is not None:
            await self._outgoing.stop(FINISH)
        self.committer.stop()
        for pool in self.threads:
            pool.stop()
        self._ledger.close()
        self.directory.close()


def _rate(limit: tuple[int, int] | None) -> Rate | None:
    return Rate(*limit) if limit else None


def connections_within(descriptors: int) -> int:
    """How many connections a process can have that may open so many files: every other one may need one for a message.

    What is left is for ports, the directory and what the threads have open.
    """
    return max(1, (descriptors - OTHER_DESCRIPTORS) * 2 // 3)


class Serving:
    """The service of one process: its objects, and its ports while they are open."""

    log = Logger()

    def __init__(
        self,
        config: Config,
        certificates: Certificates | None,
        routes: Routes,
        bound: Mapping[str, Sequence[BoundAddress]],
        reactor: ReactorBase,
        neighbours: Neighbours,
    ) -> None:
        """*bound*: the addresses of each service of [listen]; they are closed with the service."""
        self._reactor = reactor
        self._bound = bound
        self._ports: list[IListeningPort] = []
        self.house = House(config, certificates, routes, reactor, neighbours)
        self._tls_files = TLSFiles(config.tls, certificates, reactor) if certificates is not None else None

    async def open(self) -> None:
        """Start everything, then take connections.  Raises ConfigError."""
        self.house.start()
        if self._tls_files is not None:
            self._tls_files.start()
        for name, addresses in self._bound.items():
            for address in addresses if name in self.house.factories else ():
                self._ports.append(await address.listen(self._reactor, self.house.factories[name]))

    def reload(self) -> None:
        """Read the certificates again."""
        if self._tls_files is not None:
            self._tls_files.load()

    async def close(self) -> None:
        """No new connections, a bounded time for what is under way, then the end of everything."""
        if self._tls_files is not None:
            self._tls_files.stop()
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        for addresses in self._bound.values():
            for address in addresses:
                address.close()
        factories = self.house.factories.values()
        await gatherResults([Deferred.fromCoroutine(factory.finish(FINISH)) for factory in factories])
        await self.house.stop()


def _blocking(reactor: ReactorBase, pool: ThreadPool) -> Blocking:
    def run(call: Callable[[], object]) -> Deferred[object]:
        return deferToThreadPool(reactor, pool, call)

    return run
