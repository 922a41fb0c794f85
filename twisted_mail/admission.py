"""Who may do what, put together: how people prove who they are, and a portal for each service of [listen].

The avatars are the policy (idea 4 of docs/architecture.md): what a portal gives is what its client may do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.portal import Portal

from twisted_mail.auth.checker import AppPasswordUse, PasswordChecker, ProofChecker
from twisted_mail.auth.directory import Directory
from twisted_mail.auth.inquiries import Inquiries
from twisted_mail.auth.logins import Logins
from twisted_mail.auth.realm import MailRealm
from twisted_mail.capturing import AnyLogin
from twisted_mail.config import Config
from twisted_mail.content import Blocking
from twisted_mail.delivery.inbound import LoginRequired
from twisted_mail.interfaces import IDeliveryTarget, IMailboxStore
from twisted_mail.issuers import oauth
from twisted_mail.neighbours import Neighbours
from twisted_mail.smtp.address import Address


@dataclass(frozen=True, slots=True)
class Avatars:
    """What there is to be had."""

    of_strangers: IDeliveryTarget
    of_programs: IDeliveryTarget
    """Which hand over mail by LMTP."""
    of_user: Callable[[Address], IDeliveryTarget]
    mailboxes: IMailboxStore


class Admission:
    """The logins of one process."""

    def __init__(
        self,
        config: Config,
        directory: Directory,
        hashing: Blocking,
        asking: Blocking,
        neighbours: Neighbours,
        reactor: Any,
    ) -> None:
        """*hashing*: in the threads that check passwords; *asking*: in those that wait for issuers of tokens."""
        logins = Logins(directory, reactor, neighbours.throttle)
        self._captures = config.capture
        self._directory = directory
        self.inquiries = Inquiries(directory, logins, oauth(config, asking))
        self.passwords = PasswordChecker(directory, hashing, logins, neighbours.recent)
        self._proofs = ProofChecker(logins, AppPasswordUse(directory, hashing))

    def portals(self, avatars: Avatars) -> Mapping[str, Portal]:
        """By service of [listen]."""
        strangers = Portal(MailRealm(avatars.of_strangers, None, None), [AllowAnonymousAccess()])
        programs = Portal(MailRealm(avatars.of_programs, None, None), [AllowAnonymousAccess()])
        readers = MailRealm(None, None, avatars.mailboxes, self._directory.terms.of)
        pop3 = Portal(readers, [self.passwords, self._proofs])
        senders = self._senders(avatars)
        return {
            "smtp": strangers,
            "submission": senders,
            "submissions": senders,
            "lmtp": programs,
            "pop3": pop3,
            "pop3s": pop3,
        }

    def _senders(self, avatars: Avatars) -> Portal:
        if self._captures:  # with any login, or none
            anybody = MailRealm(avatars.of_strangers, lambda account: avatars.of_strangers, None)
            return Portal(anybody, [AllowAnonymousAccess(), AnyLogin()])
        users = MailRealm(LoginRequired(), avatars.of_user, None)
        return Portal(users, [AllowAnonymousAccess(), self.passwords, self._proofs])
