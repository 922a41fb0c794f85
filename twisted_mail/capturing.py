"""Capture mode, put together: for developers of other software, whose mail is taken for any address and shown.

It is demo mode (demo.py) that takes every address and every login, keeps a copy for each recipient in the one mailbox,
and has mishaps where [chaos] orders them.  Nothing leaves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from twisted_mail.config import Config, ConfigError
from twisted_mail.content import Blocking
from twisted_mail.delivery.chaos import Chaotic
from twisted_mail.delivery.percopy import CopyForEach
from twisted_mail.demo import ACCOUNT
from twisted_mail.interfaces import Expansion, IDeliveryTarget, IUsers
from twisted_mail.mailbox.store import maildir_of
from twisted_mail.smtp.address import Address


def as_capture(config: Config) -> Config:
    """*config* for capture mode: any password is right, so no mechanism may ask for the proof of one."""
    auth = replace(config.auth, allow_plaintext=True, mechanisms=("PLAIN", "LOGIN"))
    relay = replace(config.relay, enabled=False)
    return replace(config, capture=True, auth=auth, relay=relay, checks=replace(config.checks, enabled=False))


def check_chaos(config: Config) -> None:
    """Raises ConfigError."""
    if config.chaos.rules and not config.capture:
        raise ConfigError(f"{config.file}: [chaos] is for tests; start with --capture, or remove the section")


def captures(target: IDeliveryTarget, config: Config, new_id: Callable[[], str], clock: object) -> IDeliveryTarget:
    """What takes mail from anybody, in front of the router's *target*."""
    copies = CopyForEach(target, new_id)
    return Chaotic(copies, config.chaos.rules, clock) if config.chaos.rules else copies  # type: ignore[arg-type]


@implementer(IUsers)
class Everybody:
    """Every address there could be: all are the one mailbox."""

    async def is_local(self, domain: str) -> bool:
        return True

    async def expand(self, address: Address) -> Expansion:
        return Expansion((ACCOUNT,))

    async def may_send_as(self, account: Address, address: Address) -> bool:
        return True

    async def members(self, address: Address, owner: Address) -> Sequence[Address]:
        return ()


@implementer(ICredentialsChecker)
class AnyLogin:
    """Every name and password is that of the one account."""

    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        return succeed(str(ACCOUNT).encode())


class CapturedFiles:
    """The messages in the mailbox, as files.  Names are those of the files, without their folder."""

    def __init__(self, config: Config, disk: Blocking) -> None:
        self._maildir = maildir_of(config.data, ACCOUNT)
        self._disk = disk

    async def names(self) -> Sequence[str]:
        """The newest first."""
        return await self._disk(self._list)  # type: ignore[return-value]  # Blocking promises an object

    async def read(self, name: str) -> bytes | None:
        """All octets, LF line ends; None: it is not there."""
        return await self._disk(lambda: self._read(name))  # type: ignore[return-value]  # as above

    async def delete(self, names: Sequence[str]) -> int:
        """How many of them were there."""
        return await self._disk(lambda: sum(map(self._delete, names)))  # type: ignore[return-value]  # as above

    def _list(self) -> list[str]:
        return sorted((name for folder in ("new", "cur") for name in _names(f"{self._maildir}/{folder}")), reverse=True)

    def _read(self, name: str) -> bytes | None:
        path = self._path(name)
        if path is None:
            return None
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def _delete(self, name: str) -> bool:
        path = self._path(name)
        if path is None:
            return False
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
        return True

    def _path(self, name: str) -> str | None:
        """Only what is listed is opened: a name from outside never becomes a path."""
        for folder in ("new", "cur"):
            if name in _names(f"{self._maildir}/{folder}"):
                return f"{self._maildir}/{folder}/{name}"
        return None


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
