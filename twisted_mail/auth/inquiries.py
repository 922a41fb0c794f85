"""What SASL exchanges ask for: a user's verifiers.  For users who do not exist there are some that nothing fits.

The salt is computed from the address, so that it is the same each time, also for those.  An attempt waits here, before
the client can show its proof, as a password waits before it is checked.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from zope.interface import implementer

from twisted_mail.auth.apppasswords import Purpose
from twisted_mail.auth.directory import Account, Directory
from twisted_mail.auth.logins import Logins, throttled_name
from twisted_mail.interfaces import IInquiries
from twisted_mail.sasl import Inquiry
from twisted_mail.scram import ITERATIONS, Keys, Secret, SecretWanted, Verifier
from twisted_mail.smtp.envelope import Origin


@implementer(IInquiries)
class Inquiries:
    """Answers each kind of inquiry; which mechanisms are offered decides which kinds come."""

    def __init__(self, directory: Directory, logins: Logins) -> None:
        self._directory = directory
        self._logins = logins

    async def answer(self, inquiry: Inquiry, origin: Origin) -> object:
        return await _ANSWERS[type(inquiry)](self, inquiry, origin)

    async def _secret(self, wanted: SecretWanted, origin: Origin) -> Secret:
        account = await self._logins.find(wanted.user)
        await self._logins.wait_for_turn(origin.peer, throttled_name(account, wanted.user))
        found = self._verifiers(account, purpose_of(origin)) if account is not None else {}
        first = next(iter(found.values()), None)
        salt = first.salt if first else self._directory.login_salt(wanted.user)
        iterations = first.iterations if first else ITERATIONS
        usable = [each for each in found.items() if (each[1].salt, each[1].iterations) == (salt, iterations)]
        keys = [Keys(verifier.keys.stored, verifier.keys.server, name) for name, verifier in usable]
        return Secret(salt, iterations, tuple(keys) or (_no_keys(),), secrets.token_urlsafe(18))

    def _verifiers(self, account: Account, purpose: Purpose) -> Mapping[str, Verifier]:
        """The account's own first."""
        own = {"": Verifier.parse(account.verifier)} if account.verifier else {}
        return own | self._directory.app_passwords.verifiers(account.address, purpose)


_ANSWERS: Mapping[type[Inquiry], Callable[[Inquiries, Any, Origin], Awaitable[object]]] = {
    SecretWanted: Inquiries._secret,
}


def purpose_of(origin: Origin) -> Purpose:
    """What a session is for: LMTP has no logins."""
    return Purpose.POP3 if origin.protocol == "POP3" else Purpose.SMTP


def _no_keys() -> Keys:
    return Keys(secrets.token_bytes(32), secrets.token_bytes(32))
