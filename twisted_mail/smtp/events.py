"""What an SMTP server session has to say, beside what every session has (session.py)."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_mail.session import Authenticate, Closed, Event, Inquire, Question, Refused, StartTLS, Wait
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Recipient

__all__ = [
    "Authenticate",
    "Closed",
    "DataChunk",
    "EndOfData",
    "Event",
    "Expand",
    "Hello",
    "Inquire",
    "Introduced",
    "MailFrom",
    "Question",
    "RcptTo",
    "Refused",
    "Reset",
    "StartTLS",
    "Wait",
]


@dataclass(frozen=True, slots=True)
class Hello(Event):
    """EHLO, HELO or LHLO, answered by the session itself.  Any transaction is over."""

    name: str
    extended: bool


@dataclass(frozen=True, slots=True)
class Introduced(Event):
    """XCLIENT, answered with a new greeting: a trusted proxy speaks for somebody else from now on.

    What the session knew is forgotten, also who has logged in.
    """

    address: str
    """IP address of the client; empty: the proxy does not know it."""
    hello: str
    """What the client called itself; empty: it will say so itself."""
    extended: bool
    """By EHLO."""


@dataclass(frozen=True, slots=True)
class MailFrom(Question):
    """MAIL: a transaction begins.  *sender* is None for the null reverse-path."""

    sender: Address | None
    options: MailOptions


@dataclass(frozen=True, slots=True)
class RcptTo(Question):
    """RCPT: one more recipient."""

    recipient: Recipient


@dataclass(frozen=True, slots=True)
class Expand(Question):
    """EXPN of somebody who has logged in: who is on this list (RFC 5321 §3.5)?"""

    alias: Address
    """Its domain is empty where the client named none."""
    smtputf8: bool
    """The answer may hold UTF-8 (RFC 6531 §3.7.4.2)."""


@dataclass(frozen=True, slots=True)
class DataChunk(Event):
    """The next piece of the message, LF line ends, dots un-stuffed."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EndOfData(Question):
    """The message is complete: take it or refuse it.  In LMTP one answer a recipient, in order (RFC 2033 §4.2)."""


@dataclass(frozen=True, slots=True)
class Reset(Event):
    """The transaction is over without a message: RSET, a new EHLO, STARTTLS, or data that the session refused."""
