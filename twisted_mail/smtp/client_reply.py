"""Replies as a client reads them (RFC 5321 §4.2): octets in, `Reply` values out, whatever the peer sends.

Lines that end in LF alone are understood, and texts that are not ASCII.  What is no reply at all, or has no end, is a
ReplyError: from there on nobody knows which reply belongs to which command.
"""

from __future__ import annotations

import re

from twisted_mail.smtp.reply import Reply

MAX_LINE = 2048
"""Octets of one line: four times what RFC 5321 §4.5.3.1.5 allows."""
MAX_LINES = 256
"""Lines of one reply; the longest reply to EHLO in the wild has about twenty."""

# Reply-line = Reply-code ( "-" / SP / end of line ) text; first digits 2 to 5
_LINE = re.compile(r"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
# status-code = class "." subject "." detail (RFC 3463 §2)
_STATUS = re.compile(r"^([245])\.([0-9]{1,3}\.[0-9]{1,3})(?: +|$)")


class ReplyError(Exception):
    """The peer does not speak SMTP; the text says what it did instead."""


class ReplyReader:
    """Cuts octets into replies.  Holds at most one reply of MAX_LINES lines and what `receive_data` was last given."""

    __slots__ = ("_buffer", "_code", "_texts")

    def __init__(self) -> None:
        self._buffer = b""
        self._code = ""
        self._texts: list[str] = []

    def receive_data(self, data: bytes) -> None:
        """Keep *data*; nothing is looked at yet."""
        self._buffer += data

    def next_reply(self) -> Reply | None:
        """The next reply, or None: more octets are needed.  Raises ReplyError; nothing is understood after it."""
        while (line := self._next_line()) is not None:
            match = _LINE.fullmatch(line)
            if match is None:
                raise ReplyError(f"this is no reply: {line[:60]}")
            code, separator, text = match.groups()
            if self._texts and code != self._code:
                raise ReplyError(f"one reply has the codes {self._code} and {code}")
            self._code = code
            self._texts.append(text or "")
            if separator != "-":
                return self._finish()
            if len(self._texts) >= MAX_LINES:
                raise ReplyError(f"a reply of more than {MAX_LINES} lines")
        return None

    def clear(self) -> None:
        """Forget what is buffered: it came before TLS was up (RFC 3207 §4.2)."""
        self._buffer = b""
        self._texts = []

    def _next_line(self) -> str | None:
        line, end, rest = self._buffer.partition(b"\n")
        if len(line) > MAX_LINE:
            raise ReplyError(f"a line of more than {MAX_LINE} octets")
        if not end:
            return None
        self._buffer = rest
        return _harmless(line.removesuffix(b"\r").decode("utf-8", "backslashreplace"))

    def _finish(self) -> Reply:
        texts, self._texts = self._texts, []
        detail = _detail(self._code, texts)
        if detail:
            texts = [_STATUS.sub("", text, count=1) for text in texts]
        return Reply(int(self._code), detail, "\n".join(texts))


def _detail(code: str, texts: list[str]) -> str:
    """The enhanced code without its class; empty where there is none, or one of another class than *code*."""
    match = _STATUS.match(texts[0])
    return match.group(2) if match and match.group(1) == code[0] else ""


def _harmless(text: str) -> str:
    """Without control characters: replies are shown in reports and logs."""
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\t" else "?" for c in text)


def as_spoken(reply: Reply) -> str:
    """As it stood on the wire, LF between its lines."""
    if "\n" not in reply.text:
        return str(reply)
    *first, last = (f"{reply.status} {text}".lstrip() for text in reply.text.split("\n"))
    return "\n".join([*(f"{reply.code}-{text}" for text in first), f"{reply.code} {last}"])
