"""A certificate authority of the server's own, and a certificate signed by it: TLS from the first minute.

Mail programs ask about it once.  Demo mode has no other; `mailserver init` makes one for the time until there is a real
one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_AUTHORITY_VALID = timedelta(days=3650)
_VALID = timedelta(days=820)
"""Apple's programs take 825 at most."""
_LONGEST_NAME = 64
"""Characters of a common name (ub-common-name of RFC 5280)."""

AUTHORITY = "Twisted Mail"
"""How the name of each such authority begins: so it is known again."""


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """PEM files."""

    ca: bytes
    chain: bytes
    """The certificate, then the authority's."""
    key: bytes


def make(authority: str, names: Sequence[str]) -> OwnCertificate:
    """*authority*: what comes after AUTHORITY in its name; *names*: host names and IP addresses to certify."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{AUTHORITY} {authority}"[:_LONGEST_NAME])])
    ca = _certificate(ca_name, ca_name, ca_key.public_key(), ca_key, x509.BasicConstraints(ca=True, path_length=0), [])
    host_key = ec.generate_private_key(ec.SECP256R1())
    host_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_LONGEST_NAME])])
    constraints = x509.BasicConstraints(ca=False, path_length=None)
    alternatives = [_general_name(name) for name in dict.fromkeys(names)]
    host = _certificate(host_name, ca_name, host_key.public_key(), ca_key, constraints, alternatives)
    return OwnCertificate(_pem(ca), _pem(host) + _pem(ca), _key_pem(host_key))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    signing_key: ec.EllipticCurvePrivateKey,
    constraints: x509.BasicConstraints,
    names: list[x509.GeneralName],
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + (_AUTHORITY_VALID if constraints.ca else _VALID))
        .add_extension(constraints, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    else:
        usage = dict.fromkeys(_KEY_USAGES, False) | {"key_cert_sign": True, "crl_sign": True}
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    return builder.sign(signing_key, hashes.SHA256())


_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
