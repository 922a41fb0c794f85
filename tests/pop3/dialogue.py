"""Runs a dialogue, a text of S: and C: lines (CONVENTIONS 12), against a POP3 server session.

    # maildrop: hello dots             what the account has, by the names in MESSAGES
    # options: plaintext stls          passwords without TLS; STLS offered; `tls`: encrypted from the start
    S: +OK mx.example ...              an S: line that ends in ... stands for any line that begins so
    C: USER alice                      C: lines that follow one another go out in one piece
    E: Update 1 2                      at the end of the file: all events but Refused, in order

The account is `alice` with the password `secret`; `busy` as password meets a locked maildrop, all others are wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from twisted_mail.framing import wire_size
from twisted_mail.pop3.events import Authenticate, Backlog, Closed, Event, Refused, Retrieve, StartTLS, Update, Wait
from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.server import ServerSession, SessionOptions

DIALOGUES = Path(__file__).parent.parent / "dialogs" / "pop3"

MESSAGES = {
    "hello": b"Subject: hello\n\nHello.\n",
    "dots": b"Subject: dots\n\n.\n..x\nlast\n",
    "long": b"Subject: long\n\n" + b"".join(b"line %d\n" % n for n in range(1, 31)),
    "crlf": b"Subject: crlf\r\n\r\none\r\ntwo\r\n",
    "headless": b"no header here",
    "empty": b"",
    "gone": b"Subject: gone\n\n",
    "unreadable": b"Subject: unreadable\n\n",
}


@dataclass
class Dialogue:
    """A parsed file."""

    messages: list[str] = field(default_factory=list)
    options: set[str] = field(default_factory=set)
    turns: list[tuple[list[str], list[str]]] = field(default_factory=list)
    """What the client sends, and what the server answers to it; the first turn is the greeting."""
    events: list[str] = field(default_factory=list)


def read(path: Path) -> Dialogue:
    dialogue = Dialogue(turns=[([], [])])
    for line in path.read_text().splitlines():
        kind, text = line[:2], line[3:]
        if line.startswith("# maildrop:"):
            dialogue.messages = line.split(":")[1].split()
        elif line.startswith("# options:"):
            dialogue.options = set(line.split(":")[1].split())
        elif kind == "C:":
            if dialogue.turns[-1][1]:
                dialogue.turns.append(([], []))
            dialogue.turns[-1][0].append(text)
        elif kind == "S:":
            dialogue.turns[-1][1].append(text)
        elif kind == "E:":
            dialogue.events.append(text)
        else:
            assert not line or line.startswith("#"), f"{path.name}: {line}"
    return dialogue


class Server:
    """A session, and what stands around it: answers its questions at once."""

    def __init__(self, dialogue: Dialogue) -> None:
        options = SessionOptions(
            "mx.example",
            tls_available="stls" in dialogue.options,
            plaintext_auth="plaintext" in dialogue.options,
            implementation="Twisted-Mail",
            max_errors=5,
        )
        self.session = ServerSession(options, tls="tls" in dialogue.options)
        self._names = dialogue.messages
        self.events: list[str] = []
        self.session.greet()

    def say(self, octets: bytes) -> bytes:
        """What the server sends in answer to *octets*."""
        self.session.receive_data(octets)
        while not isinstance(event := self.session.next_event(), Wait):
            if not isinstance(event, (Refused, Backlog)):
                self.events.append(self._describe(event))
            self._answer(event)
        assert event is Wait.NEED_DATA
        return self.session.data_to_send()

    def _answer(self, event: Event) -> None:
        match event:
            case Authenticate(credentials):
                self._log_in(credentials.user, credentials.password)
            case Retrieve(index):
                self._send(self._names[index])
            case Update(deleted):
                if any(self._names[index] == "unreadable" for index in deleted):
                    self.session.refuse("Some deleted messages not removed", "SYS/TEMP")
                else:
                    self.session.updated()
            case StartTLS():
                self.session.tls_started()

    def _log_in(self, user: str, password: str) -> None:
        if (user, password) == ("alice", "secret"):
            texts = [MESSAGES[name] for name in self._names]
            self.session.logged_in(Listing([wire_size(text) for text in texts], self._names))
        elif (user, password) == ("alice", "busy"):
            self.session.refuse("Another program is fetching this mail, try again in a minute", "IN-USE")
        else:
            self.session.refuse("The user name or the password is wrong", "AUTH")

    def _send(self, name: str) -> None:
        if name == "gone":
            self.session.refuse("Another program has removed this message")
        elif name == "unreadable":
            self.session.refuse("This message cannot be read", "SYS/PERM")
        else:
            self.session.start_message()
            for piece in pieces(MESSAGES[name], 7):
                if not self.session.message_piece(piece):
                    break
            self.session.end_message()

    @staticmethod
    def _describe(event: Event) -> str:
        match event:
            case Update(deleted):
                return " ".join(["Update", *(str(index + 1) for index in sorted(deleted))])
            case Closed(reason):
                return f"Closed {reason}"
            case Retrieve(index, lines):
                return f"Retrieve {index + 1}" if lines is None else f"Retrieve {index + 1} {lines}"
        return type(event).__name__


def pieces(octets: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(octets), size):
        yield octets[start : start + size]


def agrees(expected: list[str], got: list[str]) -> bool:
    """Line by line, `...` at the end of an expected line standing for anything."""
    return len(expected) == len(got) and all(
        line.startswith(pattern[:-3]) if pattern.endswith("...") else line == pattern
        for pattern, line in zip(expected, got, strict=True)
    )
