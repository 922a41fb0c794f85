"""A server that takes mail: where it is, how it wants to be spoken to, and how a connection to it is secured."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.interfaces import IStreamClientEndpoint

from twisted_mail.interfaces import TLSA
from twisted_mail.sasl import PasswordCredentials
from twisted_mail.tlsoutcome import NO_POLICY, Published

CONNECT_TIMEOUT = 30.0
"""Seconds for one address: longer than three SYN packets take, and a dead host holds nobody up."""

_SEPARATOR = re.compile(r"(?<!\\):")
_ESCAPED = re.compile(r"\\(.)")
_DEFAULT_PORTS = {"tcp": 25, "tls": 465}


class TLSUse(Enum):
    """What a connection does about TLS."""

    NEVER = "never"
    OPPORTUNISTIC = "opportunistic"
    """STARTTLS where it is offered, with any certificate; in the clear where that fails (RFC 7435)."""
    TESTED = "tested"
    """As VERIFIED where that can be had, else as OPPORTUNISTIC."""
    DANE = "as DNS says"
    """STARTTLS with a certificate that `Destination.tlsa` names (any, where it is empty), or no connection."""
    VERIFIED = "verified"
    """STARTTLS with a certificate for the server's name, or no connection."""
    AT_ONCE = "at once"
    """TLS from the first octet (RFC 8314 §3.3), verified."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One server.  Equal ones share their idle connections."""

    name: str
    """What logs and reports call it, and what its certificate must be for."""
    address: str
    """An IP address, a host name that is looked up, or the path of a unix socket."""
    port: int | None = 25
    """None: *address* is a unix socket."""
    lmtp: bool = False
    tls: TLSUse = TLSUse.OPPORTUNISTIC
    login: PasswordCredentials | None = field(default=None, repr=False)
    tlsa: tuple[TLSA, ...] = field(default=(), repr=False)
    policy: str = ""
    """Who wants it so, for people; empty: nobody but us."""
    domain: str = field(default="", compare=False)
    """The domain that names it for its mail, and shall hear how TLS went; empty: nobody."""
    published: Published = field(default=NO_POLICY, compare=False, repr=False)

    def __str__(self) -> str:
        where = self.address if self.port is None else f"[{self.address}]:{self.port}"
        return self.name if self.port is None or self.name == self.address else f"{self.name} {where}"

    @property
    def is_here(self) -> bool:
        """On this machine: nobody can listen on the way."""
        if self.port is None or self.address == "localhost":
            return True
        address = _ip_address(self.address)
        return address is not None and address.is_loopback

    def secured(self) -> Destination:
        """The same server, with TLS that is verified: for a message that may not go without (RFC 8689 §4.2.1)."""
        is_proven = self.tls in (TLSUse.AT_ONCE, TLSUse.VERIFIED) or (self.tls is TLSUse.DANE and self.tlsa)
        return self if is_proven or self.port is None else replace(self, tls=TLSUse.VERIFIED, domain="")

    def endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        """*reactor*: IReactorTCP, for names also IReactorPluggableNameResolver, for sockets IReactorUNIX."""
        if self.port is None:
            return UNIXClientEndpoint(reactor, self.address, CONNECT_TIMEOUT)
        match _ip_address(self.address):
            case ipaddress.IPv4Address():
                return TCP4ClientEndpoint(reactor, self.address, self.port, CONNECT_TIMEOUT)
            case ipaddress.IPv6Address():
                return TCP6ClientEndpoint(reactor, self.address, self.port, CONNECT_TIMEOUT)
        return HostnameEndpoint(reactor, self.address, self.port, CONNECT_TIMEOUT)


def parse_destination(text: str) -> Destination:
    """From an endpoint as in Twisted: `tcp:HOST:PORT`, `tls:HOST:PORT` (TLS from the first octet) or `unix:PATH`.

    With `lmtp:` in front it speaks LMTP (RFC 2033).  Ports may be left out where they are 25 or 465.
    Raises ValueError, in words for who wrote it.
    """
    rest = text.removeprefix("lmtp:")
    lmtp = rest != text
    kind, *arguments = (_ESCAPED.sub(r"\1", part) for part in _SEPARATOR.split(rest))
    if kind == "unix":
        path = arguments[0].removeprefix("path=") if len(arguments) == 1 else ""
        if not path.startswith("/"):
            raise ValueError(f'"{text}" needs the full path of a socket; write "lmtp:unix:/run/dovecot/lmtp"')
        return Destination(path, path, None, lmtp, TLSUse.NEVER)
    if kind not in _DEFAULT_PORTS or not 1 <= len(arguments) <= 2:
        raise ValueError(
            f'"{text}" is not an endpoint; write it like "tcp:{_guess(rest)}:587" or "tls:{_guess(rest)}:465"'
        )
    host = arguments[0].removeprefix("host=").rstrip(".").lower()
    port = arguments[1].removeprefix("port=") if len(arguments) == 2 else str(_DEFAULT_PORTS[kind])
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        raise ValueError(f'"{text}": the port is "{port}"; it must be a number from 1 to 65535')
    if not re.fullmatch(r"[a-z0-9._:-]+", host):
        raise ValueError(f'"{text}": "{host}" is no host name; write it like "{kind}:smtp.example.net:{port}"')
    return Destination(host, host, int(port), lmtp, TLSUse.AT_ONCE if kind == "tls" else TLSUse.OPPORTUNISTIC)


def _guess(text: str) -> str:
    """The host that was probably meant."""
    return next((word for word in _SEPARATOR.split(text) if "." in word), "smtp.example.net")


def _ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
