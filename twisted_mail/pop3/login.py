"""The AUTHORIZATION state: USER and PASS, or an AUTH exchange, up to the credentials (RFC 1939 §4, RFC 5034 §4).

Whether they are any good is the server's question.  Nothing here ever says, in a reply or an error, what was sent.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable

from twisted_mail.mechanisms import MECHANISMS, offered
from twisted_mail.pop3.reply import POP3Error
from twisted_mail.pop3.texts import Text
from twisted_mail.sasl import Challenge, Credentials, Exchange, Inquiry, PasswordCredentials, SASLError, Step


class Login:
    """One attempt after the other."""

    __slots__ = ("_exchange", "_mechanisms", "_user")

    def __init__(self, mechanisms: tuple[str, ...]) -> None:
        self._mechanisms = mechanisms
        self._user = ""
        self._exchange: Exchange | None = None

    @property
    def in_exchange(self) -> bool:
        """The next line is a response, not a command."""
        return self._exchange is not None

    def reset(self) -> None:
        """Forget what the client said (RFC 2595 §4)."""
        self._user = ""
        self._exchange = None

    def user(self, name: bytes) -> None:
        """USER."""
        user = _utf8(name)
        if not user.isprintable():
            raise POP3Error(Text.BAD_NAME)
        self._user = user

    def password(self, password: bytes) -> Credentials:
        """PASS.  The name is good for one attempt."""
        user, self._user = self._user, ""
        if not user:
            raise POP3Error(Text.USER_FIRST)
        return PasswordCredentials(user, _utf8(password))

    def offered(self, *, tls: bool) -> tuple[str, ...]:
        """The mechanisms that can be used now."""
        return offered(self._mechanisms, tls=tls)

    def begin(self, mechanism: str, initial: bytes | None, *, tls: bool) -> bytes | Inquiry | Credentials:
        """AUTH: the line to send, what must be known first, or the credentials."""
        names = self.offered(tls=tls)
        if mechanism not in names:
            raise POP3Error(Text.NO_MECHANISM)
        exchange = MECHANISMS[mechanism].begin(names)
        # "=" is an initial response of no octets (RFC 5034 §4)
        response = b"" if initial == b"=" else initial and _decode(initial)
        return self._next(exchange, lambda: exchange.respond(response))

    def respond(self, line: bytes) -> bytes | Inquiry | Credentials:
        """The client's next line in the exchange."""
        exchange, self._exchange = self._exchange, None
        assert exchange is not None
        if line == b"*":
            raise POP3Error(Text.CANCELLED, counts=False)
        response = _decode(line)
        return self._next(exchange, lambda: exchange.respond(response))

    def inform(self, answer: object) -> bytes | Inquiry | Credentials:
        """The server's answer to the inquiry."""
        exchange, self._exchange = self._exchange, None
        assert exchange is not None
        return self._next(exchange, lambda: exchange.inform(answer))

    def _next(self, exchange: Exchange, take: Callable[[], Step]) -> bytes | Inquiry | Credentials:
        try:
            step = take()
        except SASLError as error:
            raise POP3Error(str(error)) from None
        if isinstance(step, (Challenge, Inquiry)):
            self._exchange = exchange
        if isinstance(step, Challenge):
            return b"+ " + binascii.b2a_base64(step.data, newline=False) + b"\r\n"
        return step


def _decode(line: bytes) -> bytes:
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        raise POP3Error(Text.BAD_BASE64) from None


def _utf8(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise POP3Error(Text.NOT_UTF8) from None
