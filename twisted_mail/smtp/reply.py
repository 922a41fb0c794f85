"""An SMTP reply as a value: code, enhanced code, text (RFC 5321 §4.2, RFC 2034)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from twisted_mail.printable import printable

REMEMBERED = 256
"""Replies whose octets need not be made again: most are the same in each dialogue."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply.  *text* may hold several lines; *detail* is the enhanced code without its class, which is the first
    digit of *code* ("1.1" in a 550 is 5.1.1), or empty where a reply has none (greeting, EHLO, 334, 354)."""

    code: int
    detail: str
    text: str

    @property
    def status(self) -> str:
        """The enhanced status code, as in `5.1.1` (RFC 3463 §2); empty where there is none."""
        return f"{self.code // 100}.{self.detail}" if self.detail else ""

    @property
    def is_positive(self) -> bool:
        return self.code < 400

    @property
    def is_temporary(self) -> bool:
        """A 4yz: the client may try again (RFC 5321 §4.2.1)."""
        return 400 <= self.code < 500

    def encode(self) -> bytes:
        """The octets on the wire, one line a text line, the enhanced code in each (RFC 2034 §4)."""
        return _encoded(self.code, self.detail, self.text)

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.status, self.text) if part)


@lru_cache(REMEMBERED)
def _encoded(code: int, detail: str, text: str) -> bytes:
    prefix = f"{code // 100}.{detail} " if detail else ""
    if text.isprintable():
        return f"{code} {prefix}{text}\r\n".encode()
    *lines, last = map(printable, text.split("\n"))
    first = "".join(f"{code}-{prefix}{line}\r\n" for line in lines)
    return f"{first}{code} {prefix}{last}\r\n".encode()


class SMTPError(Exception):
    """What the peer should hear instead of success.  The cause, if any, is for the log only."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply

    @classmethod
    def of(cls, code: int, detail: str, text: str) -> SMTPError:
        """Shorthand for `SMTPError(Reply(code, detail, text))`."""
        return cls(Reply(code, detail, text))
