"""What stands in a certificate, for commands that judge it as a mail program would; and how to get another."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509

from twisted_mail.cli.systemdunit import USER


def load_leaf(path: str) -> x509.Certificate:
    """The first certificate of a PEM file.  Raises OSError or ValueError."""
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificates(file.read())[0]


def names_of(certificate: x509.Certificate) -> list[str]:
    """The host names that it is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)


def covers(names: Iterable[str], hostname: str) -> bool:
    """Whether a certificate for *names* is one for *hostname* (RFC 6125 §6.4: a star is one whole label)."""
    wild = "*." + hostname.partition(".")[2]
    return any(name.lower() in (hostname, wild) for name in names)


def certbot_command(hostname: str, folder: str) -> str:
    """What root types to have a certificate for *hostname*, and each one after it, where the server reads it."""
    hook = f"install -g {USER} -m 640 $RENEWED_LINEAGE/fullchain.pem $RENEWED_LINEAGE/privkey.pem {folder}/"
    return f"certbot certonly --standalone -d {hostname} --deploy-hook '{hook}'"
