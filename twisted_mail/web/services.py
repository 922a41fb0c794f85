"""What mail programs connect to: the one description that all forms of client configuration are made from.

The first server of each kind is the one to prefer; TLS from the first octet goes before STARTTLS (RFC 8314 §3).  The
user name is always the full address, and logins are by a normal password.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Encryption(Enum):
    TLS = "SSL/TLS"
    STARTTLS = "STARTTLS"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailServer:
    """One port."""

    hostname: str
    port: int
    encryption: Encryption


@dataclass(frozen=True, slots=True)
class Services:
    """Empty tuples: nobody can log in there (no certificate, say), so nothing is to be configured."""

    hostname: str
    """Of the server, also as a person should read it."""
    pop3: tuple[MailServer, ...]
    submission: tuple[MailServer, ...]

    @property
    def are_usable(self) -> bool:
        return bool(self.pop3 and self.submission)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a service listens, by the kind of its ports."""

    all_tls: tuple[int, ...]
    plain: tuple[int, ...]
    """With STARTTLS where there is a certificate."""


def mail_servers(hostname: str, ports: Ports, *, has_tls: bool, allow_plaintext: bool) -> tuple[MailServer, ...]:
    """Those of *ports* at which one can log in, the best first."""
    found = [MailServer(hostname, port, Encryption.TLS) for port in ports.all_tls if has_tls]
    if has_tls or allow_plaintext:
        encryption = Encryption.STARTTLS if has_tls else Encryption.NONE
        found += [MailServer(hostname, port, encryption) for port in ports.plain]
    return tuple(found)


def distinct(ports: Iterable[int | None]) -> tuple[int, ...]:
    """Those that are known, each once: tcp and tcp6 are two addresses of one port."""
    return tuple(dict.fromkeys(port for port in ports if port))
