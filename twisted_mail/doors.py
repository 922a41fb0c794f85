"""The doors of the house: for each service of [listen] a factory, which makes a connection for each client."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from twisted.cred.portal import Portal
from twisted.internet.base import ReactorBase

from twisted_mail.auth.directory import Directory
from twisted_mail.config import ALL_TLS, Config
from twisted_mail.content import MessageBuilder
from twisted_mail.interfaces import IInquiries
from twisted_mail.junkconfig import REJECT
from twisted_mail.networks import Networks
from twisted_mail.offering import session_options
from twisted_mail.pop3.server import SessionOptions as POP3Options
from twisted_mail.protocols.connection import Connection, ConnectionFactory, Listener, Silence
from twisted_mail.protocols.limits import ConnectionLimits, HostCounts
from twisted_mail.protocols.pop3 import POP3Server, POP3Service
from twisted_mail.protocols.proxy import ProxyFactory
from twisted_mail.protocols.rates import Rate
from twisted_mail.protocols.smtp import SMTPServer, SMTPService
from twisted_mail.protocols.tls import Certificates

if TYPE_CHECKING:
    from twisted_mail.protocols.http import WebSite

OTHER_DESCRIPTORS = 100
"""Open files that are no connection's."""
OFFERS = 8
"""Lists of mechanisms whose options are kept: they change when an account gets its first verifier, or loses it."""
SMTP_IDLE = 300.0
"""Seconds (RFC 5321 §4.5.3.2.7)."""
POP3_IDLE = 600.0
"""Seconds (RFC 1939 §3)."""

Door: TypeAlias = "ConnectionFactory | WebSite | ProxyFactory"
"""What makes the connections of one service; has `finish` and `drain`."""

Build = Callable[[Listener, Callable[[Connection], None]], Connection]


class Doors:
    """They share the limits of the server.  `factories` has one for each service that was added."""

    def __init__(
        self,
        config: Config,
        certificates: Certificates | None,
        directory: Directory,
        inquiries: IInquiries,
        counts: HostCounts,
        reactor: ReactorBase,
    ) -> None:
        self._config = config
        self._certificates = certificates
        self._directory = directory
        self._inquiries = inquiries
        self._reactor = reactor
        limits = config.limits
        self.limits = ConnectionLimits(
            limits.connections,
            limits.connections_per_host,
            counts,
            Rate(*limits.connection_rate) if limits.connection_rate else None,
            connections_within(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        )
        self.factories: dict[str, Door] = {}

    def add_smtp(self, name: str, portal: Portal, new_message: Callable[[], MessageBuilder], *, sends: bool) -> None:
        """*portal* gives IDeliveryTargets; *sends*: mail to other domains is sent on."""
        config = self._config
        options = session_options(config, name, tls_available=self._certificates is not None, sends=sends)
        service = SMTPService(options, portal, self._inquiries, new_message, Networks(config.proxy.xclient))

        @lru_cache(OFFERS)
        def offering(mechanisms: tuple[str, ...]) -> SMTPService:
            return replace(service, options=replace(options, mechanisms=mechanisms))

        def build(listener: Listener, gone: Callable[[Connection], None]) -> Connection:
            return SMTPServer(offering(self._mechanisms() if options.submission else ()), listener, gone)

        self._add(name, build, SMTP_IDLE, self._silences().get(name))

    def add_pop3(self, name: str, portal: Portal) -> None:
        """*portal* gives IMaildrops."""
        config = self._config
        options = POP3Options(
            hostname=config.hostname,
            tls_available=self._certificates is not None,
            plaintext_auth=config.auth.allow_plaintext,
        )
        service = POP3Service(options, portal, self._inquiries, self._directory.terms.range)

        @lru_cache(OFFERS)
        def offering(mechanisms: tuple[str, ...]) -> POP3Service:
            return replace(service, options=replace(options, mechanisms=mechanisms))

        def build(listener: Listener, gone: Callable[[Connection], None]) -> Connection:
            return POP3Server(offering(self._mechanisms()), listener, gone)

        self._add(name, build, POP3_IDLE)

    def _silences(self) -> Mapping[str, Silence]:
        """On other listeners the client may speak at once, or does by TLS."""
        limits, trusted = self._config.limits, Networks(self._config.checks.trusted)
        strangers = Silence(limits.greeting_delay, limits.early_talkers == REJECT, trusted)
        return {"smtp": strangers, "submission": Silence(exempt=trusted)}

    def add(self, name: str, factory: ConnectionFactory | WebSite) -> None:
        """Behind a proxy, if there is one for that service."""
        proxy = self._config.proxy
        behind = name in proxy.listeners
        self.factories[name] = ProxyFactory(factory, Networks(proxy.trusted), self._reactor) if behind else factory

    def _add(self, name: str, build: Build, idle_limit: float, silence: Silence | None = None) -> None:
        listener = Listener(self.limits, self._reactor, self._certificates, name in ALL_TLS, idle_limit, name, silence)
        self.add(name, ConnectionFactory(listener, build))

    def _mechanisms(self) -> tuple[str, ...]:
        """What is offered now: a program that takes SCRAM and fails tries nothing else."""
        config = self._config
        passwords = config.auth.mechanisms
        if not passwords:
            scram = self._directory.everybody_has_a_verifier()
            passwords = (("SCRAM-SHA-256",) if scram else ()) + ("PLAIN", "LOGIN")
        certificates = ("EXTERNAL",) if config.tls.client_authority else ()
        tokens = ("OAUTHBEARER", "XOAUTH2") if config.oauth.issuer else ()
        return passwords + certificates + tokens


def connections_within(descriptors: int) -> int:
    """How many connections a process can have that may open so many files.

    Each may have its Maildir open, and every other one a message.  What is left is for ports, the directory and what
    the threads have open.
    """
    return max(1, (descriptors - OTHER_DESCRIPTORS) * 2 // 5)
