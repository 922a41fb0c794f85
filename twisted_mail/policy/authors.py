"""Whose name a message bears: the domains in From: (RFC 9989 §5.3.1).  Pure."""

from __future__ import annotations

from email.utils import getaddresses

from twisted_mail.message.header import fields
from twisted_mail.smtp.address import AddressError, parse_domain

LONGEST = 8192
"""Octets of From: that are looked at."""


def author_domains(header: bytes) -> tuple[str, ...]:
    """Lower-case A-labels, each once; none where nobody can tell who is meant."""
    values = [field.partition(b":")[2] for name, field in fields(header) if name == "from"]
    if sum(map(len, values)) > LONGEST:
        return ()
    domains = []
    for _, address in getaddresses([value.decode("utf-8", "replace") for value in values]):
        _, at, domain = address.rpartition("@")
        if not at:
            return ()
        try:
            domains.append(parse_domain(domain.rstrip(".")))
        except AddressError:
            return ()
    return tuple(dict.fromkeys(domains))
