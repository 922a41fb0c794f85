"""Avatars: which target or maildrop somebody gets, and what is called at the end."""

from __future__ import annotations

from dataclasses import replace

from twisted.cred.checkers import ANONYMOUS
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface import Interface, implementer
from zope.interface.verify import verifyObject

from twisted_mail.auth.realm import MailRealm
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IMailboxStore, IMaildrop, MaildropLocked
from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.terms import Terms
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin

ORIGIN = Origin("192.0.2.1", "session", protocol="POP3")
ALICE = Address("alice", "example.org")


@implementer(IDeliveryTarget)
class Target:
    """Refuses nothing and takes nothing: only its identity matters here."""

    def __init__(self, account: Address | None = None) -> None:
        self.account = account

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        raise NotImplementedError


@implementer(IMailboxStore)
class Store:
    """One maildrop an account, one session at a time."""

    def __init__(self) -> None:
        self.locked: dict[Address, Origin] = {}
        self.opened: list[tuple[str, Terms, str]] = []

    async def open_maildrop(self, account: Address, origin: Origin, terms: Terms, view: str) -> IMaildrop:
        self.opened.append((origin.user, terms, view))
        if account in self.locked:
            raise MaildropLocked("another session has it")
        self.locked[account] = origin
        return Maildrop(self, account)  # type: ignore[return-value]  # the realm only calls release()


class Maildrop:
    listing = Listing([], [])

    def __init__(self, store: Store, account: Address) -> None:
        self.store = store
        self.account = account

    def release(self) -> None:
        self.store.locked.pop(self.account, None)


class RealmTests(TestCase):
    def setUp(self) -> None:
        self.inbound = Target()
        self.store = Store()
        self.realm = MailRealm(self.inbound, Target, self.store)

    def avatar(self, avatar_id: bytes | tuple[()], *interfaces: type[Interface]) -> Deferred[object]:
        return self.realm.requestAvatar(avatar_id, ORIGIN, *interfaces)

    def test_realm_is_what_cred_asks_for(self) -> None:
        verifyObject(IRealm, self.realm)

    def test_anonymous_gets_the_inbound_target(self) -> None:
        interface, avatar, logout = self.successResultOf(self.avatar(ANONYMOUS, IDeliveryTarget))
        self.assertIs(IDeliveryTarget, interface)
        self.assertIs(self.inbound, avatar)
        logout()

    def test_user_gets_a_submission_target_of_their_own(self) -> None:
        interface, avatar, _ = self.successResultOf(self.avatar(b"alice@example.org", IDeliveryTarget))
        self.assertIs(IDeliveryTarget, interface)
        self.assertEqual(ALICE, avatar.account)

    def test_user_gets_the_maildrop_and_logging_out_releases_it(self) -> None:
        interface, _, logout = self.successResultOf(self.avatar(b"alice@example.org", IMaildrop))
        self.assertIs(IMaildrop, interface)
        self.assertEqual({ALICE: ORIGIN}, self.store.locked)
        self.failureResultOf(self.avatar(b"alice@example.org", IMaildrop), MaildropLocked)
        logout()
        self.assertEqual({}, self.store.locked)

    def test_the_view_is_what_the_user_named_and_the_terms_are_the_accounts(self) -> None:
        terms = Terms(30, 60)
        realm = MailRealm(None, None, self.store, {ALICE: terms}.__getitem__)
        for user, view in (("alice@example.org%laptop", "laptop"), ("alice%laptop", "laptop"), ("alice", "")):
            origin = replace(ORIGIN, user=user)
            _, _, logout = self.successResultOf(realm.requestAvatar(b"alice@example.org", origin, IMaildrop))
            self.assertEqual((user, terms, view), self.store.opened[-1])
            logout()

    def test_nobody_gets_what_they_may_not_have(self) -> None:
        self.failureResultOf(self.avatar(ANONYMOUS, IMaildrop), NotImplementedError)
        self.failureResultOf(self.avatar(b"alice@example.org", Interface), NotImplementedError)
        self.realm = MailRealm(None, None, None)
        for avatar_id, interface in (
            (ANONYMOUS, IDeliveryTarget),
            (b"alice@example.org", IDeliveryTarget),
            (b"alice@example.org", IMaildrop),
        ):
            self.failureResultOf(self.avatar(avatar_id, interface), NotImplementedError)
