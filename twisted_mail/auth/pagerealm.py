"""Who may do what on the web page: the realm of that login (realm.py has those of mail)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import Interface, implementer

from twisted_mail.affairs import IOwnAffairs
from twisted_mail.auth.realm import Login, nothing_to_end
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import Origin


@implementer(IRealm)
class PageRealm:
    """Avatars for the web page.  There is none for strangers."""

    def __init__(self, avatar: Callable[[Address, Origin], IOwnAffairs]) -> None:
        """*avatar* makes that of an account: an administrator's can do more."""
        self._avatar = avatar

    def requestAvatar(self, avatarId: bytes | tuple[()], mind: object, *interfaces: type[Interface]) -> Deferred[Login]:
        """*mind* is the login's Origin."""
        if not (isinstance(avatarId, bytes) and isinstance(mind, Origin) and IOwnAffairs in interfaces):
            return fail(NotImplementedError(f"no avatar for {interfaces}"))
        return succeed((IOwnAffairs, self._avatar(parse_address(avatarId.decode()), mind), nothing_to_end))
