"""Whether the certificate of a connection is one that TLSA records name (RFC 7672 §3).

DANE-EE(3): the certificate itself, whatever names and dates stand in it.  DANE-TA(2): an authority in its chain; then
name and dates count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL, crypto

from twisted_mail.interfaces import TLSA
from twisted_mail.protocols.clienttls import is_for
from twisted_mail.tlsoutcome import TLSFailure

EE, TA = 3, 2

_SELECTED: Mapping[int, Callable[[x509.Certificate], bytes]] = {
    0: lambda certificate: certificate.public_bytes(Encoding.DER),
    1: lambda certificate: certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
}
_MATCHED: Mapping[int, Callable[[bytes], bytes]] = {
    0: lambda octets: octets,
    1: lambda octets: hashlib.sha256(octets).digest(),
    2: lambda octets: hashlib.sha512(octets).digest(),
}


class NotNamed(Exception):
    """No record names the certificate; the text says so in one line."""

    def __init__(self, text: str, failure: TLSFailure = TLSFailure.UNTRUSTED) -> None:
        super().__init__(text)
        self.failure = failure


def is_usable(record: TLSA) -> bool:
    """The other usages are not for mail between servers (RFC 7672 §3.1.3)."""
    return record.usage in (EE, TA) and record.selector in _SELECTED and record.matching in _MATCHED


def check(connection: SSL.Connection, name: str, records: Sequence[TLSA]) -> None:
    """After the handshake with the server *name*.  *records*: usable ones.  Raises NotNamed."""
    chain = connection.get_peer_cert_chain() or []
    if not chain:
        raise NotNamed("the server shows no certificate")
    leaf = chain[0].to_cryptography()
    if any(record.usage == EE and _names(record, leaf) for record in records):
        return
    for authority in _authorities(chain[1:], [record for record in records if record.usage == TA]):
        if _is_issued(chain, authority):
            if not is_for(leaf, name):
                raise NotNamed(f"its certificate is not for {name}", TLSFailure.WRONG_HOST)
            return
    raise NotNamed("its certificate is none of those that DNS names (TLSA)")


def _names(record: TLSA, certificate: x509.Certificate) -> bool:
    return _MATCHED[record.matching](_SELECTED[record.selector](certificate)) == record.data


def _authorities(chain: Sequence[crypto.X509], records: Sequence[TLSA]) -> Iterable[crypto.X509]:
    """Those that are named; one that stands in DNS as a whole need not be in the chain (RFC 7672 §3.1.2)."""
    for certificate in chain:
        if any(_names(record, certificate.to_cryptography()) for record in records):
            yield certificate
    for record in records:
        if (record.selector, record.matching) == (0, 0):
            try:
                yield crypto.X509.from_cryptography(x509.load_der_x509_certificate(record.data))
            except ValueError:
                continue


def _is_issued(chain: Sequence[crypto.X509], authority: crypto.X509) -> bool:
    store = crypto.X509Store()
    store.add_cert(authority)
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    try:
        crypto.X509StoreContext(store, chain[0], list(chain[1:])).verify_certificate()
    except crypto.X509StoreContextError:
        return False
    return True
