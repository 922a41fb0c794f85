"""What an SMTP server session has to say.  A `Question` owes an answer (`ServerSession.answer`), the others do not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from twisted_mail.sasl import Credentials, Inquiry
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Recipient


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
class Hello(Event):
    """EHLO, HELO or LHLO, answered by the session itself.  Any transaction is over."""

    name: str
    extended: bool


@dataclass(frozen=True, slots=True)
class StartTLS(Event):
    """STARTTLS was answered with 220: send what is pending, start TLS, then call `tls_started`.

    What the session knew is forgotten with it, also who has logged in (RFC 3207 §4.2).
    """


@dataclass(frozen=True, slots=True)
class Inquire(Question):
    """An AUTH exchange must be told something: call `inform` with it, or `answer` with why that is not possible."""

    inquiry: Inquiry


@dataclass(frozen=True, slots=True)
class Authenticate(Question):
    """An AUTH exchange gave these credentials: are they good?"""

    credentials: Credentials


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
class DataChunk(Event):
    """The next piece of the message, LF line ends, dots un-stuffed."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EndOfData(Question):
    """The message is complete: take it or refuse it.  In LMTP one answer a recipient, in order (RFC 2033 §4.2)."""


@dataclass(frozen=True, slots=True)
class Reset(Event):
    """The transaction is over without a message: RSET, a new EHLO, STARTTLS, or data that the session refused."""


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The session refused a command by itself; for the log.  *command* is never a line that may hold a password."""

    command: str
    reply: str


@dataclass(frozen=True, slots=True)
class Closed(Event):
    """The session is over: send what is pending, then close the connection."""

    reason: str
