"""POP3 replies: status indicator, response code, text (RFC 1939 §3, RFC 2449 §8), until the server sends them."""

from __future__ import annotations

from twisted_mail.pop3.texts import Text, text_of
from twisted_mail.pop3.translations import ENGLISH
from twisted_mail.printable import printable
from twisted_mail.transcript import Transcript

_MESSAGE = b"[the message]"
"""What stands for one in the transcript."""
END = b".\r\n"
"""What ends a reply of several lines."""


class POP3Error(Exception):
    """What the client should hear instead of +OK."""

    def __init__(self, text: Text | str, code: str = "", counts: bool = True, **values: object) -> None:
        """*code*: a response code without its brackets; *counts*: it brings the session nearer to its error limit;
        *values* are for the text's template."""
        super().__init__(text)
        self.text = text if isinstance(text, Text) else text_of(text)
        self.code = code
        self.counts = counts
        self.values = values


class Replies:
    """All that was said and is not sent yet, in the client's language."""

    __slots__ = ("_octets", "language", "size", "transcript")

    def __init__(self) -> None:
        self._octets: list[bytes] = []
        self.size = 0
        """Octets since the last `take`."""
        self.language = ENGLISH
        self.transcript = Transcript()
        """What was said, without secrets and messages."""

    def accept(self, text: Text, **values: object) -> None:
        """+OK with a text."""
        self.say(f"+OK {printable(self.language.say(text, **values))}\r\n".encode())

    def announce(self, octets: int) -> None:
        """+OK before a message of so many."""
        self.say(self.language.announcement % octets)

    def send_message(self, octets: int, wire: bytes) -> None:
        """A whole message that counts so many, as it goes over the *wire*, after its +OK and before its terminator."""
        line = self.language.announcement % octets
        self._octets += (line, wire, END)
        self.size += len(line) + len(wire) + len(END)
        self.transcript.keep(line + _MESSAGE)

    def end_message(self, wire: bytes) -> None:
        """The last octets of one that was announced and sent in pieces."""
        self.send(wire)
        self.transcript.keep(_MESSAGE)

    def reject(self, error: POP3Error, and_more: Text | None = None) -> str:
        """-ERR with its text, and perhaps *and_more*.  Returns the line."""
        text = printable(self.language.say(error.text, **error.values))
        if and_more:
            text = f"{text}. {self.language.say(and_more)}"
        line = f"-ERR [{error.code}] {text}" if error.code else f"-ERR {text}"
        self.say(f"{line}\r\n".encode())
        return line

    def say(self, line: bytes) -> None:
        """One line, to be remembered."""
        self.send(line)
        self.transcript.keep(line)

    def send(self, octets: bytes) -> None:
        """Octets that are complete, lines or a part of a message."""
        self._octets.append(octets)
        self.size += len(octets)

    def take(self) -> bytes:
        """What is to be sent now."""
        octets, self._octets, self.size = self._octets, [], 0
        return octets[0] if len(octets) == 1 else b"".join(octets)
