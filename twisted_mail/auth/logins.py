"""What all ways of logging in have in common: whose account is meant, and how long an attempt waits.

A user who does not exist waits, costs and looks like one whose password was wrong.
"""

from __future__ import annotations

import sqlite3

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from twisted_mail.auth.directory import Account, Directory
from twisted_mail.auth.throttle import Throttle
from twisted_mail.interfaces import LoginUnavailable

LONGEST_DELAY = 30.0  # seconds that an attempt may be held back; clients give up after 60


class Logins:
    """Accounts and delays of one process."""

    _log = Logger()

    def __init__(self, directory: Directory, clock: IReactorTime, throttle: Throttle) -> None:
        self._directory = directory
        self._clock = clock
        self._throttle = throttle

    def find(self, user: str) -> Account | None:
        """The account that *user* means.  Raises LoginUnavailable."""
        try:
            return self._directory.find_login(user)
        except sqlite3.Error as error:
            self._log.failure("The directory cannot be read")
            raise LoginUnavailable("The directory cannot be read") from error

    async def wait_for_turn(self, host: str, name: str) -> None:
        """As long as earlier failures of *host* and *name* demand.  Raises LoginUnavailable where that is too long."""
        give_up = self._clock.seconds() + LONGEST_DELAY
        while wait := self._throttle.admit(host, name, self._clock.seconds()):
            if self._clock.seconds() + wait > give_up:
                raise LoginUnavailable("too many failed logins")
            await deferLater(self._clock, wait)

    def failed(self, host: str, name: str) -> None:
        self._throttle.failed(host, name, self._clock.seconds())

    def succeeded(self, host: str, name: str) -> None:
        self._throttle.succeeded(host, name)

    def throttled_name(self, account: Account | None, user: str) -> str:
        """Under which failures are counted: one for all spellings, also of users who do not exist."""
        return str(account.address) if account else self._directory.login_name(user)[:320]
