"""Avatars of the web page."""

from __future__ import annotations

from twisted.cred.checkers import ANONYMOUS
from twisted.cred.portal import IRealm
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from twisted_mail.affairs import IOwnAffairs
from twisted_mail.auth.pagerealm import PageRealm
from twisted_mail.interfaces import IMaildrop
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

ORIGIN = Origin("192.0.2.1", "session", protocol="HTTP")
ALICE = Address("alice", "example.org")


class PageRealmTests(TestCase):
    def setUp(self) -> None:
        self.realm = PageRealm(lambda account, origin: (account, origin))  # type: ignore[arg-type, return-value]

    def test_a_user_gets_what_is_made_for_the_account(self) -> None:
        verifyObject(IRealm, self.realm)
        login = self.realm.requestAvatar(b"alice@example.org", ORIGIN, IOwnAffairs)
        interface, avatar, log_out = self.successResultOf(login)
        self.assertEqual((IOwnAffairs, (ALICE, ORIGIN)), (interface, avatar))
        log_out()

    def test_strangers_get_nothing_and_users_no_mail(self) -> None:
        for avatar_id, interface in ((ANONYMOUS, IOwnAffairs), (b"alice@example.org", IMaildrop)):
            self.failureResultOf(self.realm.requestAvatar(avatar_id, ORIGIN, interface), NotImplementedError)
