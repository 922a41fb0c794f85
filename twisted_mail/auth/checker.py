"""Checking a user's password or proof: twisted.cred's checkers.

Mail clients log in every few minutes, so a password that was right is remembered for a while (recent.py); everything
else is hashed in a thread.  A user who does not exist costs what a wrong password costs, and looks the same.  Too
many attempts at once are turned away before they pile up.
"""

from __future__ import annotations

import secrets

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.auth import passwords
from twisted_mail.auth.apppasswords import Purpose
from twisted_mail.auth.directory import Account, Directory, DirectoryError
from twisted_mail.auth.inquiries import purpose_of
from twisted_mail.auth.logins import Logins
from twisted_mail.auth.recent import RecentLogins
from twisted_mail.auth.renewal import Renewal
from twisted_mail.content import Blocking
from twisted_mail.interfaces import AccountDisabled, IProvenLogin, LoginUnavailable, PasswordLogin
from twisted_mail.smtp.address import Address

NOBODY = Address("nobody", "invalid")
"""Whose password is checked where the user does not exist."""

MAX_WAITING = 1000  # for a thread: with two cores some two seconds, with argon2 some fifteen


class AppPasswordUse:
    """Notes when an app password was used last."""

    _log = Logger()

    def __init__(self, directory: Directory, blocking: Blocking) -> None:
        self._passwords = directory.app_passwords
        self._blocking = blocking

    async def note(self, account: Account, name: str) -> None:
        """Not each time: a write waits for the disk.  A login does not fail because it cannot be noted."""
        if self._passwords.needs_note(account.address, name):
            try:
                await self._blocking(lambda: self._passwords.note_use(account.address, name))
            except DirectoryError:
                self._log.failure("The use of an app password of {account} could not be noted", account=account.address)


@implementer(ICredentialsChecker)
class ProofChecker:
    """For SCRAM and its like: the exchange has checked the proof, and waited for its turn before (inquiries.py)."""

    credentialInterfaces = (IProvenLogin,)

    def __init__(self, logins: Logins, use: AppPasswordUse) -> None:
        self._logins = logins
        self._use = use

    def requestAvatarId(self, credentials: IProvenLogin) -> Deferred[bytes | tuple[()]]:
        """Fails with UnauthorizedLogin, AccountDisabled or LoginUnavailable."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, login: IProvenLogin) -> bytes | tuple[()]:
        account = self._logins.find(login.user)
        name = self._logins.throttled_name(account, login.user)
        if account is None or not login.proven:
            self._logins.failed(login.origin.peer, name)
            raise UnauthorizedLogin("wrong name or password")
        self._logins.succeeded(login.origin.peer, name)
        if login.secret:
            await self._use.note(account, login.secret)
        return _avatar_id(account)


@implementer(ICredentialsChecker)
class PasswordChecker:
    """The avatar id is the account's canonical address, encoded."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(
        self,
        directory: Directory,
        blocking: Blocking,
        logins: Logins,
        recent: RecentLogins,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """*blocking* runs what takes its time in one of a few threads."""
        self._directory = directory
        self._apps = directory.app_passwords
        self._blocking = blocking
        self._logins = logins
        self._use = AppPasswordUse(directory, blocking)
        self._max_waiting = max_waiting
        self._waiting = 0
        self._recent = recent
        self._renewal = Renewal(directory, blocking, recent)
        self._nobody = _stored_of_nobody(directory)

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """Fails with UnauthorizedLogin, AccountDisabled or LoginUnavailable."""
        user, password = credentials.username.decode(errors="replace"), credentials.password
        try:
            account = self._logins.find(user)
            if account is not None and self._recent.has(account, password):
                return succeed(_avatar_id(account))
        except (AccountDisabled, LoginUnavailable):
            return fail()
        return Deferred.fromCoroutine(self._check(user, account, credentials))

    async def _check(self, user: str, account: Account | None, credentials: IUsernamePassword) -> bytes | tuple[()]:
        """Of one that was not right lately."""
        host, password = "", credentials.password
        purpose: Purpose | None = Purpose.SMTP
        if isinstance(credentials, PasswordLogin):
            host, purpose = credentials.origin.peer, purpose_of(credentials.origin)
        if account is not None and purpose and (app := self._apps.match(account.address, password, purpose)):
            await self._use.note(account, app)
            if isinstance(credentials, PasswordLogin):
                credentials.secret = app
            return _avatar_id(account)
        return _avatar_id(await self._verified(host, self._logins.throttled_name(account, user), account, password))

    async def _verified(self, host: str, name: str, account: Account | None, password: bytes) -> Account:
        """Raises UnauthorizedLogin or LoginUnavailable."""
        await self._logins.wait_for_turn(host, name)
        is_right = await self._in_thread(account, password)
        if account is None or not is_right:
            self._logins.failed(host, name)
            raise UnauthorizedLogin("wrong name or password")
        self._logins.succeeded(host, name)
        self._recent.remember(account, password)
        self._renewal.begin(account, password)
        return account

    async def _in_thread(self, account: Account | None, password: bytes) -> bool:
        if self._waiting >= self._max_waiting:
            raise LoginUnavailable("too many logins at once")
        self._waiting += 1
        try:
            return bool(await self._blocking(lambda: self._verify(account, password)))
        finally:
            self._waiting -= 1

    def _verify(self, account: Account | None, password: bytes) -> bool:
        """In a thread."""
        if account is not None and passwords.verify(self._checked_against(account), password):
            return True
        if account is None or not self._is_checked_like_nobody(account):
            # a foreign hash may be quicker than ours, and tell that the user exists
            passwords.verify(self._nobody, password)
        return False

    def _is_checked_like_nobody(self, account: Account) -> bool:
        """By what this server makes itself; what else is stored beside that takes no time."""
        if self._directory.keeps_verifiers:
            return bool(account.verifier)
        return not passwords.needs_rehash(account.password)

    def _checked_against(self, account: Account) -> str:
        """The quicker of the two that are stored: whoever steals both attacks that one (decision 0041)."""
        if self._directory.keeps_verifiers and account.verifier:
            return passwords.SCRAM + account.verifier
        return account.password


def _stored_of_nobody(directory: Directory) -> str:
    """What a password is checked against where the user does not exist: as of a new account, and nothing fits."""
    password = secrets.token_hex()
    verifier = directory.new_verifier(NOBODY, password)
    return passwords.SCRAM + verifier if verifier else passwords.hash_password(password)


def _avatar_id(account: Account) -> bytes:
    """Raises AccountDisabled."""
    if account.disabled:
        raise AccountDisabled(str(account.address))
    return str(account.address).encode()
