"""What a message's envelope says (RFC 5321 §2.3.1), and where the message came from.

Everything that an extension adds to MAIL or RCPT has its field here, with the default that its absence means.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from twisted_mail.smtp.address import Address


class Body(Enum):
    """BODY= of MAIL (RFC 6152, RFC 3030)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"
    BINARY_MIME = "BINARYMIME"


@dataclass(frozen=True, slots=True)
class MailOptions:
    """The parameters of MAIL."""

    size: int | None = None
    """Octets that the client announces (RFC 1870 §6.1)."""
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    """Addresses and header may be UTF-8 (RFC 6531 §3.4)."""
    auth: str | None = None
    """AUTH=: who submitted the message first, decoded from xtext (RFC 4954 §5); "" for `<>`."""


@dataclass(frozen=True, slots=True)
class RecipientOptions:
    """The parameters of RCPT."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT that was accepted."""

    address: Address
    options: RecipientOptions = RecipientOptions()


@dataclass(frozen=True, slots=True)
class TLSInfo:
    """A TLS layer that is up: `TLSv1.3`, `TLS_AES_256_GCM_SHA384`."""

    version: str
    cipher: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection comes from, for trace fields, policy and logs."""

    peer: str
    """IP address of the peer as text; empty for a unix socket or a message of our own."""
    session: str
    """The id that stands on every log line of the connection."""
    protocol: str = "SMTP"
    """`SMTP`, `LMTP` or `POP3`."""
    hello: str = ""
    """What EHLO or HELO gave, or an empty text before it."""
    extended: bool = False
    """It was EHLO or LHLO."""
    tls: TLSInfo | None = None
    user: str = ""
    """The authenticated account, `alice@example.org`, or an empty text."""
