"""Logging in as a client (RFC 4954): SCRAM-SHA-256, PLAIN and LOGIN, the other side of mechanisms.py."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from twisted_mail.sasl import PasswordCredentials, SASLError
from twisted_mail.scramclient import ScramClient


class _Client(Protocol):
    """A mechanism's run."""

    @property
    def initial(self) -> bytes | None:
        """What stands in the AUTH command."""

    @property
    def proven(self) -> bool:
        """The server may say yes now."""

    def respond(self, challenge: bytes) -> bytes | None:
        """None: nothing more is to be said.  Raises SASLError."""


class _Speech:
    """A mechanism whose responses do not depend on what the server says."""

    def __init__(self, initial: bytes | None, *responses: bytes) -> None:
        self.initial = initial
        self.proven = True
        self._responses = iter(responses)

    def respond(self, challenge: bytes) -> bytes | None:
        return next(self._responses, None)


def _plain(credentials: PasswordCredentials, nonce: str) -> _Client:
    """RFC 4616 §2."""
    return _Speech(f"\0{credentials.user}\0{credentials.password}".encode())


def _login(credentials: PasswordCredentials, nonce: str) -> _Client:
    return _Speech(None, credentials.user.encode(), credentials.password.encode())


@dataclass(frozen=True, slots=True)
class _Mechanism:
    begin: Callable[[PasswordCredentials, str], _Client]
    is_choosy: bool = False
    """Servers offer it that cannot do it for every account: then another one may do."""


_MECHANISMS: Mapping[str, _Mechanism] = {
    "SCRAM-SHA-256": _Mechanism(ScramClient, is_choosy=True),
    "PLAIN": _Mechanism(_plain),
    "LOGIN": _Mechanism(_login),
}
"""The best first."""


class LoginExchange:
    """One run of AUTH.  `command` is its first line, each `respond` the next, without line ends."""

    __slots__ = ("_client", "command", "is_choosy", "mechanism")

    def __init__(self, mechanism: str, credentials: PasswordCredentials, nonce: str) -> None:
        """*mechanism*: one that `known` gave; *nonce*: fresh, printable ASCII without commas."""
        row = _MECHANISMS[mechanism]
        self.mechanism = mechanism
        self.is_choosy = row.is_choosy
        self._client = row.begin(credentials, nonce)
        initial = self._client.initial
        self.command = f"AUTH {mechanism}".encode() + (b"" if initial is None else b" " + b64encode(initial))

    @property
    def proven(self) -> bool:
        """The server may say yes now: where the mechanism has it prove something, it has done so."""
        return self._client.proven

    def respond(self, challenge: str) -> bytes | None:
        """The answer to a 334 with that text; None: the mechanism has nothing more to say.  Raises SASLError."""
        try:
            octets = b64decode(challenge)
        except binascii.Error as error:
            raise SASLError("its challenge is not base64") from error
        response = self._client.respond(octets)
        return None if response is None else b64encode(response)


def known(offered: tuple[str, ...]) -> list[str]:
    """Those of the mechanisms *offered*, in upper case, that we know; the best first."""
    return [name for name in _MECHANISMS if name in offered]
