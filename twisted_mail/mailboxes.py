"""Mail that stays here, put together: the Maildirs, what their owners want of them, and what looks after them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from twisted_mail.auth.directory import Directory
from twisted_mail.committing.committer import Committer
from twisted_mail.config import Config
from twisted_mail.content import Blocking
from twisted_mail.delivery.forwarding import Forwarding, ReturnPaths
from twisted_mail.durable import make_directory
from twisted_mail.interfaces import IDeliveryTarget, IUsers
from twisted_mail.mailbox.answering import Answers
from twisted_mail.mailbox.expiry import Mailbox
from twisted_mail.mailbox.expirytimer import ExpiryTimer
from twisted_mail.mailbox.journal import Bounds
from twisted_mail.mailbox.junk.judging import Filters, Judging
from twisted_mail.mailbox.junk.watching import FolderWatch
from twisted_mail.mailbox.maildrop import MaildirReader
from twisted_mail.mailbox.quota import LimitedMailboxes
from twisted_mail.mailbox.ruled import RuledMailboxes
from twisted_mail.mailbox.store import MailboxStore, maildir_of
from twisted_mail.mailbox.sweeping import Sweeper
from twisted_mail.mailbox.views import Views
from twisted_mail.mailbox.wishes import WishReader
from twisted_mail.policy.reputation import Reputation

Route = Callable[[], IDeliveryTarget]
"""Where mail goes that is written on account of mail: the router, which is made after the mailboxes."""


class Timer(Protocol):
    """What looks after something from time to time."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Mailboxes:
    """Those of all accounts, as one process sees them."""

    def __init__(
        self, config: Config, directory: Directory, committer: Committer, disk: Blocking, route: Route, reactor: Any
    ) -> None:
        """*disk*: how to wait for it; *reactor*: a clock."""
        self._config = config
        self._directory = directory
        self._disk = disk
        self._route = route
        self._reactor = reactor
        self._journal = Bounds(config.pop3.undo, octets=config.pop3.undo_size) if config.pop3.undo else None
        self.incoming = os.path.join(config.server_folder, "incoming")
        """The folder in which large messages lie while they come."""
        make_directory(self.incoming)
        reader = MaildirReader(committer, disk, journal=self._journal)
        views = Views(committer, disk, config.pop3.view_age)
        self.store = MailboxStore(config.data, config.hostname, committer, reader, views)
        quotas, hostname = directory.quotas, config.hostname
        self.room = LimitedMailboxes(self.store, self.store.path, quotas, route, hostname, disk, reactor)

    def target(self, users: IUsers, return_paths: ReturnPaths) -> IDeliveryTarget:
        """Takes mail for accounts: each one's filter judges it, each one's rules say where it goes."""
        forwarding = Forwarding(users, return_paths, self._directory.rewrites, self._route)
        answers = Answers(self.store.path, users.may_send_as, self._route, self._config.hostname, self._reactor)
        ruled = RuledMailboxes(self.room, WishReader(self.store.path), forwarding, answers)
        return Judging(ruled, Filters(self.store.path, self._disk))

    def timers(self, reputation: Reputation) -> tuple[Timer, ...]:
        """For the one process that has them.  *reputation* hears what users say of their mail."""
        data = self._config.data
        return (
            Sweeper(data, self.incoming, self._journal, self._disk, self._reactor),
            ExpiryTimer(self._expiring, self._disk, self._reactor),
            FolderWatch(data, reputation, self._disk, self._reactor),
        )

    def _expiring(self) -> Iterator[Mailbox]:
        """Those whose mail does not stay for ever."""
        data, hostname = self._config.data, self._config.hostname
        for account, stay in self._directory.terms.expiring():
            yield Mailbox(maildir_of(data, account), account, stay, hostname, self._journal)
