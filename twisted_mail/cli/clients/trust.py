"""Whether a mail program takes the server's certificate, and if not, why, in words for the server's owner."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from twisted_mail.cli.certificatefile import covers, names_of
from twisted_mail.cli.clients.program import MailProgram, TrustRules


def verifying_context() -> ssl.SSLContext:
    """The system's authorities, TLS 1.2 and up: no program of today takes less."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def problem(program: MailProgram, certificate: bytes, hostname: str, reason: str) -> str:
    """Why it does not take what the server showed (DER); *reason*: what the TLS library said, empty if it was content.

    Empty: it does take it.
    """
    leaf = x509.load_der_x509_certificate(certificate)
    problems = [*_problems(leaf, program.trust)]
    if not covers(names_of(leaf), hostname):
        names = ", ".join(names_of(leaf)) or "nobody"
        problems.insert(0, f"your certificate names {names} and not {hostname}")
    elif reason:
        problems.insert(0, f"no authority that it knows stands behind your certificate ({reason})")
    return " and ".join(problems)


def _problems(leaf: x509.Certificate, rules: TrustRules) -> Iterator[str]:
    days = (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days
    if rules.most_days is not None and days > rules.most_days:
        yield f"your certificate is made for {days} days, and it takes {rules.most_days} at most"
    if rules.needs_server_auth and not _is_for_servers(leaf):
        yield "your certificate does not say that it is for servers (extended key usage serverAuth)"
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < rules.least_rsa_bits:
        yield f"the RSA key of your certificate has {key.key_size} bits, and it wants {rules.least_rsa_bits} or more"


def _is_for_servers(leaf: x509.Certificate) -> bool:
    try:
        found = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.SERVER_AUTH in found.value
