"""Logging in as a client (RFC 4954): PLAIN and LOGIN, the other side of sasl.py."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping

from twisted_mail.sasl import PasswordCredentials

Responses = Iterator[bytes]
"""What the client says, decoded: the initial response first, if the mechanism has one."""


def _plain(credentials: PasswordCredentials) -> Responses:
    """RFC 4616 §2."""
    yield f"\0{credentials.user}\0{credentials.password}".encode()


def _login(credentials: PasswordCredentials) -> Responses:
    yield credentials.user.encode()
    yield credentials.password.encode()


_MECHANISMS: Mapping[str, tuple[Callable[[PasswordCredentials], Responses], bool]] = {
    "PLAIN": (_plain, True),
    "LOGIN": (_login, False),
}
"""Name -> what it says, and whether the first of it goes into the AUTH command; the best mechanism first."""


class LoginExchange:
    """One run of AUTH.  `command` is its first line, each `respond` the next, without line ends."""

    __slots__ = ("_responses", "command")

    def __init__(self, mechanism: str, credentials: PasswordCredentials) -> None:
        """*mechanism*: what `choose` gave."""
        responses, has_initial = _MECHANISMS[mechanism]
        self._responses = responses(credentials)
        initial = b" " + b64encode(next(self._responses)) if has_initial else b""
        self.command = f"AUTH {mechanism}".encode() + initial

    def respond(self) -> bytes | None:
        """The answer to a 334; None: the mechanism has nothing more to say."""
        response = next(self._responses, None)
        return None if response is None else b64encode(response)


def choose(offered: tuple[str, ...]) -> str | None:
    """The best of the mechanisms *offered*, in upper case; None: we know none of them."""
    return next((name for name in _MECHANISMS if name in offered), None)
