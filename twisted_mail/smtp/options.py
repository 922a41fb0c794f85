"""What one listener's SMTP sessions are: their role, what they offer, and their limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """The same for all sessions of a listener.  LMTP and submission are options, not other kinds of session."""

    hostname: str
    lmtp: bool = False
    submission: bool = False
    """From users, not from other servers: the words change, what is allowed is the avatar's business."""
    mechanisms: tuple[str, ...] = ()
    """SASL mechanisms, names in upper case, in the order in which they are offered; empty: no AUTH."""
    tls_available: bool = False
    """STARTTLS is offered while TLS is not up."""
    plaintext_auth: bool = False
    """AUTH is offered without TLS too."""
    xclient: bool = False
    """The client is a proxy that may say for whom it speaks."""
    chunking: bool = False
    """CHUNKING is offered: messages may come with BDAT."""
    extensions: tuple[str, ...] = ()
    """EHLO words that are offered only where what stands behind the session keeps their promise: those of the rows in
    extensions.py that are `optional`."""
    max_hold: int = 0
    """Seconds for which a submission may be held back (FUTURERELEASE); 0: not at all."""
    max_size: int = 50 * 1024 * 1024
    """Octets of one message on the wire (RFC 1870 §5)."""
    max_recipients: int = 1000
    """Accepted recipients a message; at least 100 (RFC 5321 §4.5.3.1.8)."""
    max_errors: int = 20
    """Refused commands and failed logins after which the session ends."""
    normalise: bool = False
    """A bare CR or LF in a message becomes a line end instead of a reason to refuse it.  For submission only: a user's
    program may not know better, another server must."""
    max_transactions: int = 0
    """Accepted MAIL commands a session; 0: any number."""
    max_idle: int = 100
    """Commands since the last message that bring none nearer (NOOP, RSET, ...); each further one counts as an error."""

    def __post_init__(self) -> None:
        if self.normalise and not self.submission:
            raise ValueError("normalise is for submission only")
