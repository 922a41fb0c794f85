"""What is stored of a password, brought up to date when its owner has shown it: today's hash, and a verifier for SCRAM.

Accounts that came with the hash of another system have neither.  The login does not wait for it: making both takes
twice what checking did.  What is not made when the server stops is made at the next login that needs a hash.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail.auth import passwords
from twisted_mail.auth.directory import Account, Directory
from twisted_mail.auth.recent import RecentLogins
from twisted_mail.content import Blocking


class Renewal:
    """For all logins of one process."""

    _log = Logger()

    def __init__(self, directory: Directory, blocking: Blocking, recent: RecentLogins) -> None:
        """*blocking* runs it in one of the threads that check passwords."""
        self._directory = directory
        self._blocking = blocking
        self._recent = recent

    def begin(self, account: Account, password: bytes) -> None:
        """*password* is right.  Returns at once."""
        if self._is_due(account):
            Deferred.fromCoroutine(self._renew(account, password)).addErrback(self._failed, account)

    def _is_due(self, account: Account) -> bool:
        return passwords.needs_rehash(account.password) or bool(account.verifier) != self._directory.keeps_verifiers

    async def _renew(self, account: Account, password: bytes) -> None:
        renewed = await self._blocking(lambda: self._renewed(account, password))
        assert isinstance(renewed, Account)
        self._recent.remember(renewed, password)

    def _renewed(self, account: Account, password: bytes) -> Account:
        """As it is in the directory then, unless somebody else changed it meanwhile.  In a thread."""
        stored, verifier = account.password, account.verifier
        if passwords.needs_rehash(stored):
            stored = passwords.hash_password(password)
        if bool(verifier) != self._directory.keeps_verifiers:
            verifier = self._directory.new_verifier(account.address, password.decode())
        if self._directory.replace_password(account, stored, verifier):
            return replace(account, password=stored, verifier=verifier)
        return account

    def _failed(self, failure: Failure, account: Account) -> None:
        """A full disk, mostly: the account is as it was."""
        text = "The password hash of {account} could not be renewed"
        self._log.failure(text, failure, account=str(account.address))
