"""The SASL mechanisms that there are, and those that need no module of their own: PLAIN, LOGIN, EXTERNAL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from twisted_mail.bearer import oauthbearer, xoauth2
from twisted_mail.crammd5 import CramMD5
from twisted_mail.sasl import (
    Challenge,
    Exchange,
    Inquiry,
    PasswordCredentials,
    ProvenCredentials,
    SASLError,
    Step,
    check_name,
    utf8,
)
from twisted_mail.scram import Scram


class Plain(Exchange):
    """PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd` in UTF-8."""

    def respond(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge(b"")
        parts = utf8(response).split("\0")
        if len(parts) != 3:
            raise SASLError("PLAIN wants: identity NUL user NUL password")
        identity, user, password = parts
        return _password_credentials(check_name(user, identity), password)


class Login(Exchange):
    """LOGIN (draft-murchison-sasl-login): a prompt for the name, a prompt for the password.

    Clients look at the prompts, so they are exactly `Username:` and `Password:`.
    """

    def __init__(self) -> None:
        self._user: str | None = None

    def respond(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge(b"Username:")
        if self._user is None:
            self._user = utf8(response)
            return Challenge(b"Password:")
        return _password_credentials(check_name(self._user), utf8(response))


def _password_credentials(user: str, password: str) -> PasswordCredentials:
    if not password:
        raise SASLError("The password must not be empty")
    if "\0" in password:
        raise SASLError("NUL is not allowed in a password")
    return PasswordCredentials(user, password)


@dataclass(frozen=True, slots=True)
class CertificateWanted(Inquiry):
    """The addresses in the client's certificate, if an authority of ours signed it.  Its answer is a `Certified`."""


@dataclass(frozen=True, slots=True)
class Certified:
    """The answer; no addresses: there is no certificate, or none with an address."""

    addresses: tuple[str, ...]


class External(Exchange):
    """EXTERNAL (RFC 4422 appendix A): TLS has shown already who the client is."""

    def __init__(self) -> None:
        self._identity = ""

    def respond(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge(b"")
        self._identity = check_name(utf8(response)) if response else ""
        return CertificateWanted()

    def inform(self, answer: object) -> Step:
        assert isinstance(answer, Certified)
        if not self._identity and len(answer.addresses) > 1:
            raise SASLError("Your certificate has several addresses: name one as the authorization identity")
        certified = [address.lower() for address in answer.addresses]
        user = self._identity or "".join(certified)
        return ProvenCredentials(user, proven=user.lower() in certified)


# ---- the table


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A row of the table."""

    name: str
    begin: Callable[[Collection[str]], Exchange]
    """A new exchange, given the names of what was offered to the client."""
    needs_tls: bool = False
    """It binds to the TLS connection, or has its credentials from there."""


PLUS = "SCRAM-SHA-256-PLUS"

MECHANISMS: Mapping[str, Mechanism] = {
    row.name: row
    for row in (
        Mechanism(PLUS, lambda offered: Scram(plus=True, binding_offered=True), needs_tls=True),
        Mechanism("SCRAM-SHA-256", lambda offered: Scram(plus=False, binding_offered=PLUS in offered)),
        Mechanism("EXTERNAL", lambda offered: External(), needs_tls=True),
        Mechanism("OAUTHBEARER", lambda offered: oauthbearer()),
        Mechanism("XOAUTH2", lambda offered: xoauth2()),
        Mechanism("CRAM-MD5", lambda offered: CramMD5()),
        Mechanism("PLAIN", lambda offered: Plain()),
        Mechanism("LOGIN", lambda offered: Login()),
    )
}
"""By name, in the order in which they are offered: clients of little judgement take the first."""


def offered(names: Sequence[str], *, tls: bool) -> tuple[str, ...]:
    """Those of *names* that can be used now."""
    return tuple(name for name in names if tls or not MECHANISMS[name].needs_tls)
