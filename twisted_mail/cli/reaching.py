"""How a client on this machine reaches the server's own ports."""

from __future__ import annotations

import ipaddress
import ssl

from twisted_mail.config import ListenAddress

_LOOPBACK = {"tcp": "127.0.0.1", "tcp6": "::1"}


def host_of(address: ListenAddress) -> str:
    """The IP address to connect to, for one of kind tcp or tcp6."""
    if address.interface and not ipaddress.ip_address(address.interface).is_unspecified:
        return address.interface
    return _LOOPBACK[address.kind]


def unverified_context() -> ssl.SSLContext:
    """TLS with whoever is there: for looking at certificates, never for passwords."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
