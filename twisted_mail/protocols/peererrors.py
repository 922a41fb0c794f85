"""Why a conversation with another server came to nothing."""

from __future__ import annotations

from collections.abc import Mapping

from twisted_mail.smtp.client_events import Stage
from twisted_mail.smtp.envelope import Recipient
from twisted_mail.smtp.reply import Reply
from twisted_mail.tlsoutcome import TLSFailure


class PeerError(Exception):
    """No conversation with this server; the text says why, in one line."""

    dialogue = ""
    """What was said before a connection was ready, where it came that far."""
    own_address = ""
    """Our IP address in it."""


class Unreachable(PeerError):
    """No connection."""


class TLSFailed(PeerError):
    """TLS is not offered, or the handshake failed, or the certificate is not for this server."""

    def __init__(self, reason: str, failure: TLSFailure = TLSFailure.OTHER) -> None:
        super().__init__(reason)
        self.failure = failure


class PeerDeclined(PeerError):
    """Greeting, hello or login came to nothing: the server's words, or ours."""

    def __init__(self, stage: Stage, reply: Reply) -> None:
        super().__init__(str(reply))
        self.stage = stage
        self.reply = reply


class PeerLost(PeerError):
    """The connection broke, the server was silent for too long, or it does not speak SMTP."""

    def __init__(
        self, reason: str, *, in_doubt: bool = False, replies: Mapping[Recipient, Reply] | None = None
    ) -> None:
        super().__init__(reason)
        self.in_doubt = in_doubt
        """The whole message was sent and not answered: the server may have it."""
        self.replies = replies or {}
        """The last word on each recipient that had one by then."""
