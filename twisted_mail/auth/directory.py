"""The directory: domains, accounts and aliases.  Contracts ask it through `IUsers`, the command line changes it.

Questions are asked in the reactor's thread: each is one or two looks into a B-tree that the kernel has in memory
(measured in benchmarks/directory.py), and what an address stands for is remembered until something changes.  Changes
block for the disk; another process sees them at once (remembered.py: within 5 ms).
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from zope.interface import implementer

from twisted_mail.auth import expansion
from twisted_mail.auth.aliases import Aliases, forget_empty
from twisted_mail.auth.apppasswords import AppPasswords
from twisted_mail.auth.database import Database, now
from twisted_mail.auth.expansion import Standing
from twisted_mail.auth.lookup import TableLookup, columns
from twisted_mail.auth.names import DirectoryError, check_account, login_and_view, without_tag
from twisted_mail.auth.passwords import hash_password
from twisted_mail.auth.quotas import Quotas
from twisted_mail.auth.remembered import Remembered
from twisted_mail.auth.terms import AccountTerms
from twisted_mail.auth.verifiers import verifier_of
from twisted_mail.interfaces import Expansion, IUsers, NoSuchUser, UserDisabled
from twisted_mail.smtp.address import Address, AddressError, parse_address

__all__ = ["Account", "Directory", "DirectoryError", "Domain", "NewAccount"]


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of ours and what it holds."""

    name: str
    created: int
    """Seconds since 1970."""
    accounts: int
    aliases: int


@dataclass(frozen=True, slots=True)
class Account:
    """One account.  *password* is a hash as in passwords.py, *verifier* is SCRAM's or empty."""

    address: Address
    password: str
    disabled: bool
    created: int
    """Seconds since 1970."""
    verifier: str = ""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """One to be added, with what is to be stored of its password."""

    address: Address
    password: str
    verifier: str = ""


ADMIN = "admin"
"""Name of the attribute of accounts that may administer the server on its web page; its value is `true`."""


@implementer(IUsers)
class Directory:
    """All of it.  Addresses given must be canonical (`Address.key`, names.py); those returned are."""

    def __init__(self, path: str, *, keeps_verifiers: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        """*path*: the SQLite file, made where it is missing.  *keeps_verifiers*: of SCRAM, beside hashes of passwords.

        Raises DirectoryError.
        """
        self.keeps_verifiers = keeps_verifiers
        self._database = Database(path)
        self._select = self._database.select
        self._lookup = TableLookup(self._select)
        self._owned = Remembered[str, bool](self._database, self._lookup.has_domain, clock)
        self._expansions = Remembered[Address, Expansion](self._database, self._expanded, clock)
        self._all_have_verifiers = Remembered[None, bool](self._database, self._find_nobody_without, clock)
        self._logins = Remembered[Address, Account | None](self._database, self.account, clock)
        self.aliases = Aliases(self._database)
        self.app_passwords = AppPasswords(self._database)
        self.terms = AccountTerms(self._database, clock)
        self.quotas = Quotas(self._database, clock)
        keys = dict(self._select("SELECT name, octets FROM server_key").fetchall())
        self._salt_key = keys["salt"]
        self.srs_key: bytes = keys["srs"]
        """Of smtp/srs.py: shared by all processes of this server, unknown to others."""

    def close(self) -> None:
        self._database.close()

    # ---- IUsers

    async def is_local(self, domain: str) -> bool:
        return self.owns(domain)

    def owns(self, domain: str) -> bool:
        """Whether *domain* (lower-case A-labels) is one of ours."""
        return self._owned(domain)

    async def expand(self, address: Address) -> Expansion:
        return self.expansion(address)

    def rewrites(self, domain: str) -> bool:
        """Whether senders are rewritten in what leaves *domain*, one of ours, for others."""
        return self._lookup.rewrites(domain)

    async def may_send_as(self, account: Address, address: Address) -> bool:
        return self.owns_address(account, address)

    def owns_address(self, account: Address, address: Address) -> bool:
        """As IUsers.may_send_as, at once."""
        wanted = address.key
        if account in (wanted, without_tag(wanted)):
            return True
        if not self._lookup.has_domain(wanted.domain):
            return False
        try:
            return account in self.expansion(wanted).mailboxes
        except (NoSuchUser, UserDisabled):
            return False

    async def members(self, address: Address, owner: Address) -> Sequence[Address]:
        alias = Address(address.local_part, address.domain or owner.domain).key
        found = self.aliases.owned(alias, owner)
        if found is None:
            raise NoSuchUser(str(alias))
        return found

    def expansion(self, address: Address) -> Expansion:
        """As IUsers.expand, at once.  `<postmaster>` without a domain is that of the first one (RFC 5321 §4.5.1)."""
        if not address.domain:
            first = self._select("SELECT name FROM domain ORDER BY position LIMIT 1").fetchall()
            if not first:
                raise NoSuchUser(str(address))
            address = Address(address.local_part, first[0][0])
        return self._expansions(address)

    def _expanded(self, address: Address) -> Expansion:
        return expansion.expand(self._lookup, address.key)

    # ---- logging in

    def find_login(self, user: str) -> Account | None:
        """The account that *user* means: an address, or the part before the @ while there is only one domain.

        Either may have a view behind it (names.login_and_view).
        """
        address = self._login_address(user)
        return self._logins(address) if address is not None else None

    def everybody_has_a_verifier(self) -> bool:
        """No account that SCRAM would turn away.  (Those from hashes of other systems have none until a login.)"""
        return self._all_have_verifiers(None)

    def _find_nobody_without(self, everybody: None) -> bool:
        return not self._select("SELECT 1 FROM account WHERE verifier = '' LIMIT 1").fetchall()

    def login_name(self, user: str) -> str:
        """The account that *user* means, or would mean: the same for each spelling, and each time."""
        return str(self._login_address(user) or login_and_view(user)[0].lower())

    def login_salt(self, user: str) -> bytes:
        """For SCRAM verifiers of that account, as `salt`."""
        return self._salt(self.login_name(user))

    def salt(self, account: Address) -> bytes:
        """For its SCRAM verifiers.  In any thread."""
        return self._salt(str(account))

    def _salt(self, name: str) -> bytes:
        return hmac.digest(self._salt_key, name.encode(errors="replace"), "sha256")[:16]

    def _login_address(self, user: str) -> Address | None:
        user, _ = login_and_view(user)
        if "@" not in user:
            domains = self._select("SELECT name FROM domain LIMIT 2").fetchall()
            if len(domains) != 1:
                return None
            user = f"{user}@{domains[0][0]}"
        try:
            return parse_address(user).key
        except AddressError:
            return None

    def replace_password(self, account: Account, password: str, verifier: str = "") -> bool:
        """Store another hash if that of *account* is still the one stored.  Blocks, in any thread."""
        with self._database.transaction() as writer:
            changed = writer.execute(
                "UPDATE account SET password = ?, verifier = ? WHERE domain = ? AND local_part = ? AND password = ?",
                (password, verifier, *columns(account.address), account.password),
            )
            return changed.rowcount == 1

    # ---- domains

    def domains(self) -> list[Domain]:
        """In the order in which they were added."""
        rows = self._select(
            "SELECT name, created, (SELECT count(*) FROM account WHERE domain = name),"
            " (SELECT count(DISTINCT local_part) FROM alias WHERE domain = name) FROM domain ORDER BY position"
        )
        return [Domain(*row) for row in rows.fetchall()]

    def add_domain(self, name: str) -> None:
        """Raises DirectoryError."""
        with self._database.transaction() as writer:
            if TableLookup(writer.execute).has_domain(name):
                raise DirectoryError(f"{name} is there already")
            writer.execute("INSERT INTO domain (name, created) VALUES (?, ?)", (name, now()))

    def remove_domain(self, name: str, *, force: bool = False) -> None:
        """*force*: with its accounts and aliases.  Mail on disk stays.  Raises DirectoryError."""
        with self._database.transaction() as writer:
            TableLookup(writer.execute).require_domain(name)
            held = writer.execute(
                "SELECT (SELECT count(*) FROM account WHERE domain = ?1),"
                " (SELECT count(DISTINCT local_part) FROM alias WHERE domain = ?1)",
                (name,),
            ).fetchone()
            if any(held) and not force:
                raise DirectoryError(f"{name} is not empty (accounts: {held[0]}, aliases: {held[1]}); use --force")
            writer.execute("DELETE FROM alias WHERE ?1 IN (domain, target_domain)", (name,))
            writer.execute("DELETE FROM account WHERE domain = ?", (name,))
            writer.execute("DELETE FROM domain WHERE name = ?", (name,))
            forget_empty(writer)

    def domain_attributes(self, name: str) -> dict[str, str]:
        """What `mailserver domain set` has set for this domain."""
        rows = self._select("SELECT name, value FROM domain_attribute WHERE domain = ? ORDER BY name", (name,))
        return dict(rows.fetchall())

    def set_domain_attributes(self, name: str, values: Mapping[str, str | None]) -> None:
        """None: as for every domain.  Raises DirectoryError."""
        with self._database.transaction() as writer:
            TableLookup(writer.execute).require_domain(name)
            for attribute, value in values.items():
                if value is None:
                    writer.execute("DELETE FROM domain_attribute WHERE domain = ? AND name = ?", (name, attribute))
                else:
                    writer.execute("INSERT OR REPLACE INTO domain_attribute VALUES (?, ?, ?)", (name, attribute, value))

    # ---- accounts

    def account(self, address: Address) -> Account | None:
        rows = self._select(
            "SELECT password, disabled, created, verifier FROM account WHERE domain = ? AND local_part = ?",
            columns(address),
        ).fetchall()
        return Account(address, rows[0][0], bool(rows[0][1]), *rows[0][2:]) if rows else None

    def accounts(self, domain: str | None = None) -> list[Account]:
        """All, or those of one domain, in the order of the alphabet."""
        rows = self._select(
            "SELECT local_part, domain, password, disabled, created, verifier FROM account"
            " WHERE ?1 IS NULL OR domain = ?1 ORDER BY domain, local_part",
            (domain,),
        ).fetchall()
        return [Account(Address(*row[:2]), row[2], bool(row[3]), *row[4:]) for row in rows]

    def check_new_account(self, address: Address) -> None:
        """Raises DirectoryError if *address* could not be added now."""
        _check_new_account(self._lookup, address)

    def new_account(self, address: Address, password: str) -> NewAccount:
        """What to store for *password*.  Takes some 30 ms of a processor, in any thread."""
        return NewAccount(address, hash_password(password), self.new_verifier(address, password))

    def new_verifier(self, account: Address, password: str) -> str:
        """What SCRAM is to keep of *password*; empty where it keeps nothing.  Takes some 4 ms, in any thread."""
        return str(verifier_of(password, self.salt(account))) if self.keeps_verifiers else ""

    def add_account(self, address: Address, password: str, verifier: str = "") -> None:
        """*password* is a hash.  Raises DirectoryError."""
        self.add_accounts([NewAccount(address, password, verifier)])

    def add_accounts(self, accounts: Iterable[NewAccount]) -> None:
        """All of them or none.  Raises DirectoryError about the first that cannot be added."""
        with self._database.transaction() as writer:
            lookup = TableLookup(writer.execute)
            for new in accounts:
                _check_new_account(lookup, new.address)
                writer.execute(
                    "INSERT INTO account (domain, local_part, password, verifier, created) VALUES (?, ?, ?, ?, ?)",
                    (*columns(new.address), new.password, new.verifier, now()),
                )

    def remove_account(self, address: Address) -> list[Address]:
        """Mail on disk stays.  Returns the aliases that led to it and no longer do.  Raises DirectoryError."""
        with self._database.transaction() as writer:
            TableLookup(writer.execute).require_account(address)
            led = writer.execute(
                "DELETE FROM alias WHERE target_domain = ? AND target_local_part = ? RETURNING local_part, domain",
                columns(address),
            ).fetchall()
            writer.execute("DELETE FROM account WHERE domain = ? AND local_part = ?", columns(address))
            forget_empty(writer)
        return [Address(*row) for row in led]

    def set_password(self, address: Address, password: str, verifier: str = "", shared_secret: str = "") -> None:
        """*password* is a hash; *shared_secret* the password itself, for CRAM-MD5.  App passwords stay.

        Raises DirectoryError.
        """
        with self._database.transaction() as writer:
            TableLookup(writer.execute).require_account(address)
            writer.execute(
                "UPDATE account SET password = ?, verifier = ?, shared_secret = ? WHERE domain = ? AND local_part = ?",
                (password, verifier, shared_secret, *columns(address)),
            )

    def shared_secret(self, address: Address) -> str | None:
        """The password itself, for CRAM-MD5; None: the account has not opted in to that."""
        rows = self._select(
            "SELECT shared_secret FROM account WHERE domain = ? AND local_part = ?", columns(address)
        ).fetchall()
        return rows[0][0] or None if rows else None

    def set_disabled(self, address: Address, disabled: bool) -> None:
        """A disabled account takes no mail and no login.  Raises DirectoryError."""
        with self._database.transaction() as writer:
            TableLookup(writer.execute).require_account(address)
            writer.execute(
                "UPDATE account SET disabled = ? WHERE domain = ? AND local_part = ?", (disabled, *columns(address))
            )

    def administrators(self) -> set[Address]:
        """Those who may administer the server on its web page."""
        rows = self._select(
            "SELECT local_part, domain FROM account_attribute WHERE name = ? AND value = 'true'", (ADMIN,)
        )
        return {Address(*row) for row in rows.fetchall()}

    def attributes(self, address: Address) -> dict[str, str]:
        """What `mailserver account set` has set for this account."""
        rows = self._select(
            "SELECT name, value FROM account_attribute WHERE domain = ? AND local_part = ? ORDER BY name",
            columns(address),
        )
        return dict(rows.fetchall())

    def set_attributes(self, address: Address, values: Mapping[str, str | None]) -> None:
        """None: as for everybody.  Raises DirectoryError."""
        with self._database.transaction() as writer:
            TableLookup(writer.execute).require_account(address)
            for name, value in values.items():
                if value is None:
                    writer.execute(
                        "DELETE FROM account_attribute WHERE domain = ? AND local_part = ? AND name = ?",
                        (*columns(address), name),
                    )
                else:
                    writer.execute(
                        "INSERT OR REPLACE INTO account_attribute VALUES (?, ?, ?, ?)", (*columns(address), name, value)
                    )


def _check_new_account(lookup: TableLookup, address: Address) -> None:
    check_account(address)
    lookup.require_domain(address.domain)
    if lookup.standing(address) is not Standing.NONE:
        raise DirectoryError(f"{address} is there already; a new password: mailserver passwd {address}")
    if lookup.targets(address):
        raise DirectoryError(f"{address} is an alias; first: mailserver alias remove {address}")
