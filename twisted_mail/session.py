"""What every session has to say, whichever protocol it speaks.  A `Question` owes an answer, the others do not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from twisted_mail.sasl import Credentials, Inquiry


class Wait(Enum):
    """Why there is no event."""

    NEED_DATA = auto()
    PAUSED = auto()
    """The last question has no answer yet."""


class Event:
    """Something happened."""

    __slots__ = ()


class Question(Event):
    """Something that the server must answer before the session goes on."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class StartTLS(Event):
    """The client was told to go on: send what is pending, start TLS, then call `tls_started` (RFC 3207, RFC 2595 §4).

    What the session knew is forgotten with it, also who has logged in (RFC 3207 §4.2).
    """


@dataclass(frozen=True, slots=True)
class Inquire(Question):
    """An AUTH exchange must be told something: call `inform` with it, or refuse."""

    inquiry: Inquiry


@dataclass(frozen=True, slots=True)
class Authenticate(Question):
    """A name and a password, or an AUTH exchange, gave these credentials: are they good?"""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The session refused a command by itself; for the log.  *command* is never a line that may hold a password."""

    command: str
    reply: str


@dataclass(frozen=True, slots=True)
class Closed(Event):
    """The session is over: send what is pending, then close the connection."""

    reason: str
