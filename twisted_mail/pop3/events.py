"""What a POP3 server session has to say.  A `Question` owes an answer, the others do not.

Once the login has handed the session its listing, STAT, LIST, UIDL, DELE, RSET and NOOP are answered inside it.
"""

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
    """STLS was answered with +OK: send what is pending, start TLS, then call `tls_started` (RFC 2595 §4)."""


@dataclass(frozen=True, slots=True)
class Inquire(Question):
    """An AUTH exchange must be told something: answer with `inform` or `refuse`."""

    inquiry: Inquiry


@dataclass(frozen=True, slots=True)
class Authenticate(Question):
    """USER and PASS, or an AUTH exchange, gave these credentials: answer with `logged_in` or `refuse`."""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Retrieve(Question):
    """RETR, or TOP with *lines* of the body: send message *index* (from 0), or `refuse`."""

    index: int
    lines: int | None = None


@dataclass(frozen=True, slots=True)
class Update(Question):
    """QUIT in TRANSACTION: delete these (indexes from 0), then `updated` or `refuse` (RFC 1939 §6)."""

    deleted: frozenset[int]


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The session refused a command by itself; for the log."""

    command: str
    reply: str


@dataclass(frozen=True, slots=True)
class Closed(Event):
    """The session is over: send what is pending, then close the connection."""

    reason: str


@dataclass(frozen=True, slots=True)
class Backlog(Event):
    """Many octets of replies are pending: send them, and wait until the client has read them, before going on.

    So a client that pipelines a thousand LISTs and reads nothing costs one of them in memory.
    """
