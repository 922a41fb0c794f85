"""Who may do what: twisted.cred's realm.  The avatar is the policy (see interfaces.py).

Anonymous gets a target that takes local recipients only; a user gets one that also takes mail from them, or their
maildrop.  What a server has no use for is None here, and asking for it is a mistake in how it was put together.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.cred.checkers import ANONYMOUS
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred, succeed
from zope.interface import Interface, implementer

from twisted_mail.auth.names import login_and_view
from twisted_mail.interfaces import IDeliveryTarget, IMailboxStore, IMaildrop
from twisted_mail.pop3.terms import Terms
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import Origin

Login = tuple[type[Interface], object, Callable[[], None]]
"""What a portal returns: the interface, the avatar, and what to call when the session ends."""


@implementer(IRealm)
class MailRealm:
    """Avatars for SMTP sessions, submission sessions and POP3 sessions."""

    def __init__(
        self,
        anonymous: IDeliveryTarget | None,
        submission: Callable[[Address], IDeliveryTarget] | None,
        mailboxes: IMailboxStore | None,
        terms: Callable[[Address], Terms] = lambda account: Terms(),
    ) -> None:
        """*submission* makes the target of one account; *terms* are those of the maildrops."""
        self._anonymous = anonymous
        self._submission = submission
        self._mailboxes = mailboxes
        self._terms = terms

    def requestAvatar(self, avatarId: bytes | tuple[()], mind: object, *interfaces: type[Interface]) -> Deferred[Login]:
        """*mind* is the session's Origin.  Fails with what `IMailboxStore.open_maildrop` raises."""
        if avatarId is ANONYMOUS and IDeliveryTarget in interfaces and self._anonymous is not None:
            return succeed((IDeliveryTarget, self._anonymous, nothing_to_end))
        return Deferred.fromCoroutine(self._avatar(avatarId, mind, interfaces))

    async def _avatar(
        self, avatar_id: bytes | tuple[()], mind: object, interfaces: tuple[type[Interface], ...]
    ) -> Login:
        if isinstance(avatar_id, bytes):
            account = parse_address(avatar_id.decode())
            if IDeliveryTarget in interfaces and self._submission is not None:
                return IDeliveryTarget, self._submission(account), nothing_to_end
            if IMaildrop in interfaces and self._mailboxes is not None:
                assert isinstance(mind, Origin)
                _, view = login_and_view(mind.user)
                maildrop = await self._mailboxes.open_maildrop(account, mind, self._terms(account), view)
                return IMaildrop, maildrop, maildrop.release
        raise NotImplementedError(f"no avatar for {interfaces}")


def nothing_to_end() -> None:
    """Logging out of what holds nothing."""
