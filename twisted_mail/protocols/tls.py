"""TLS as a server: the certificate in use, and what a connection negotiated."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from twisted_mail.smtp.envelope import TLSInfo


class CertificateError(Exception):
    """Certificate and key cannot be used; the text says why in one line."""


@implementer(IOpenSSLServerConnectionCreator)
class Certificates:
    """Makes the TLS side of each new connection.  `load` may be called at any time: open connections keep theirs."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        """Both in PEM; *certificate* with its chain.  Raises CertificateError."""
        self._context = _context(certificate, key)

    def load(self, certificate: bytes, key: bytes) -> None:
        """Use these for connections from now on.  Raises CertificateError and changes nothing then."""
        self._context = _context(certificate, key)

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return SSL.Connection(self._context, None)


def tls_info(handle: Any) -> TLSInfo | None:
    """What the handshake gave, from `transport.getHandle()`; None where it is not complete."""
    cipher = handle.get_cipher_name() if isinstance(handle, SSL.Connection) else None
    return TLSInfo(handle.get_protocol_version_name(), cipher) if cipher else None


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


def _context(certificate: bytes, key: bytes) -> SSL.Context:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from OpenSSL import crypto

    try:
        leaf, *chain = x509.load_pem_x509_certificates(certificate)
        private_key = load_pem_private_key(key, password=None)
        options = CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(private_key),  # type: ignore[arg-type]  # any kind OpenSSL takes
            certificate=crypto.X509.from_cryptography(leaf),
            extraCertChain=[crypto.X509.from_cryptography(each) for each in chain],
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )
        context = options.getContext()
        context.check_privatekey()
    except (ValueError, TypeError) as error:
        raise CertificateError(str(error)) from error
    except SSL.Error as error:
        raise CertificateError("the key does not belong to the certificate") from error
    return context
