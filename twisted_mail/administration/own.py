"""The avatar of a user on the page: what is the account's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from twisted.cred.error import UnauthorizedLogin
from zope.interface import implementer

from twisted_mail.affairs import IOwnAffairs, RefusedChange
from twisted_mail.auth.checker import PasswordChecker
from twisted_mail.auth.directory import Directory, DirectoryError
from twisted_mail.cli.asking import password_problem
from twisted_mail.content import Blocking
from twisted_mail.interfaces import PasswordLogin
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Means:
    """What all avatars of the page work with."""

    directory: Directory
    checker: PasswordChecker
    disk: Blocking
    hashing: Blocking

    async def change(self, call: Callable[[], R], blocking: Blocking | None = None) -> R:
        """*call*, in a thread.  Raises RefusedChange."""
        try:
            done = await (blocking or self.disk)(call)
        except DirectoryError as error:
            raise RefusedChange(f"{error}.") from error
        return done  # type: ignore[return-value]  # threads say object

    async def set_password(self, address: Address, password: str) -> None:
        """Raises RefusedChange."""
        if problem := password_problem(password):
            raise RefusedChange(f"Choose another: {problem}.")
        new = await self.change(lambda: self.directory.new_account(address, password), self.hashing)
        await self.change(lambda: self.directory.set_password(address, new.password, new.verifier))


@implementer(IOwnAffairs)
class OwnAffairs:
    """Of one login."""

    def __init__(self, account: Address, origin: Origin, means: Means) -> None:
        self.account = account
        self._origin = origin
        self._means = means
        self._at_login = self._state()

    def holds(self) -> bool:
        return self._at_login is not None and self._state() == self._at_login

    async def change_password(self, old: str, new: str) -> None:
        login = PasswordLogin(str(self.account), old, self._origin)
        try:
            await self._means.checker.requestAvatarId(login)
        except UnauthorizedLogin as error:
            raise RefusedChange("The old password is another one.") from error
        await self._means.set_password(self.account, new)
        self._at_login = self._state()

    def _state(self) -> object:
        """What must stay as it is; None: nobody could log in."""
        found = self._means.directory.account(self.account)
        return None if found is None or found.disabled else (found.password, *self._rights())

    def _rights(self) -> tuple[object, ...]:
        """What else the login depends on."""
        return ()
