"""A POP3 reply as octets: status indicator, response code, text (RFC 1939 §3, RFC 2449 §8)."""

from __future__ import annotations

from twisted_mail.pop3.texts import Text


class POP3Error(Exception):
    """What the client should hear instead of +OK."""

    def __init__(self, text: Text | str, code: str = "", counts: bool = True, **values: object) -> None:
        """*code*: a response code without its brackets; *counts*: it brings the session nearer to its error limit;
        *values* are for the text's template."""
        super().__init__(text)
        self.text = text
        self.code = code
        self.counts = counts
        self.values = values


def positive(text: str) -> bytes:
    """+OK with a text that may be empty."""
    return f"+OK {one_line(text)}\r\n".encode() if text else b"+OK\r\n"


def negative(text: str, code: str = "") -> bytes:
    """-ERR with a response code in its brackets, where there is one."""
    return f"-ERR [{code}] {one_line(text)}\r\n".encode() if code else f"-ERR {one_line(text)}\r\n".encode()


def one_line(text: str) -> str:
    """*text* without what would end the line or disturb a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
