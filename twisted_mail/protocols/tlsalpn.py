"""The TLS side of ACME's tls-alpn-01 (RFC 8737): a certificate that says nothing but that we know the challenge.

It is shown only to who asks for the protocol `acme-tls/1`, which nobody but an authority does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

PROTOCOL = b"acme-tls/1"
"""RFC 8737 §6.2."""

_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
"""id-pe-acmeIdentifier (RFC 8737 §6.1)."""
_VALID = timedelta(days=1)


def challenge_context(name: str, authorization: str) -> SSL.Context:
    """*authorization*: that of the challenge for the host *name* (RFC 8555 §8.1)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ACME challenge")])
    digest = b"\x04\x20" + hashlib.sha256(authorization.encode()).digest()  # DER: an OCTET STRING of 32 octets
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.UnrecognizedExtension(_IDENTIFIER, digest), critical=True)
        .sign(key, hashes.SHA256())
    )
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.use_privatekey(key)
    context.use_certificate(certificate)
    return context


Select = Callable[[SSL.Connection, Sequence[bytes]], Any]  # pyOpenSSL has no public name for "none of them"


def alpn_selection(challenges: Mapping[bytes, SSL.Context]) -> Select:
    """What a context calls when a client names protocols: a challenge of that name, or none of them is chosen.

    Under TLS 1.2 OpenSSL has chosen the certificate by then; an authority speaks 1.3.
    """

    def select(connection: SSL.Connection, protocols: Sequence[bytes]) -> Any:
        context = challenges.get((connection.get_servername() or b"").lower())
        if context is None or PROTOCOL not in protocols or connection.get_protocol_version_name() != "TLSv1.3":
            return SSL.NO_OVERLAPPING_PROTOCOLS
        connection.set_context(context)
        return PROTOCOL

    return select
