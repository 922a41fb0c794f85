"""Whose name a message bears: the domains in From: (RFC 9989 §5.3.1).  Pure."""

from __future__ import annotations

import re

from twisted_mail.message.addresses import listed_addresses
from twisted_mail.message.header import fields
from twisted_mail.smtp.address import AddressError, parse_domain

LONGEST = 8192
"""Octets of From: that are looked at."""
MAX_AUTHORS = 10

_AFTER_AT = re.compile(r"@([^\x00-\x20\x7f\s@<>()\[\],;:\"\\]{1,255})")


def author_domains(header: bytes) -> tuple[str, ...]:
    """Lower-case A-labels, each once; none where no domain is named.

    Of a From: that is not what RFC 5322 wants, all that may be a domain: a mail program shows some of it, and nobody
    shall get past the checks by a mistake in what it shows.
    """
    values = [field.partition(b":")[2] for name, field in fields(header) if name == "from"]
    texts = [value[:LONGEST].decode("utf-8", "replace") for value in values[:MAX_AUTHORS]]
    is_plain = sum(text.count("@") for text in texts) == 1  # nearly always; nothing else could be meant
    if not is_plain and sum(map(len, values)) <= LONGEST and (found := _as_written(texts)):
        return found
    return tuple(dict.fromkeys(domain for text in texts for domain in _guessed(text)))[:MAX_AUTHORS]


def _as_written(texts: list[str]) -> tuple[str, ...]:
    """Empty where one of the addresses cannot be read."""
    domains = []
    for _, address in listed_addresses(texts):
        _, at, domain = address.rpartition("@")
        try:
            domains.append(parse_domain(domain.rstrip(".") if at else ""))
        except AddressError:
            return ()
    return tuple(dict.fromkeys(domains))


def _guessed(text: str) -> list[str]:
    """Whatever stands behind an @."""
    domains = []
    for match in _AFTER_AT.finditer(text):
        try:
            domains.append(parse_domain(match[1].rstrip(".")))
        except AddressError:
            continue
    return domains
