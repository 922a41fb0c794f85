"""The AUTH exchange (RFC 4954 §4): base64 and cancelling around a SASL mechanism."""

from __future__ import annotations

from base64 import b64encode
from binascii import Error as BinasciiError
from binascii import a2b_base64
from collections.abc import Callable

from twisted_mail.mechanisms import MECHANISMS
from twisted_mail.sasl import Challenge, Credentials, Exchange, Inquiry, SASLError, Step
from twisted_mail.smtp.command import AuthRequest
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.reply import Reply, SMTPError

CANCELLED = Reply(501, "7.0", "Authentication cancelled")
NOT_BASE64 = Reply(501, "5.2", "That is not base64")
TOO_LONG = Reply(500, "5.6", "Line too long for an authentication exchange")


class AuthExchange:
    """One run of AUTH."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def respond(self, line: bytes | None) -> Reply | Inquiry | Credentials:
        """What follows the client's *line* (None: no initial response): a 334, an inquiry, or credentials.

        Raises SMTPError: the exchange is over.
        """
        if line == b"*":
            raise SMTPError(CANCELLED)
        try:
            response = None if line is None else a2b_base64(line, strict_mode=True)
        except BinasciiError as error:
            raise SMTPError(NOT_BASE64) from error
        return _outcome(lambda: self._exchange.respond(response))

    def inform(self, answer: object) -> Reply | Inquiry | Credentials:
        """What follows the server's *answer* to an inquiry.  Raises SMTPError: the exchange is over."""
        return _outcome(lambda: self._exchange.inform(answer))


def begin(
    request: AuthRequest, options: SessionOptions, offered: tuple[str, ...], *, authenticated: bool
) -> AuthExchange:
    """The exchange of *request*, of which nothing is answered yet.  *offered*: mechanisms.  Raises SMTPError."""
    if authenticated:
        raise SMTPError(Reply(503, "5.1", "You are logged in already"))
    if not options.mechanisms:
        raise SMTPError(Reply(502, "5.1", "Logging in is not possible here"))
    if not offered:
        raise SMTPError(Reply(538, "7.11", "Passwords are taken over TLS only: say STARTTLS first"))
    if request.mechanism not in offered:
        raise SMTPError(Reply(504, "5.4", f"Mechanism not known here; there is {', '.join(offered)}"))
    return AuthExchange(MECHANISMS[request.mechanism].begin(offered))


def _outcome(step: Callable[[], Step]) -> Reply | Inquiry | Credentials:
    try:
        outcome = step()
    except SASLError as error:
        raise SMTPError(Reply(535, "7.8", str(error))) from error
    if isinstance(outcome, Challenge):
        return Reply(334, "", b64encode(outcome.data).decode("ascii"))
    return outcome
