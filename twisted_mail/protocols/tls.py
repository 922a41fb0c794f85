"""TLS as a server: the certificates in use, and what a connection negotiated.

TLS 1.2 and 1.3 only.  Sessions are resumed by tickets; their keys live as long as what `load` has made, so loading the
same again from time to time rotates them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.policies import WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail.protocols.tlsalpn import alpn_selection
from twisted_mail.smtp.envelope import TLSInfo


class CertificateError(Exception):
    """Certificate and key cannot be used; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate for some names, and its key."""

    certificate: bytes
    """PEM, with its chain."""
    key: bytes = field(repr=False)
    """PEM."""
    source: str = ""
    """Where they are from, for errors."""


@dataclass(frozen=True, slots=True)
class TLSMaterial:
    """What a server's TLS is made of."""

    default: Identity
    """For clients that ask for no name, or for one that nobody has."""
    others: tuple[Identity, ...] = ()
    """For the names that stand in their certificates."""
    client_authority: bytes = b""
    """PEM: who certifies clients; empty: clients are not asked for a certificate."""
    stamp: tuple[object, ...] = ()
    """Another one after each change of the files that it comes from."""


@implementer(IOpenSSLServerConnectionCreator)
class Certificates:
    """Makes the TLS side of each new connection.  `load` may be called at any time: open connections keep theirs."""

    def __init__(self, material: TLSMaterial) -> None:
        """Raises CertificateError."""
        self.challenges: dict[bytes, SSL.Context] = {}
        """Host name -> what an ACME authority is to see (protocols/tlsalpn.py)."""
        self.layers: Any = WrappingFactory(None)
        """Where the layers of all connections are registered, as Twisted wants it."""
        self.load(material)

    def load(self, material: TLSMaterial) -> None:
        """Use this for connections from now on.  Raises CertificateError and changes nothing then."""
        by_name: dict[bytes, SSL.Context] = {}
        for identity in (*material.others, material.default):  # the default goes before others of the same name
            context = _context(identity, material.client_authority, by_name)
            context.set_alpn_select_callback(alpn_selection(self.challenges))
            by_name |= dict.fromkeys(_names(identity), context)
        self._context = context
        self.identity = material.default
        """What clients see that ask for no name."""
        self.stamp = material.stamp
        """That of what is in use."""

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(tlsProtocol)
        return connection


class TLSLayer(TLSMemoryBIOProtocol):
    """TLS between *protocol*, which has its transport already, and that transport, which is given to `makeConnection`.

    What a transport's own `startTLS` puts there holds each reply back until the next turn of the reactor.  And
    Twisted's layer does more for each connection than a server needs: some 60 of the 800 us of a login.
    """

    def __init__(self, certificates: Certificates, protocol: Any) -> None:
        super().__init__(certificates.layers, protocol, False)  # type: ignore[no-untyped-call]
        self._certificates = certificates

    def makeConnection(self, transport: Any) -> None:
        """The client begins, so nothing is asked of OpenSSL before; nobody asks which interfaces this provides."""
        self._tlsConnection = self._certificates.serverConnectionForTLS(self)
        self._tlsConnection.set_accept_state()
        self._appSendBuffer: list[bytes] = []
        self.transport, self.connected = transport, 1
        self.factory.registerProtocol(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Where we have ended TLS already, what the client still said or left out has no reader."""
        if self.disconnecting:
            self._lostTLSConnection = True
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


def tls_info(handle: Any) -> TLSInfo | None:
    """What the handshake gave, from `transport.getHandle()`; None where it is not complete."""
    cipher = handle.get_cipher_name() if isinstance(handle, SSL.Connection) else None
    return TLSInfo(handle.get_protocol_version_name(), cipher) if cipher else None


def certified_addresses(handle: Any) -> tuple[str, ...]:
    """The addresses in the client's certificate, which the handshake has found good; from `transport.getHandle()`."""
    certificate = handle.get_peer_certificate(as_cryptography=True) if isinstance(handle, SSL.Connection) else None
    if certificate is None:
        return ()
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.get_values_for_type(x509.RFC822Name))


def channel_binding(handle: Any, kind: str) -> bytes | None:
    """What is particular to a TLS connection, from `transport.getHandle()`; None where there is nothing of *kind*."""
    derive = _BINDINGS.get(kind)
    return derive(handle) if derive is not None and isinstance(handle, SSL.Connection) else None


def _tls_exporter(connection: SSL.Connection) -> bytes | None:
    """RFC 9266 §2.  Before TLS 1.3 it is unique only with an extension (RFC 7627) that cannot be asked about here."""
    if connection.get_protocol_version_name() != "TLSv1.3":
        return None
    return connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")


def _tls_server_end_point(connection: SSL.Connection) -> bytes | None:
    """RFC 5929 §4.1: a digest of the server's certificate with the hash of its signature, at least SHA-256."""
    certificate = connection.get_certificate(as_cryptography=True)
    if certificate is None:
        return None
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None or algorithm.name in ("md5", "sha1"):
        algorithm = hashes.SHA256()
    return certificate.fingerprint(algorithm)


_BINDINGS = {"tls-exporter": _tls_exporter, "tls-server-end-point": _tls_server_end_point}


def _context(identity: Identity, client_authority: bytes, by_name: Mapping[bytes, SSL.Context]) -> SSL.Context:
    """*by_name*: where the contexts of other names will be found."""
    try:
        leaf, *chain = x509.load_pem_x509_certificates(identity.certificate)
        authorities = x509.load_pem_x509_certificates(client_authority) if client_authority else []
        private_key = load_pem_private_key(identity.key, password=None)
        options = CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(private_key),  # type: ignore[arg-type]  # any kind OpenSSL takes
            certificate=crypto.X509.from_cryptography(leaf),
            extraCertChain=[crypto.X509.from_cryptography(each) for each in chain],
            raiseMinimumTo=TLSVersion.TLSv1_2,
            enableSessionTickets=True,
            verify=bool(authorities),
            caCerts=[crypto.X509.from_cryptography(each) for each in authorities],
            requireCertificate=False,
            contextForServerName=lambda name: _chosen(name, by_name),
        )
        return options.getContext()
    except (ValueError, TypeError) as error:
        raise CertificateError(f"{identity.source}: {error}".removeprefix(": ")) from error
    except SSL.Error as error:
        raise CertificateError(
            f"{identity.source}: the key does not belong to the certificate".removeprefix(": ")
        ) from error


def _chosen(name: bytes | None, by_name: Mapping[bytes, SSL.Context]) -> SSL.Context | None:
    """That of the name which the client asks for (RFC 6066 §3); None: the default."""
    name = (name or b"").lower()
    _, _, parent = name.partition(b".")
    return by_name.get(name) or by_name.get(b"*." + parent)


def _names(identity: Identity) -> Iterator[bytes]:
    """Those that the certificate is for."""
    leaf = x509.load_pem_x509_certificates(identity.certificate)[0]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for name in names.get_values_for_type(x509.DNSName):
        yield name.lower().encode()
