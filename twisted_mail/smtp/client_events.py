"""What an SMTP client session has to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from twisted_mail.smtp.client_offer import PeerOffer
from twisted_mail.smtp.envelope import Recipient
from twisted_mail.smtp.reply import Reply


class Stage(Enum):
    """What a reply is awaited to.  Each has its time-out (RFC 5321 §4.5.3.2)."""

    GREETING = auto()
    HELLO = auto()
    STARTTLS = auto()
    LOGIN = auto()
    RESET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    TEXT = auto()
    """The text is on its way: no reply is due before its end."""
    END = auto()
    """The final dot, or the last octet of BDAT, is sent."""
    QUIT = auto()


class ClientEvent:
    """Something happened that the caller waits for."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Ready(ClientEvent):
    """The peer knows who we are, and we what it offers."""

    offer: PeerOffer


@dataclass(frozen=True, slots=True)
class TLSAgreed(ClientEvent):
    """STARTTLS was answered with 220: start TLS now, then call `tls_started`."""


@dataclass(frozen=True, slots=True)
class LoggedIn(ClientEvent):
    """AUTH was answered with 235."""


@dataclass(frozen=True, slots=True)
class SendText(ClientEvent):
    """The peer waits for the message: call `text` for each piece, then `end_text`."""


@dataclass(frozen=True, slots=True)
class Finished(ClientEvent):
    """The transaction is over.  *replies*: the last word on each recipient; positive: the peer has the message."""

    replies: Mapping[Recipient, Reply]


@dataclass(frozen=True, slots=True)
class Declined(ClientEvent):
    """Greeting, hello, STARTTLS or AUTH was answered with no, in words of the peer or ours."""

    stage: Stage
    reply: Reply


@dataclass(frozen=True, slots=True)
class Broken(ClientEvent):
    """The peer does not speak SMTP: the connection is of no use any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Closed(ClientEvent):
    """QUIT is answered, or the peer said 421: the connection is over."""
