"""TLS as a client: with a certificate that is verified, or with whatever the server has."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion, optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

Creator = Callable[[str], IOpenSSLClientConnectionCreator]
"""The name of a server -> the TLS side of one connection to it."""


def verified(trust_root: Any = None) -> Creator:  # Any: IOpenSSLTrustRoot is not public
    """The certificate must be valid for the server's name.  *trust_root* None: what the system trusts."""

    def create(name: str) -> IOpenSSLClientConnectionCreator:
        return optionsForClientTLS(name, trust_root, extraCertificateOptions={"raiseMinimumTo": TLSVersion.TLSv1_2})

    return create


def unverified() -> Creator:
    """Any certificate will do: against those who only listen (RFC 7435 §3)."""
    context = CertificateOptions(verify=False, raiseMinimumTo=TLSVersion.TLSv1_2).getContext()

    def create(name: str) -> IOpenSSLClientConnectionCreator:
        return _Unverified(context, name)

    return create


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    def __init__(self, context: SSL.Context, name: str) -> None:
        self._context = context
        self._name = name

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        if not _is_ip_address(self._name):  # RFC 6066 §3: names only
            connection.set_tlsext_host_name(self._name.encode("ascii", "replace"))
        return connection


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return False
    return True
