"""The AUTH exchange (RFC 4954 §4): base64 and cancelling around a SASL mechanism."""

from __future__ import annotations

from base64 import b64encode
from binascii import Error as BinasciiError
from binascii import a2b_base64

from twisted_mail.sasl import Challenge, Credentials, Exchange, SASLError
from twisted_mail.smtp.reply import Reply, SMTPError

CANCELLED = Reply(501, "7.0", "Authentication cancelled")
NOT_BASE64 = Reply(501, "5.2", "That is not base64")
TOO_LONG = Reply(500, "5.6", "Line too long for an authentication exchange")


class AuthExchange:
    """One run of AUTH."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def respond(self, line: bytes | None) -> Reply | Credentials:
        """What follows the client's *line* (None: no initial response): a 334, or credentials to be checked.

        Raises SMTPError: the exchange is over.
        """
        if line == b"*":
            raise SMTPError(CANCELLED)
        try:
            outcome = self._exchange.respond(None if line is None else a2b_base64(line, strict_mode=True))
        except BinasciiError as error:
            raise SMTPError(NOT_BASE64) from error
        except SASLError as error:
            raise SMTPError(Reply(535, "7.8", str(error))) from error
        if isinstance(outcome, Challenge):
            return Reply(334, "", b64encode(outcome.data).decode("ascii"))
        return outcome
