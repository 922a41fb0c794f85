"""The server's side of SASL (RFC 4422): challenge in, credentials out.  SMTP and POP3 share it.

A mechanism is a small object with one exchange in it: `respond` takes the client's next response and returns what
comes next.  Base64 and the protocol's way to cancel belong to the protocols (RFC 4954 §4, RFC 5034 §4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

MAX_RESPONSE = 12_288
"""Octets of one base64 line (RFC 4954 §4)."""


class SASLError(Exception):
    """The response is malformed; the exchange is over.  The text is for the peer."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send this, and wait for a response.  An empty challenge only asks for the initial response."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PasswordCredentials:
    """What PLAIN and LOGIN give: *user* may be an address or a local part, not checked yet."""

    user: str
    password: str = field(repr=False)


Credentials = PasswordCredentials


class Exchange(Protocol):
    """One run of a mechanism."""

    def respond(self, response: bytes | None) -> Challenge | Credentials:
        """What follows the client's *response*; None stands for "no initial response".  Raises SASLError."""


class Plain:
    """PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd` in UTF-8."""

    def respond(self, response: bytes | None) -> Challenge | Credentials:
        if response is None:
            return Challenge(b"")
        parts = _utf8(response).split("\0")
        if len(parts) != 3:
            raise SASLError("PLAIN wants: identity NUL user NUL password")
        identity, user, password = parts
        if identity and identity != user:
            raise SASLError("Acting as somebody else is not supported: leave the authorization identity empty")
        return _password_credentials(user, password)


class Login:
    """LOGIN (draft-murchison-sasl-login): a prompt for the name, a prompt for the password.

    Clients look at the prompts, so they are exactly `Username:` and `Password:`.
    """

    def __init__(self) -> None:
        self._user: str | None = None

    def respond(self, response: bytes | None) -> Challenge | Credentials:
        if response is None:
            return Challenge(b"Username:")
        if self._user is None:
            self._user = _utf8(response)
            return Challenge(b"Password:")
        return _password_credentials(self._user, _utf8(response))


MECHANISMS: Mapping[str, Callable[[], Exchange]] = {"PLAIN": Plain, "LOGIN": Login}
"""Name -> a new exchange, in the order in which they are offered."""


def _utf8(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise SASLError("Names and passwords are UTF-8") from None


def _password_credentials(user: str, password: str) -> PasswordCredentials:
    if not user or not password:
        raise SASLError("Name and password must not be empty")
    if not user.isprintable() or "\0" in password:
        raise SASLError("Control characters are not allowed in a name")
    return PasswordCredentials(user, password)
