"""What SASL exchanges ask for: a user's verifiers, and whose a token is.

Users who do not exist have verifiers too, which nothing fits.  The salt is computed from the address, so that it is the
same each time, also for those.  An attempt waits here, before the client can show its proof, as a password waits before
it is checked.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.auth.apppasswords import Purpose
from twisted_mail.auth.directory import Account, Directory
from twisted_mail.auth.logins import Logins
from twisted_mail.auth.tokens import Issuer, IssuerUnavailable, Tokens
from twisted_mail.auth.verifiers import ITERATIONS
from twisted_mail.bearer import TokenOffered, TokenVerdict
from twisted_mail.content import Blocking
from twisted_mail.crammd5 import ChallengeWanted, PasswordWanted, StoredPassword
from twisted_mail.interfaces import IInquiries, LoginUnavailable
from twisted_mail.sasl import Inquiry
from twisted_mail.scram import Keys, Secret, SecretWanted, Verifier
from twisted_mail.smtp.envelope import Origin

MAX_LOOKING = 100
"""Tokens that are being looked at: with an issuer that does not answer, each takes some seconds."""


@dataclass(frozen=True, slots=True)
class OAuth:
    """How tokens are looked at."""

    issuer: Issuer
    tokens: Tokens
    blocking: Blocking
    """Runs that in one of a few threads, which do nothing else."""


@implementer(IInquiries)
class Inquiries:
    """Answers each kind of inquiry; which mechanisms are offered decides which kinds come."""

    _log = Logger()

    def __init__(self, directory: Directory, logins: Logins, oauth: OAuth | None = None) -> None:
        """*oauth*: what looks at tokens, where those mechanisms are offered."""
        self._directory = directory
        self._logins = logins
        self._oauth = oauth
        self._looking = 0

    async def answer(self, inquiry: Inquiry, origin: Origin) -> object:
        return await _ANSWERS[type(inquiry)](self, inquiry, origin)

    async def _secret(self, wanted: SecretWanted, origin: Origin) -> Secret:
        account = self._logins.find(wanted.user)
        await self._logins.wait_for_turn(origin.peer, self._logins.throttled_name(account, wanted.user))
        found = self._verifiers(account, purpose_of(origin)) if account is not None else {}
        first = next(iter(found.values()), None)
        salt = first.salt if first else self._directory.login_salt(wanted.user)
        iterations = first.iterations if first else ITERATIONS
        usable = [each for each in found.items() if (each[1].salt, each[1].iterations) == (salt, iterations)]
        keys = [Keys(verifier.keys.stored, verifier.keys.server, name) for name, verifier in usable]
        return Secret(salt, iterations, tuple(keys) or (_no_keys(),), secrets.token_urlsafe(18))

    async def _token(self, offered: TokenOffered, origin: Origin) -> TokenVerdict:
        oauth = self._oauth
        assert oauth is not None
        claimed = self._logins.find(offered.user)
        await self._logins.wait_for_turn(origin.peer, self._logins.throttled_name(claimed, offered.user))
        owner = self._logins.find(await self._owner(oauth, offered.token))
        if owner is None or (offered.user and claimed != owner):
            return TokenVerdict("", oauth.issuer.configuration)
        return TokenVerdict(str(owner.address))

    async def _owner(self, oauth: OAuth, token: str) -> str:
        """Empty: the token is not good.  Raises LoginUnavailable."""
        if self._looking >= MAX_LOOKING:
            raise LoginUnavailable("too many tokens at once")
        self._looking += 1
        try:
            return str(await oauth.blocking(lambda: oauth.tokens.address(token)) or "")
        except IssuerUnavailable as error:
            self._log.error("{issuer}: {error}", issuer=oauth.issuer.url, error=str(error))
            raise LoginUnavailable("the issuer of tokens does not answer") from error
        finally:
            self._looking -= 1

    async def _challenge(self, wanted: ChallengeWanted, origin: Origin) -> str:
        return f"<{secrets.token_hex(16)}@twisted-mail>"

    async def _password(self, wanted: PasswordWanted, origin: Origin) -> StoredPassword:
        account = self._logins.find(wanted.user)
        await self._logins.wait_for_turn(origin.peer, self._logins.throttled_name(account, wanted.user))
        return StoredPassword(self._directory.shared_secret(account.address) if account is not None else None)

    def _verifiers(self, account: Account, purpose: Purpose | None) -> Mapping[str, Verifier]:
        """The account's own first."""
        own = {"": Verifier.parse(account.verifier)} if account.verifier else {}
        if purpose is None:
            return own
        return own | self._directory.app_passwords.verifiers(account.address, purpose)


_ANSWERS: Mapping[type[Inquiry], Callable[[Inquiries, Any, Origin], Awaitable[object]]] = {
    SecretWanted: Inquiries._secret,
    TokenOffered: Inquiries._token,
    ChallengeWanted: Inquiries._challenge,
    PasswordWanted: Inquiries._password,
}


def purpose_of(origin: Origin) -> Purpose | None:
    """What a session is for; None: for what app passwords are no good, as the web page.  LMTP has no logins."""
    return _PURPOSES.get(origin.protocol)


_PURPOSES = {"SMTP": Purpose.SMTP, "POP3": Purpose.POP3}


def _no_keys() -> Keys:
    return Keys(secrets.token_bytes(32), secrets.token_bytes(32))
