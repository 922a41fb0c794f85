"""Which addresses may become accounts and aliases.

An account's address names its folder on disk, `DOMAIN/LOCAL_PART/`, so an account is refused whose name could mean
anything else there.  Addresses that only arrive by SMTP never reach the disk: they are looked up first.
"""

from __future__ import annotations

import unicodedata

from twisted_mail.smtp.address import MAX_LOCAL_PART, Address, AddressError, parse_address, parse_domain
from twisted_mail.smtp.srs import is_rewritten

SEPARATOR = "+"
"""`alice+shop@example.org` is delivered to `alice@example.org`."""

VIEW_SEPARATOR = "%"
"""`alice@example.org%laptop` logs in as `alice@example.org`, to the view `laptop` of the maildrop."""

_ASCII_SIGNS = frozenset(".!#$&'*-=^_{|}~")


class DirectoryError(Exception):
    """What was asked for cannot be done.  The text says why and what to do instead."""


def domain_name(text: str) -> str:
    """A domain of ours, in lower-case A-labels.  Raises DirectoryError."""
    try:
        return parse_domain(text.strip())
    except AddressError as error:
        raise DirectoryError(f'"{text}" is not a domain name; write it like example.org') from error


def account_address(text: str) -> Address:
    """The canonical address of an account.  Raises DirectoryError."""
    try:
        address = parse_address(text.strip()).key
    except AddressError as error:
        raise DirectoryError(f"{error}; write it like alice@example.org") from error
    check_account(address)
    return address


def check_account(address: Address) -> None:
    """Raises DirectoryError unless the local part is safe as a folder's name."""
    local = address.local_part
    if SEPARATOR in local:
        base = local.partition(SEPARATOR)[0] or "alice"
        raise DirectoryError(
            f"{address}: what follows a + is a tag that the user chooses; "
            f"{base}@{address.domain} gets that mail without further ado"
        )
    wrong = sorted({c for c in local if not _is_allowed(c)})
    if wrong or not local or local.startswith("."):
        named = f" (not {' '.join(c if c.isprintable() else repr(c) for c in wrong)})" if wrong else ""
        raise DirectoryError(
            f"{address}: an account's name takes letters, digits, dots inside and !#$&'*-=^_{{|}}~{named}; "
            f"choose another, or make it an alias"
        )
    check_no_return_path(address)
    if address.key != address or len(local.encode()) > MAX_LOCAL_PART:
        raise DirectoryError(f"{address}: not in its canonical spelling; write {address.key}")


def check_no_return_path(address: Address) -> None:
    """Raises DirectoryError where mail would be taken for a report that comes back (smtp/srs.py)."""
    if is_rewritten(address):
        raise DirectoryError(f"{address}: what begins so is a return address of forwarded mail; choose another name")


def alias_address(text: str) -> Address:
    """An alias: an address, or `@example.org` for all that a domain does not have.  Raises DirectoryError."""
    text = text.strip()
    if text.startswith("@"):
        return Address("", domain_name(text[1:]))
    try:
        return parse_address(text).key
    except AddressError as error:
        raise DirectoryError(f"{error}; write it like info@example.org, or @example.org for a catch-all") from error


def alias_text(address: Address) -> str:
    """As the administrator writes it: a catch-all is `@example.org`."""
    return str(address) if address.local_part else f"@{address.domain}"


def login_and_view(user: str) -> tuple[str, str]:
    """Whom a login means, and the view of their maildrop, empty where none is named.  (No account has a % in it.)"""
    name, separator, view = user.rpartition(VIEW_SEPARATOR)
    return (name, view) if separator else (user, "")


def without_tag(address: Address) -> Address | None:
    """`alice@...` for `alice+shop@...`; None where there is no tag, or nothing before it."""
    base, separator, _ = address.local_part.partition(SEPARATOR)
    return Address(base, address.domain) if separator and base else None


def _is_allowed(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _ASCII_SIGNS
    return unicodedata.category(character)[0] in "LMN"
