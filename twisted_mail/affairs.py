"""What people may do with the server on its web page.  The avatar is the policy, here too (interfaces.py).

Who logs in at the page gets an `IOwnAffairs`, for what is their own; an administrator's avatar is an `IAdministration`
as well.  Addresses and names are taken as people write them.  Nothing here blocks the caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from zope.interface import Attribute, Interface

from twisted_mail.smtp.address import Address


class RefusedChange(Exception):
    """What was asked for cannot be done.  The text says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Person:
    """An account."""

    address: Address
    is_disabled: bool
    is_administrator: bool
    created: int
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class MailboxFacts:
    """What lies in an account's mailbox."""

    messages: int
    octets: int
    opened_by: str
    """The POP3 session that has it open, in words; empty: none."""


@dataclass(frozen=True, slots=True)
class AliasFacts:
    """An address that stands for others, as its administrator writes them: a catch-all is `@example.org`."""

    address: str
    targets: Sequence[str]
    owner: str = ""


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """A domain of ours and how much it holds."""

    name: str
    accounts: int
    aliases: int


class IOwnAffairs(Interface):
    """The avatar of everybody who logs in at the page."""

    account: Address = Attribute("Whose it is.")

    def holds() -> bool:
        """Whether the login is still good: not after another password, or with an account that is switched off."""

    def change_password(old: str, new: str) -> Awaitable[None]:
        """This login stays good, all others on the page end.  Raises RefusedChange or LoginUnavailable."""


class IPeople(Interface):
    """Accounts, aliases and domains.  Changes return a sentence that tells what was done, or raise RefusedChange."""

    def accounts() -> Sequence[Person]:
        """All, in the order of domains."""

    def account(address: str) -> Person | None:
        """None: there is none."""

    def mailbox(person: Person) -> Awaitable[MailboxFacts]:
        """Raises OSError."""

    def add_account(address: str, password: str) -> Awaitable[str]:
        """Its domain must exist."""

    def set_password(address: str, password: str) -> Awaitable[str]:
        """App passwords stay."""

    def set_disabled(address: str, disabled: bool) -> Awaitable[str]:
        """A disabled account takes neither mail nor logins."""

    def remove_account(address: str) -> Awaitable[str]:
        """Mail on disk stays."""

    def aliases() -> Sequence[AliasFacts]:
        """All, in the order of domains."""

    def add_alias(alias: str, targets: Sequence[str], owner: str) -> Awaitable[str]:
        """To those that it has; *owner* may be empty."""

    def remove_alias(alias: str) -> Awaitable[str]:
        """All of it."""

    def domains() -> Sequence[DomainFacts]:
        """In the order in which they were added."""

    def add_domain(name: str) -> Awaitable[str]:
        """To take mail for it."""

    def remove_domain(name: str) -> Awaitable[str]:
        """It must be empty."""


class IAdministration(IOwnAffairs):
    """The avatar of an administrator."""

    people: IPeople = Attribute("Who has mail here.")
