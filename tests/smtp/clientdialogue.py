r"""Dialogues of a client session as text, read by test_client.py.  Lines happen in order:

# any comment
# options: lmtp
S: 220 mx.example              the server says a line; lines that follow one another arrive in one piece
S= 220 mx.exa                  octets from the server without a line end of their own, escapes as in Python
C: EHLO us.example             what the session must say next; before `S:` nothing else may be left unsaid
C= a\x00                        octets that it must say next
E: Ready PIPELINING            the next event
> send a@us.example to b@mx.example c@mx.example      ask the session for something (`_ACTIONS`)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.dialogue import pieces, unescaped
from twisted_mail.sasl import PasswordCredentials
from twisted_mail.smtp.address import parse_path
from twisted_mail.smtp.client import ClientSession
from twisted_mail.smtp.client_commands import Content, Outgoing
from twisted_mail.smtp.client_events import Broken, ClientEvent, Declined, Finished, Ready
from twisted_mail.smtp.envelope import MailOptions, Recipient, RecipientOptions
from twisted_mail.smtp.extensions import EXTENSIONS
from twisted_mail.smtp.parameters import ANY_BODY, parse_parameters
from twisted_mail.smtp.reply import SMTPError

NONCE = "rOprNGfwEbeRWgbNEkqO"
"""That of the client in RFC 7677 §3."""

_MAIL = {parameter.keyword: parameter for row in EXTENSIONS for parameter in row.mail} | {"BODY": ANY_BODY}
_RCPT = {parameter.keyword: parameter for row in EXTENSIONS for parameter in row.rcpt}


def outgoing(text: str) -> Outgoing:
    """`SENDER to RECIPIENT[,NOTIFY=...] ... with PARAMETER ... 8bit 8bit-header size=N`"""
    envelope, _, extras = text.partition(" with ")
    sender, _, recipients = envelope.partition(" to ")
    words = extras.split()
    flags = {word for word in words if word in ("8bit", "8bit-header") or word.startswith("size=")}
    size = next((int(word[5:]) for word in flags if word.startswith("size=")), 5)
    content = Content(size, "8bit-header" not in flags, "8bit" not in flags)
    options = parse_parameters(" ".join(word for word in words if word not in flags), _MAIL)
    return Outgoing(
        parse_path(f"<{sender.strip('<>')}>"),
        MailOptions(**options),  # type: ignore[arg-type]  # each parser gives its field's type
        tuple(_recipient(word) for word in recipients.split()),
        content,
    )


def _recipient(text: str) -> Recipient:
    path, _, parameters = text.partition("|")
    address = parse_path(f"<{path}>")
    assert address is not None
    options = parse_parameters(parameters.replace("|", " "), _RCPT)
    return replace(Recipient(address), options=RecipientOptions(**options))  # type: ignore[arg-type]  # as above


def _send(session: ClientSession, argument: str) -> str:
    try:
        session.begin(outgoing(argument))
    except SMTPError as error:
        return f"Refused {error.reply}"
    return ""


def _log_in(session: ClientSession, argument: str) -> None:
    session.log_in(PasswordCredentials(*argument.split()), NONCE)


_ACTIONS: dict[str, Callable[[ClientSession, str], str | None]] = {
    "send": _send,
    "text": lambda session, argument: session.text(unescaped(argument)),
    "end": lambda session, argument: session.end_text(),
    "start-tls": lambda session, argument: session.start_tls(),
    "tls-started": lambda session, argument: session.tls_started(),
    "login": _log_in,
    "quit": lambda session, argument: session.quit(),
}


def shown(event: ClientEvent) -> str:
    match event:
        case Ready(offer):
            words = (" ".join((keyword, *values)) for keyword, values in offer.keywords.items())
            return f"Ready {' '.join(words)}".rstrip()
        case Finished(replies):
            return f"Finished {' / '.join(f'{who.address} {reply}' for who, reply in replies.items())}"
        case Declined(stage, reply):
            return f"Declined {stage.name} {reply}"
        case Broken(reason):
            return f"Broken {reason}"
    return type(event).__name__


class Client:
    """A session that follows one file."""

    def __init__(self, path: Path, size: int) -> None:
        """*size*: octets of the server that arrive at once."""
        self._lines = path.read_text().splitlines()
        self._size = size
        self.session = ClientSession("us.example", lmtp="# options: lmtp" in self._lines)
        self._sent = b""
        self._events: list[str] = []
        self._heard = b""

    def follow(self) -> None:
        for number, line in enumerate(self._lines, 1):
            kind, text = line[:2], line[3:]
            place = f"line {number}: {line}"
            if kind in ("S:", "S="):
                assert not self._sent, f"{place}\nbut the client goes on with {self._sent!r}"
                self._heard += text.encode() + b"\r\n" if kind == "S:" else unescaped(text)
                continue
            self._hear()
            if kind == "C:":
                said, end, self._sent = self._sent.partition(b"\r\n")
                assert (said, end) == (text.encode(), b"\r\n"), f"{place}\nnot {said!r}"
            elif kind == "C=":
                octets = unescaped(text)
                said, self._sent = self._sent[: len(octets)], self._sent[len(octets) :]
                assert said == octets, f"{place}\nnot {said!r}"
            elif kind == "E:":
                assert self._events, f"{place}\nnothing happened"
                event = self._events.pop(0)
                assert event == text, f"{place}\nnot {event}"
            elif line.startswith("> "):
                verb, _, argument = line[2:].partition(" ")
                if outcome := _ACTIONS[verb](self.session, argument):
                    self._events.append(outcome)
                self._collect()
            else:
                assert not line or line.startswith("#"), place
        self._hear()
        assert (self._sent, self._events) == (b"", []), "left over at the end"

    def _hear(self) -> None:
        for piece in pieces(self._heard, self._size):
            self.session.receive_data(piece)
            self._collect()
        self._heard = b""

    def _collect(self) -> None:
        while (event := self.session.next_event()) is not None:
            self._events.append(shown(event))
        self._sent += self.session.data_to_send()
