"""A slow and obvious reader of an SMTP connection, which has to come to the same messages as the session.

It reads what the client sent from front to back, a line at a time, beside the replies, as somebody who taps the wire
would.  Where it and the session disagree on what is a command and what is text, something could be smuggled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from twisted_mail.smtp.extensions import Situation, offer
from twisted_mail.smtp.options import SessionOptions

HTTP = {b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH"}
HELLO = {b"EHLO", b"HELO", b"LHLO"}


class StreamEnds(Exception):
    """The client has sent no more."""


class SessionEnds(Exception):
    """The server reads no further."""


def is_bare(text: bytes) -> bool:
    rest = text.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


def with_lf(text: bytes) -> bytes:
    lines = text.split(b"\r\n")
    return b"\n".join(lines) if not lines[-1] else b"\n".join(lines) + b"\n"


@dataclass
class Transaction:
    accepted: int = 0
    chunks: bytes | None = None


class Observer:
    """Reads once, in its constructor; `messages` is what was delivered, each with its number of recipients."""

    def __init__(self, stream: bytes, replies: list[int], options: SessionOptions) -> None:
        self.stream = stream
        self.replies = replies
        self.options = options
        self.line_limit = offer(Situation(options, tls=False)).line_limit
        self.messages: list[tuple[int, bytes]] = []
        self.greeted = False
        self.transaction: Transaction | None = None
        self.take_reply(220)
        try:
            while True:
                self.read_command()
        except (StreamEnds, SessionEnds):
            pass
        assert not self.replies, f"replies that nothing asked for: {self.replies}"

    def take_line(self) -> bytes:
        line, end, rest = self.stream.partition(b"\n")
        if not end:
            raise StreamEnds
        self.stream = rest
        return line + end

    def take_octets(self, size: int) -> bytes:
        if len(self.stream) < size:
            raise StreamEnds
        octets, self.stream = self.stream[:size], self.stream[size:]
        return octets

    def take_reply(self, *expected: int) -> int:
        """The next reply's code.  A 421 that follows it is the last."""
        code = self.replies.pop(0)
        assert not expected or code in expected, f"{code} instead of {expected}"
        if code == 421 or self.replies == [421]:
            self.replies.clear()
            raise SessionEnds
        return code

    def read_command(self) -> None:
        line = self.take_line()
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line or len(line) > self.line_limit:
            self.take_reply(500)
            return
        verb, _, argument = line[:-2].partition(b" ")
        verb = verb.upper()
        if verb in HTTP:
            self.take_reply(554)
            raise SessionEnds
        if verb == b"BDAT":
            self.read_chunk(line, argument.strip(b" "))
        else:
            self.follow(verb, self.take_reply())

    def follow(self, verb: bytes, code: int) -> None:
        """What a command did, as its reply tells."""
        if verb == b"QUIT" and code == 221:
            raise SessionEnds
        if code == 334:
            while code == 334:
                self.take_line()
                code = self.take_reply(235, 334, 500, 501, 535)
        elif verb in HELLO and code == 250:
            self.greeted, self.transaction = True, None
        elif verb == b"RSET" and code == 250:
            self.transaction = None
        elif verb == b"MAIL" and code == 250:
            assert self.greeted
            assert self.transaction is None
            self.transaction = Transaction()
        elif verb == b"RCPT" and code == 250:
            assert self.transaction is not None
            assert self.transaction.chunks is None
            self.transaction.accepted += 1
        elif verb == b"DATA" and code == 354:
            self.read_text()
        else:
            assert code >= 400 or verb in (b"NOOP", b"VRFY", b"HELP", b"AUTH"), f"{code} to {verb!r}"

    def read_text(self) -> None:
        assert self.transaction is not None
        assert self.transaction.accepted
        assert self.transaction.chunks is None
        lines, raw = [], b""
        while True:
            line = self.take_line()
            if line == b".\r\n" and (not raw or raw.endswith(b"\r\n")):
                break
            # a dot is stuffed only behind a real line end
            lines.append(line[1:] if line.startswith(b".") and (not raw or raw.endswith(b"\r\n")) else line)
            raw += line
        self.end_message(b"".join(lines), bare=is_bare(raw))

    def read_chunk(self, line: bytes, argument: bytes) -> None:
        match = re.fullmatch(rb"([0-9]{1,20})(?: +(LAST))?", argument, re.IGNORECASE)
        if match is None or len(line) > 512:
            self.take_reply(500, 501)
            raise SessionEnds
        octets = self.take_octets(int(match.group(1)))
        transaction = self.transaction
        if not self.options.chunking or transaction is None or not transaction.accepted:
            self.take_reply(502, 503, 554)
            return
        transaction.chunks = (transaction.chunks or b"") + octets
        last = bool(match.group(2))
        bare = is_bare(transaction.chunks if last else transaction.chunks.removesuffix(b"\r"))
        if last or bare or len(transaction.chunks) > self.options.max_size:
            self.end_message(transaction.chunks, bare=bare, everybody=last)
        else:
            self.take_reply(250)

    def end_message(self, text: bytes, *, bare: bool, everybody: bool = True) -> None:
        """The text is complete: what must be answered to it, and how often."""
        assert self.transaction is not None
        accepted, self.transaction = self.transaction.accepted, None
        if bare:
            expected = 554
        elif len(text) > self.options.max_size:
            expected = 552
        else:
            expected = 250
            self.messages.append((accepted, with_lf(text)))
        for _ in range(accepted if self.options.lmtp and everybody else 1):
            self.take_reply(expected)
