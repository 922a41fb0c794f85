"""What a POP3 server session has to say, beside what every session has (session.py).

Once the login has handed the session its listing, STAT, LIST, UIDL, DELE, RSET and NOOP are answered inside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_mail.session import Authenticate, Closed, Event, Inquire, Question, Refused, StartTLS, Wait

__all__ = [
    "Authenticate",
    "Backlog",
    "Closed",
    "Event",
    "Inquire",
    "Question",
    "Refused",
    "Retrieve",
    "StartTLS",
    "Update",
    "Wait",
]


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
class Backlog(Event):
    """Many octets of replies are pending: send them, and wait until the client has read them, before going on.

    So a client that pipelines a thousand LISTs and reads nothing costs one of them in memory.
    """
