"""Mail addresses: the grammar of paths (RFC 5321 §4.1.2, RFC 6531 §3.3) and one typed value for all of them.

An `Address` holds the local part without its quoting and the domain in lower-case A-labels, so that two spellings of
one address are equal as far as the protocol says so.  Nothing here touches the file system or DNS.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache

import idna

MAX_LOCAL_PART = 64  # octets, RFC 5321 §4.5.3.1.1
MAX_DOMAIN = 255  # octets, RFC 5321 §4.5.3.1.2
MAX_PATH = 256  # octets with the angle brackets, RFC 5321 §4.5.3.1.3

REMEMBERED = 4096
"""Addresses that need not be parsed again: a few occur in most dialogues."""

# atext of RFC 5322 §3.2.3, with UTF8-non-ascii of RFC 6531 §3.3 (controls of Latin-1 and surrogates left out)
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u00a0-\ud7ff\ue000-\U0010ffff]"
# Dot-string = Atom *("." Atom)
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
# Quoted-string = DQUOTE *QcontentSMTP DQUOTE
_QUOTED_STRING = re.compile(r'"((?:[ !#-\[\]-~\u00a0-\ud7ff\ue000-\U0010ffff]|\\[ -~])*)"')
# A-d-l ":" of a source route: "@" domain *("," "@" domain); accepted and ignored (RFC 5321 §4.1.1.3)
_SOURCE_ROUTE = re.compile(r"@[^,:<>@\s]+(?:,@[^,:<>@\s]+)*:")
# Domain = sub-domain *("." sub-domain), after U-labels became A-labels; "_" occurs in real host names
_DOMAIN = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")


class AddressError(ValueError):
    """Not an address; the text says why, in words for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox address.  *local_part* unquoted as written; *domain* lower-case A-labels, or `[...]` for an address
    literal; empty only for the bare `<postmaster>` (RFC 5321 §4.1.1.3)."""

    local_part: str
    domain: str
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.local_part, self.domain)))

    def __hash__(self) -> int:
        return self._hash  # many tables are of addresses: twelve look-ups a recipient

    def __reduce__(self) -> tuple[type[Address], tuple[str, str]]:
        return Address, (self.local_part, self.domain)  # the hash is another one in another process

    @property
    def is_ascii(self) -> bool:
        return self.local_part.isascii()

    def __str__(self) -> str:
        """As it stands in a path, without the angle brackets."""
        return _spelled(self.local_part, self.domain)

    @property
    def key(self) -> Address:
        """The form in which accounts are looked up: local part in NFC and lower case."""
        local_part = unicodedata.normalize("NFC", self.local_part).lower()
        return self if local_part == self.local_part else Address(local_part, self.domain)


@lru_cache(REMEMBERED)
def _spelled(local_part: str, domain: str) -> str:
    local = local_part
    if not _DOT_STRING.fullmatch(local):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    return f"{local}@{domain}" if domain else local


def _octets(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def parse_domain(text: str) -> str:
    """A domain name in lower-case A-labels (U-labels converted, RFC 5891 §4.4).  Raises AddressError."""
    name = text
    if not name.isascii():
        try:
            name = idna.encode(unicodedata.normalize("NFC", name), uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise AddressError(f"not a domain name: {text}") from error
    name = name.lower()
    if len(name) > MAX_DOMAIN:
        raise AddressError(f"domain name longer than {MAX_DOMAIN} octets")
    if not _DOMAIN.fullmatch(name):
        raise AddressError(f"not a domain name: {text}")
    return name


def parse_address_literal(text: str) -> str:
    """`[192.0.2.1]` or `[IPv6:2001:db8::1]` in its canonical spelling (RFC 5321 §4.1.3).  Raises AddressError."""
    inner = text[1:-1]
    try:
        if inner[:5].lower() == "ipv6:" and "%" not in inner:  # a zone means nothing to anybody else
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError as error:
        raise AddressError(f"not an address literal: {text}") from error


@lru_cache(REMEMBERED)
def parse_address(text: str) -> Address:
    """A mailbox address without angle brackets: `alice@example.org`, `"a b"@example.org`.  Raises AddressError."""
    if text.startswith('"'):
        match = _QUOTED_STRING.match(text)
        local = re.sub(r"\\(.)", r"\1", match.group(1)) if match else ""
    else:
        match = _DOT_STRING.match(text)
        local = match.group() if match else ""
    if match is None or not local:
        raise AddressError(f"the part before the @ is not valid: {text}")
    rest = text[match.end() :]
    if not rest.startswith("@"):
        if rest:
            raise AddressError(f"the part before the @ is not valid: {text}")
        raise AddressError(f"an address needs a domain, as in {text}@example.org")
    if _octets(local) > MAX_LOCAL_PART:
        raise AddressError(f"the part before the @ is longer than {MAX_LOCAL_PART} octets")
    domain = rest[1:]
    if domain.startswith("[") and domain.endswith("]"):
        return Address(local, parse_address_literal(domain))
    return Address(local, parse_domain(domain))


def parse_path(text: str) -> Address | None:
    """The path of MAIL or RCPT with its angle brackets: an Address, or None for the null path `<>`.

    A source route is dropped; `<postmaster>` needs no domain.  Raises AddressError.
    """
    if not (text.startswith("<") and text.endswith(">")):
        raise AddressError("an address must stand in angle brackets, as in <alice@example.org>")
    inner = text[1:-1]
    if not inner:
        return None
    if _octets(text) > MAX_PATH:
        raise AddressError(f"path longer than {MAX_PATH} octets")
    if inner.lower() == "postmaster":
        return Address("postmaster", "")
    if inner.startswith("@") and (route := _SOURCE_ROUTE.match(inner)):
        inner = inner[route.end() :]
    return parse_address(inner)
