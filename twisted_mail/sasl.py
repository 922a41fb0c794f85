"""The words that SASL mechanisms and protocols share (RFC 4422), from the server's side.  SMTP and POP3 both use them.

A mechanism's run is an `Exchange`.  It takes the client's next response and returns what comes next: a challenge for
the client, an inquiry that the server must answer (a stored secret, say), or credentials, which end it.  Base64 and the
protocol's way to cancel belong to the protocols (RFC 4954 §4, RFC 5034 §4); mechanisms.py lists the mechanisms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

MAX_RESPONSE = 12_288
"""Octets of one base64 line (RFC 4954 §4)."""


class SASLError(Exception):
    """The response is malformed; the exchange is over.  The text is for the peer."""


# ---- what an exchange returns


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send this, and wait for a response.  An empty challenge only asks for the initial response."""

    data: bytes


class Inquiry:
    """Something that an exchange must be told before it goes on.  Each kind names the type of its answer."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PasswordCredentials:
    """What PLAIN and LOGIN give: *user* may be an address or a local part, not checked yet."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProvenCredentials:
    """What the other mechanisms give: whether *user* has shown to know a secret, without saying it."""

    user: str
    proven: bool
    """False: refuse it like a wrong password."""
    secret: str = ""
    """The name of the app password that it was, empty for the account's own."""


Credentials = PasswordCredentials | ProvenCredentials
Step = Challenge | Inquiry | Credentials


class Exchange(ABC):
    """One run of a mechanism."""

    __slots__ = ()

    @abstractmethod
    def respond(self, response: bytes | None) -> Step:
        """What follows the client's *response*; None stands for "no initial response".  Raises SASLError."""

    def inform(self, answer: object) -> Step:
        """What follows the server's *answer* to the inquiry that was returned last.  Raises SASLError."""
        raise RuntimeError("nothing was asked")


# ---- what mechanisms have in common


def utf8(octets: bytes) -> str:
    """Raises SASLError."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise SASLError("Names and passwords are UTF-8") from None


def check_name(user: str, identity: str = "") -> str:
    """The *user*, who acts as nobody else.  Raises SASLError."""
    if not user:
        raise SASLError("The name must not be empty")
    if not user.isprintable():
        raise SASLError("Control characters are not allowed in a name")
    if identity and identity != user:
        raise SASLError("Acting as somebody else is not supported: leave the authorization identity empty")
    return user
