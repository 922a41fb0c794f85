"""What mailserver.toml can say, as frozen dataclasses.  Sizes are octets here, durations seconds, paths absolute.

The file holds what belongs to this machine; domains, accounts and aliases live in the directory.  Keys and defaults
are a promise to users (docs/architecture.md); etc/mailserver.toml shows them all.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from twisted_mail import filterconfig, values
from twisted_mail.delivery.chaos import Mishap
from twisted_mail.junkconfig import REJECT, Junk
from twisted_mail.listenaddress import ListenAddress
from twisted_mail.networks import Network
from twisted_mail.protocols.destination import Destination
from twisted_mail.relayconfig import Relay
from twisted_mail.settings import Place, setting, table
from twisted_mail.smtp.address import AddressError, parse_domain


def _service(value: object, place: Place) -> str:
    name = values.text(value, place)
    if name not in (services := [f.name for f in fields(Listen)]):
        raise ValueError(f'"{name}" is not a service of [listen]; there is {", ".join(services)}')
    return name


def _machine_name() -> str:
    name = socket.getfqdn()
    try:
        return parse_domain(name)
    except AddressError:
        return "localhost"


# ---- the sections

_ENDPOINTS = values.list_of(values.listen_address, '"tcp:25"')


@dataclass(frozen=True, slots=True)
class Listen:
    """Where each service listens; an empty tuple switches it off."""

    smtp: tuple[ListenAddress, ...] = setting(_ENDPOINTS, ["tcp:25"])
    submission: tuple[ListenAddress, ...] = setting(_ENDPOINTS, ["tcp:587"])
    submissions: tuple[ListenAddress, ...] = setting(_ENDPOINTS, ["tcp:465"])
    lmtp: tuple[ListenAddress, ...] = setting(_ENDPOINTS, [])
    pop3: tuple[ListenAddress, ...] = setting(_ENDPOINTS, ["tcp:110"])
    pop3s: tuple[ListenAddress, ...] = setting(_ENDPOINTS, ["tcp:995"])
    web: tuple[ListenAddress, ...] = setting(_ENDPOINTS, ["tcp:8025:interface=127.0.0.1"])
    https: tuple[ListenAddress, ...] = setting(_ENDPOINTS, [])
    """As *web*, TLS from the first octet."""


@dataclass(frozen=True, slots=True)
class TLS:
    """PEM files.  None: the file says nothing, and nothing lies at the default path."""

    certificate: str | None = setting(values.file_if_there, "tls/fullchain.pem")
    key: str | None = setting(values.file_if_there, "tls/privkey.pem")
    names: str | None = setting(values.optional_path, "")
    """A folder of folders, each with a certificate for other names, and its key."""
    client_authority: str | None = setting(values.optional_path, "")
    """Who certifies clients."""
    acme: str = setting(values.web_address, "")
    """The directory of an ACME authority, from which the server gets certificate and key itself (certifying.py)."""
    acme_contact: str = setting(values.text, "")
    acme_names: tuple[str, ...] = setting(values.list_of(values.domain, '"autoconfig.example.org"'), [])
    """Beside *hostname*: what the certificate is for."""
    acme_authority: str | None = setting(values.optional_path, "")
    """Who certifies the authority's own web server; None: those that everybody knows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what peers may ask for."""

    message_size: int = setting(values.octets, "50 MiB")
    """Octets."""
    recipients: int = setting(values.count, 1000)
    """A message."""
    connections: int = setting(values.count, 10_000)
    """In all."""
    connections_per_host: int = setting(values.count, 50)
    connection_rate: tuple[int, int] | None = setting(values.rate, "600 per minute")
    """New connections from one host: so many in so many seconds; None: any number."""
    message_rate: tuple[int, int] | None = setting(values.rate, "600 per minute")
    """Messages from one host that is not logged in."""
    account_rate: tuple[int, int] | None = setting(values.rate, "1000 per hour")
    """Messages of one account."""
    greeting_delay: int = setting(values.delay, "off")
    """Seconds before another server is greeted."""
    early_talkers: str = setting(values.one_of(REJECT, "suspect"), REJECT)
    """What becomes of those that speak before: see policy/suspicion.py."""
    transactions: int = setting(values.count, 1000)
    """Messages a connection."""
    hold: int = setting(values.duration_or_none, "30 days")
    """Seconds for which a user may have a message held before it is sent; 0: not at all."""


@dataclass(frozen=True, slots=True)
class Auth:
    """Logging in."""

    allow_plaintext: bool = setting(values.flag, False)
    """Passwords without TLS."""
    mechanisms: tuple[str, ...] = setting(values.mechanisms, "auto")
    """Of SASL, for passwords.  Empty: SCRAM while every account can use it, PLAIN and LOGIN (docs/decisions/0007)."""

    @property
    def keeps_verifiers(self) -> bool:
        """Of SCRAM, beside the hashes of passwords (docs/decisions/0041)."""
        return not self.mechanisms or any(name.startswith("SCRAM") for name in self.mechanisms)


@dataclass(frozen=True, slots=True)
class POP3:
    """Fetching mail."""

    undo: int = setting(values.duration_or_none, "7 days")
    """Seconds for which deleted mail can be restored; 0: not at all."""
    undo_size: int = setting(values.octets, "1 GiB")
    """Octets of it that are kept, an account."""
    view_age: int = setting(values.duration, "90 days")
    """Seconds for which a message that one view has dropped is kept for the others."""


@dataclass(frozen=True, slots=True)
class OAuth:
    """Logging in with the tokens of an issuer."""

    issuer: str = setting(values.web_address, "")
    """As it stands in the tokens; empty: they are not taken."""
    audience: str = setting(values.text, "")
    """For whom tokens must be."""
    claim: str = setting(values.text, "email")
    """Which claim holds the account's address."""
    keys: str = setting(values.keys, "")
    """Address or file of the issuer's public keys; empty: where the issuer says."""
    introspection: str = setting(values.web_address, "")
    """The issuer is asked here about each token; empty: signatures are checked."""
    client_id: str = setting(values.text, "")
    client_secret_file: str | None = setting(values.optional_path, "")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy or balancer in front of this server."""

    listeners: tuple[str, ...] = setting(values.list_of(_service, '"smtp"'), [])
    """Services of [listen] whose connections begin with a PROXY header, all of them."""
    trusted: tuple[Network, ...] = setting(values.list_of(values.network, '"192.0.2.7"'), [])
    """Who may say by such a header who the client is; others are turned away there."""
    xclient: tuple[Network, ...] = setting(values.list_of(values.network, '"192.0.2.7"'), [])
    """Who may say by SMTP's XCLIENT who the client is."""


@dataclass(frozen=True, slots=True)
class DNS:
    """Looking up names."""

    servers: tuple[tuple[str, int], ...] = setting(values.list_of(values.dns_server, '"127.0.0.1:53"'), [])
    """Addresses and ports of resolvers; empty: the system's."""
    validating: bool = setting(values.flag, False)
    """The first of them checks signatures, and the way to it is safe; one on this machine need not be named so."""


@dataclass(frozen=True, slots=True)
class Log:
    """The lines that twistd writes."""

    level: str = setting(values.level, "info")
    """From which level on."""
    levels: Mapping[str, str] = setting(values.levels, {})
    """The same for single subsystems (records/logfile.py)."""
    format: str = setting(values.log_format, "auto")
    """`text` or `json`; `auto`: JSON where systemd's journal takes the lines, or where `twist` was told so."""


@dataclass(frozen=True, slots=True)
class Checks:
    """Who sent a message from another server."""

    enabled: bool = setting(values.flag, True)
    trusted: tuple[Network, ...] = setting(values.list_of(values.network, '"192.0.2.7"'), ["127.0.0.0/8", "::1"])
    """Clients that are not checked."""
    trusted_sealers: tuple[str, ...] = setting(values.list_of(values.domain, '"lists.example.net"'), [])
    """Forwarders whose word is taken for what they have changed."""
    reports_from: str = setting(values.optional_address, "")
    """Who sends reports to the owners of domains (DMARC, and TLS on the way to them), an address; empty: none are."""


@dataclass(frozen=True, slots=True)
class Journal:
    """What `mailserver explain` tells from."""

    keep: int = setting(values.duration_or_none, "30 days")
    """Seconds; 0: there is no journal."""
    size: int = setting(values.octets, "1 GiB")
    """Octets; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Numbers for monitoring, on the web listeners."""

    allowed: tuple[Network, ...] = setting(values.list_of(values.network, '"192.0.2.7"'), ["127.0.0.0/8", "::1"])
    """Who may read them."""


@dataclass(frozen=True, slots=True)
class Chaos:
    """What goes wrong on order, in capture mode only."""

    rules: tuple[Mishap, ...] = setting(values.list_of(values.mishap, '"full@* 452 4.2.2 Mailbox full"'), [])


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that mailserver.toml says."""

    hostname: str = setting(values.hostname, _machine_name)
    """What the server calls itself: lower-case A-labels."""
    data: str = setting(values.path, "maildirs")
    """The folder of all that the server keeps."""
    workers: int = setting(values.workers, 1)
    """Processes."""
    listen: Listen = field(default_factory=Listen)
    tls: TLS = field(default_factory=TLS)
    limits: Limits = field(default_factory=Limits)
    auth: Auth = field(default_factory=Auth)
    pop3: POP3 = field(default_factory=POP3)
    oauth: OAuth = field(default_factory=OAuth)
    proxy: Proxy = field(default_factory=Proxy)
    dns: DNS = field(default_factory=DNS)
    checks: Checks = field(default_factory=Checks)
    junk: Junk = field(default_factory=Junk)
    relay: Relay = field(default_factory=Relay)
    filters: Mapping[str, filterconfig.Filter] = table(filterconfig.Filter, filterconfig.name)
    """By their names, in the order in which they are asked."""
    log: Log = field(default_factory=Log)
    journal: Journal = field(default_factory=Journal)
    metrics: Metrics = field(default_factory=Metrics)
    chaos: Chaos = field(default_factory=Chaos)
    routes: Mapping[str, Destination] = setting(values.routes, {})
    """Where mail for some domains goes, instead of smarthost or MX: see delivery/routes.py."""
    file: str | None = field(default=None, compare=False)
    """Where it was read from; None: demo mode."""
    capture: bool = field(default=False, compare=False)
    """Take any mail for any address, and show it (capturing.py)."""

    @property
    def stays_here(self) -> bool:
        """Demo and capture mode: every domain is ours, and nothing leaves."""
        return self.file is None or self.capture

    @property
    def server_folder(self) -> str:
        """The server's own state inside *data*; 0700."""
        return os.path.join(self.data, ".server")

    @property
    def run_folder(self) -> str:
        """What belongs to this run of the server."""
        return os.path.join(self.server_folder, "run")

    @property
    def journal_folder(self) -> str:
        """What has happened (records/journal.py)."""
        return os.path.join(self.server_folder, "journal")

    @property
    def queue_folder(self) -> str:
        """Mail for other domains that waits (queue/spool.py)."""
        return os.path.join(self.server_folder, "queue")

    @property
    def reputation_file(self) -> str:
        """What users have said of the mail from where (policy/reputation.py)."""
        return os.path.join(self.server_folder, "reputation.sqlite")

    @property
    def greylist_file(self) -> str:
        """Who has been asked to come again (policy/greylist.py)."""
        return os.path.join(self.server_folder, "greylist.sqlite")

    @property
    def directory_file(self) -> str:
        """Domains, accounts and aliases (auth/directory.py)."""
        return os.path.join(self.server_folder, "directory.sqlite")
