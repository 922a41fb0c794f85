"""Checking a user's password: twisted.cred's checker for name and password.

Mail clients log in every few minutes, so a password that was right is remembered for a while, under a key that only
this process knows; everything else goes to argon2 in a thread.  A user who does not exist costs what a wrong password
costs, and looks the same.  Too many attempts at once are turned away before they pile up.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.auth import passwords
from twisted_mail.auth.directory import Account, Directory, DirectoryError
from twisted_mail.auth.throttle import Throttle
from twisted_mail.content import Blocking
from twisted_mail.interfaces import AccountDisabled, LoginUnavailable, PasswordLogin

REMEMBERED_FOR = 600.0  # seconds since the last login
MAX_REMEMBERED = 50_000  # logins, some 150 octets each
MAX_WAITING = 1000  # for a thread: with two cores some ten seconds
LONGEST_DELAY = 30.0  # seconds that an attempt may be held back; clients give up after 60


@implementer(ICredentialsChecker)
class PasswordChecker:
    """The avatar id is the account's canonical address, encoded."""

    credentialInterfaces = (IUsernamePassword,)
    _log = Logger()

    def __init__(
        self,
        directory: Directory,
        blocking: Blocking,
        clock: IReactorTime,
        throttle: Throttle,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """*blocking* runs what takes its time in one of a few threads."""
        self._directory = directory
        self._blocking = blocking
        self._clock = clock
        self._throttle = throttle
        self._max_waiting = max_waiting
        self._waiting = 0
        self._recent = RecentLogins(clock)
        self._nobody = passwords.hash_password(secrets.token_hex())

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """Fails with UnauthorizedLogin, AccountDisabled or LoginUnavailable."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: IUsernamePassword) -> bytes | tuple[()]:
        user, password = credentials.username.decode(errors="replace"), credentials.password
        account = await self._find(user)
        if account is None or not self._recent.has(account, password):
            host = credentials.origin.peer if isinstance(credentials, PasswordLogin) else ""
            name = str(account.address) if account else user.lower()[:320]
            account = await self._verified(host, name, account, password)
        if account.disabled:
            raise AccountDisabled(str(account.address))
        return str(account.address).encode()

    async def _find(self, user: str) -> Account | None:
        try:
            return await self._directory.find_login(user)
        except sqlite3.Error as error:
            self._log.failure("The directory cannot be read")
            raise LoginUnavailable("The directory cannot be read") from error

    async def _verified(self, host: str, name: str, account: Account | None, password: bytes) -> Account:
        """The account as it is stored now.  Raises UnauthorizedLogin or LoginUnavailable."""
        await self._admission(host, name)
        verified = await self._in_thread(account, password)
        if verified is None:
            self._throttle.failed(host, name, self._clock.seconds())
            raise UnauthorizedLogin("wrong name or password")
        self._throttle.succeeded(host, name)
        self._recent.remember(verified, password)
        return verified

    async def _admission(self, host: str, name: str) -> None:
        """Wait as long as earlier failures demand."""
        give_up = self._clock.seconds() + LONGEST_DELAY
        while wait := self._throttle.admit(host, name, self._clock.seconds()):
            if self._clock.seconds() + wait > give_up:
                raise LoginUnavailable("too many failed logins")
            await deferLater(self._clock, wait)

    async def _in_thread(self, account: Account | None, password: bytes) -> Account | None:
        if self._waiting >= self._max_waiting:
            raise LoginUnavailable("too many logins at once")
        self._waiting += 1
        try:
            result = await self._blocking(lambda: self._verify(account, password))
        finally:
            self._waiting -= 1
        assert result is None or isinstance(result, Account)
        return result

    def _verify(self, account: Account | None, password: bytes) -> Account | None:
        """In a thread."""
        if account is not None and passwords.verify(account.password, password):
            return self._renewed(account, password) if passwords.needs_rehash(account.password) else account
        if account is None or passwords.needs_rehash(account.password):
            # a foreign hash may be quicker than ours, and tell that the user exists
            passwords.verify(self._nobody, password)
        return None

    def _renewed(self, account: Account, password: bytes) -> Account:
        """With today's hash in the directory, unless somebody else changed it or it cannot be written now."""
        stored = passwords.hash_password(password)
        try:
            if self._directory.replace_password(account, stored):
                return Account(account.address, stored, account.disabled, account.created)
        except DirectoryError:
            self._log.failure("The password hash of {account} could not be renewed", account=str(account.address))
        return account


class RecentLogins:
    """Logins that were right lately, without the passwords: a keyed digest of address, stored hash and password.

    A changed password changes the stored hash, and so the digest.
    """

    def __init__(self, clock: IReactorTime, size: int = MAX_REMEMBERED) -> None:
        self._clock = clock
        self._size = size
        self._key = secrets.token_bytes(32)
        self._until: dict[bytes, float] = {}

    def has(self, account: Account, password: bytes) -> bool:
        digest = self._digest(account, password)
        until = self._until.get(digest)
        if until is None or until < self._clock.seconds():
            return False
        self._put(digest)
        return True

    def remember(self, account: Account, password: bytes) -> None:
        self._put(self._digest(account, password))

    def _put(self, digest: bytes) -> None:
        self._until.pop(digest, None)
        self._until[digest] = self._clock.seconds() + REMEMBERED_FOR
        if len(self._until) > self._size:
            del self._until[next(iter(self._until))]

    def _digest(self, account: Account, password: bytes) -> bytes:
        # neither address nor hash holds a NUL
        octets = f"{account.address}\0{account.password}\0".encode() + password
        return hashlib.blake2b(octets, key=self._key, digest_size=32).digest()
