"""What a message's envelope says (RFC 5321 §2.3.1), and where the message came from.

Everything that an extension adds to MAIL or RCPT has its field here, with the default that its absence means.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, Flag, auto

from twisted_mail.smtp.address import Address


class Body(Enum):
    """BODY= of MAIL (RFC 6152, RFC 3030)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"
    BINARY_MIME = "BINARYMIME"


class Return(Enum):
    """RET= of MAIL: what of the message a report of failure shows (RFC 3461 §4.3)."""

    FULL = "FULL"
    HEADERS = "HDRS"


class Notify(Flag):
    """NOTIFY= of RCPT: what the sender wants to hear about (RFC 3461 §4.1)."""

    NEVER = 0
    SUCCESS = auto()
    FAILURE = auto()
    DELAY = auto()


class Overdue(Enum):
    """by-mode of BY=: what happens to a message that could not be delivered in time (RFC 2852 §4)."""

    NOTIFY = "N"
    """The sender hears that it is late, and it is still delivered."""
    RETURN = "R"


@dataclass(frozen=True, slots=True)
class DeliverBy:
    """BY= of MAIL (RFC 2852 §4)."""

    seconds: int
    """From the moment the message is taken; not positive where the time is over already (`Overdue.NOTIFY` only)."""
    overdue: Overdue
    trace: bool = False
    """The sender wants to hear of each relay that the message passes."""


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
    ret: Return | None = None
    envelope_id: str | None = None
    """ENVID=: what the sender knows the message by in reports, decoded from xtext (RFC 3461 §4.4)."""
    require_tls: bool = False
    """REQUIRETLS: rather return it than send it over a connection that is not secure (RFC 8689 §2)."""
    deliver_by: DeliverBy | None = None
    release: timedelta | datetime | None = None
    """HOLDFOR= or HOLDUNTIL= (UTC): not before (RFC 4865 §4)."""
    priority: int = 0
    """MT-PRIORITY=: -9 to 9, the more urgent the higher (RFC 6710 §4)."""
    solicit: tuple[str, ...] = ()
    """SOLICIT=: what the message advertises, in the sender's own words (RFC 3865 §2.4)."""


@dataclass(frozen=True, slots=True)
class RecipientOptions:
    """The parameters of RCPT."""

    notify: Notify | None = None
    """None: not said, which means failure, and delay where the server likes (RFC 3461 §4.1)."""
    original_recipient: str | None = None
    """ORCPT=: address type and address as the sender wrote it, `rfc822;bob@example.org` (RFC 3461 §4.2)."""

    @property
    def wants_success(self) -> bool:
        """To hear of it."""
        return self.notify is not None and bool(self.notify & Notify.SUCCESS)

    @property
    def wants_failure(self) -> bool:
        """To hear of it."""
        return self.notify is None or bool(self.notify & Notify.FAILURE)

    def of_members(self) -> RecipientOptions:
        """For each of several to whom the recipient stands: that it was expanded is all the success there is to report
        (RFC 3461 §5.2.7)."""
        return self if self.notify is None else replace(self, notify=self.notify & ~Notify.SUCCESS)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT that was accepted."""

    address: Address
    options: RecipientOptions = RecipientOptions()
    named: Address | None = field(default=None, compare=False)
    """What the client said, where it stands for *address*: with a tag, or an alias."""

    @property
    def as_named(self) -> Address:
        return self.named or self.address

    def __hash__(self) -> int:
        return hash(self.address)  # each target has a table of them, and options hardly differ


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
    """`SMTP`, `LMTP` or `POP3`; `HTTP` for a login at the web page."""
    hello: str = ""
    """What EHLO or HELO gave, or an empty text before it."""
    extended: bool = False
    """It was EHLO or LHLO."""
    tls: TLSInfo | None = None
    early: bool = False
    """It spoke before it was greeted, see `protocols.connection.Silence`."""
    user: str = ""
    """The authenticated account, `alice@example.org`, or an empty text."""

    def after_hello(self, name: str, *, extended: bool) -> Origin:
        """Of a client that calls itself *name*."""
        return Origin(self.peer, self.session, self.protocol, name, extended, self.tls, self.early, self.user)


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a message came with, but for its recipients."""

    origin: Origin
    sender: Address | None
    """None: the null reverse-path."""
    options: MailOptions
