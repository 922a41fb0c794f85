"""TLS as a client: with a certificate that is verified, or with whatever the server has."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any
from weakref import ref

from cryptography import x509
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion, platformTrust
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail.tlsoutcome import TLSFailure

Creator = Callable[[str], IOpenSSLClientConnectionCreator]
"""The name of a server -> the TLS side of one connection to it."""


class CertificateRefused(Exception):
    """The server's certificate is not good; the text says why."""

    def __init__(self, text: str, failure: TLSFailure) -> None:
        super().__init__(text)
        self.failure = failure


def failure_of(reason: BaseException | None) -> TLSFailure:
    """Of what ended a handshake."""
    return reason.failure if isinstance(reason, CertificateRefused) else TLSFailure.OTHER


def verified(trust_root: Any = None) -> Creator:  # Any: IOpenSSLTrustRoot is not public
    """The certificate must be valid for the server's name.  *trust_root* None: what the system trusts."""
    context = CertificateOptions(
        trustRoot=trust_root or platformTrust(), raiseMinimumTo=TLSVersion.TLSv1_2
    ).getContext()

    def create(name: str) -> IOpenSSLClientConnectionCreator:
        return _Verified(context, name)

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


class _Verified(_Unverified):
    """Tells the protocol why a certificate is not good; OpenSSL itself says only that it is not."""

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = super().clientConnectionForTLS(tlsProtocol)
        protocol = ref(tlsProtocol)

        def judge(_: SSL.Connection, certificate: crypto.X509, error: int, depth: int, is_good: int) -> bool:
            refusal = _refusal(error) if not is_good else self._name_refusal(certificate) if depth == 0 else None
            if refusal is not None and (told := protocol()) is not None:
                told.failVerification(Failure(refusal))
            return refusal is None

        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, judge)
        return connection

    def _name_refusal(self, certificate: crypto.X509) -> CertificateRefused | None:
        """Of a valid one."""
        if is_for(certificate.to_cryptography(), self._name):
            return None
        return CertificateRefused(f"its certificate is not for {self._name}", TLSFailure.WRONG_HOST)


_UNTRUSTED = TLSFailure.UNTRUSTED
_ERRORS: Mapping[int, tuple[str, TLSFailure]] = {
    9: ("its certificate is not valid yet", TLSFailure.EXPIRED),
    10: ("its certificate has expired", TLSFailure.EXPIRED),
    18: ("its certificate is signed by itself only", _UNTRUSTED),
    19: ("its certificate comes from an authority that is not trusted", _UNTRUSTED),
    20: ("its certificate comes from an authority that is not known", _UNTRUSTED),
    21: ("its certificate comes from an authority that is not known", _UNTRUSTED),
}
"""Of X509_STORE_CTX_get_error(3)."""


def _refusal(error: int) -> CertificateRefused:
    return CertificateRefused(*_ERRORS.get(error, (f"its certificate is not valid ({error})", _UNTRUSTED)))


def is_for(certificate: x509.Certificate, name: str) -> bool:
    """Whether *certificate* is for the host *name*, or the address in it."""
    try:
        if _is_ip_address(name):
            verify_certificate_ip_address(certificate, name.strip("[]").removeprefix("IPv6:"))
        else:
            verify_certificate_hostname(certificate, name)
    except (VerificationError, CertificateError, ValueError):
        return False
    return True


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return False
    return True
