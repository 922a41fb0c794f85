"""Accounts, aliases and domains, as the page changes them: by the methods of the directory that the commands use."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, execute
from zope.interface import implementer

from twisted_mail.administration.own import Means
from twisted_mail.affairs import AliasFacts, DomainFacts, IPeople, MailboxFacts, Person, RefusedChange
from twisted_mail.auth.directory import Account, Directory, DirectoryError
from twisted_mail.auth.names import account_address, alias_address, alias_text, domain_name
from twisted_mail.auth.passwords import password_problem
from twisted_mail.mailbox import maildir
from twisted_mail.mailbox.lock import holder_of
from twisted_mail.mailbox.store import maildir_of
from twisted_mail.smtp.address import Address

R = TypeVar("R")


@implementer(IPeople)
class People:
    """All of them, for one administrator."""

    def __init__(
        self, administrator: Address, means: Means, data: str, administrators: Callable[[], set[Address]]
    ) -> None:
        """*data*: the folder of all mailboxes."""
        self._administrator = administrator
        self._means = means
        self._data = data
        self._administrators = administrators

    @property
    def _directory(self) -> Directory:
        return self._means.directory

    # ---- accounts

    def accounts(self) -> Sequence[Person]:
        administrators = self._administrators()
        return [_person(account, administrators) for account in self._directory.accounts()]

    def account(self, address: str) -> Person | None:
        try:
            found = self._directory.account(account_address(address))
        except DirectoryError:
            return None
        return _person(found, self._administrators()) if found is not None else None

    async def mailbox(self, person: Person) -> MailboxFacts:
        path = maildir_of(self._data, person.address)

        def look() -> MailboxFacts:
            if not os.path.isdir(path):
                return MailboxFacts(0, 0, "")
            return MailboxFacts(*maildir.total(path), holder_of(path))

        return await self._means.change(look)

    async def add_account(self, address: str, password: str) -> str:
        account = _read(account_address, address)
        if problem := password_problem(password):
            raise RefusedChange(f"Choose another password: {problem}.")
        await self._means.change(lambda: self._directory.check_new_account(account), _at_once)
        new = await self._means.change(lambda: self._directory.new_account(account, password), self._means.hashing)
        await self._means.change(lambda: self._directory.add_accounts([new]))
        return f"Added {account}."

    async def set_password(self, address: str, password: str) -> str:
        account = _read(account_address, address)
        await self._means.set_password(account, password)
        return f"Changed the password of {account}."

    async def set_disabled(self, address: str, disabled: bool) -> str:
        account = _read(account_address, address)
        if disabled:
            self._refuse_for_oneself(account)
        await self._means.change(lambda: self._directory.set_disabled(account, disabled))
        return f"{'Disabled' if disabled else 'Enabled'} {account}."

    async def remove_account(self, address: str) -> str:
        account = _read(account_address, address)
        self._refuse_for_oneself(account)
        aliases = await self._means.change(lambda: self._directory.remove_account(account))
        lost = "".join(f" {alias_text(alias)} no longer leads there." for alias in aliases)
        return f"Removed {account}.{lost} Its mail stays on disk."

    def _refuse_for_oneself(self, account: Address) -> None:
        if account == self._administrator:
            raise RefusedChange("That is the account with which you are logged in; another administrator must do that.")

    # ---- aliases

    def aliases(self) -> Sequence[AliasFacts]:
        return [
            AliasFacts(alias_text(each.address), [*map(str, each.targets)], str(each.owner) if each.owner else "")
            for each in self._directory.aliases.all()
        ]

    async def add_alias(self, alias: str, targets: Sequence[str], owner: str) -> str:
        address = _read(alias_address, alias)
        led = [_read(alias_address, target) for target in targets]
        if not led:
            raise RefusedChange("Write at least one address to which the alias leads.")
        owned_by = _read(account_address, owner) if owner else None
        await self._means.change(lambda: self._directory.aliases.add(address, led, owned_by))
        return f"{alias_text(address)} now leads to {', '.join(map(str, led))}."

    async def remove_alias(self, alias: str) -> str:
        address = _read(alias_address, alias)
        await self._means.change(lambda: self._directory.aliases.remove(address))
        return f"Removed {alias_text(address)}."

    # ---- domains

    def domains(self) -> Sequence[DomainFacts]:
        return [DomainFacts(each.name, each.accounts, each.aliases) for each in self._directory.domains()]

    async def add_domain(self, name: str) -> str:
        domain = _read(domain_name, name)
        await self._means.change(lambda: self._directory.add_domain(domain))
        return f"Added {domain}: mail for its accounts and aliases is taken."

    async def remove_domain(self, name: str) -> str:
        domain = _read(domain_name, name)
        if any(each.name == domain and each.accounts + each.aliases for each in self.domains()):
            raise RefusedChange(f"{domain} still has accounts or aliases; remove those first.")
        await self._means.change(lambda: self._directory.remove_domain(domain))
        return f"Removed {domain}: no more mail for it is taken."


def _person(account: Account, administrators: set[Address]) -> Person:
    return Person(account.address, account.disabled, account.address in administrators, account.created)


def _read(parse: Callable[[str], R], text: str) -> R:
    """Raises RefusedChange."""
    try:
        return parse(text)
    except DirectoryError as error:
        raise RefusedChange(f"{error}.") from error


def _at_once(call: Callable[[], object]) -> Deferred[object]:
    """For questions, which are asked in the reactor's thread."""
    return execute(call)
