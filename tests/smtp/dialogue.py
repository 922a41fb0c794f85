"""The server around an SMTP session in a dialogue (tests/dialogue.py): it answers every question at once.

Options are those of SessionOptions, and `tls`: encrypted from the first octet.  It is always NOW.  Without an `A:` line
the answer to a question is yes; good logins are alice@example.org with `secret`, and by SCRAM the user of RFC 7677.
Events are all but Refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, get_type_hints

from tests.dialogue import Dialogue
from tests.rfc7677 import PENCIL, secret
from twisted_mail.sasl import PasswordCredentials, ProvenCredentials
from twisted_mail.smtp.envelope import MailOptions, RecipientOptions
from twisted_mail.smtp.events import (
    Authenticate,
    Closed,
    DataChunk,
    EndOfData,
    Event,
    Expand,
    Hello,
    Inquire,
    MailFrom,
    Question,
    RcptTo,
    Refused,
    StartTLS,
    Wait,
)
from twisted_mail.smtp.reply import Reply
from twisted_mail.smtp.server import ServerSession, SessionOptions

NOW = datetime(2030, 1, 1, 12, 34, 56, tzinfo=UTC)
GOOD_LOGINS = (PasswordCredentials("alice@example.org", "secret"), ProvenCredentials("user", proven=True))


def options_of(settings: dict[str, str]) -> SessionOptions:
    types = get_type_hints(SessionOptions)
    values: dict[str, Any] = {"hostname": "mx.example"}
    for name, text in settings.items():
        if name == "tls":
            continue
        if types[name] is bool:
            values[name] = True
        elif types[name] is int:
            values[name] = int(text)
        else:
            values[name] = tuple(text.split(","))
    return SessionOptions(**values)


def reply_of(text: str) -> Reply:
    """`550 5.1.1 No such user` or `354 Go ahead`; `\\n` begins another line."""
    code, _, rest = text.replace("\\n", "\n").partition(" ")
    status, _, words = rest.partition(" ")
    if status.startswith(f"{code[0]}.") and status.count(".") == 2:
        return Reply(int(code), status[2:], words)
    return Reply(int(code), "", rest)


class Server:
    """A session whose questions are answered from *answers*, or with yes."""

    def __init__(self, dialogue: Dialogue, answers: Iterable[Reply | None] = ()) -> None:
        self.options = options_of(dialogue.settings)
        self.session = ServerSession(self.options, tls="tls" in dialogue.settings, now=NOW)
        self.planned = deque(answers)
        self.given: list[Reply | None] = []
        """None: an inquiry was answered with what it asked for."""
        self.events: list[str] = []
        self.refused: list[Refused] = []
        self._message = b""
        self._accepted = 0
        self.session.greet()

    def say(self, octets: bytes) -> bytes:
        """What the server sends in answer to *octets*."""
        self.session.receive_data(octets)
        while not isinstance(event := self.session.next_event(), (Wait, Closed)):
            self._note(event)
            if isinstance(event, Question):
                self._answer(event)
            elif isinstance(event, StartTLS):
                self.session.tls_started()
        if isinstance(event, Closed) and not self.closed:
            self.events.append(f"Closed {event.reason}")
        assert event is not Wait.PAUSED
        return self.session.data_to_send()

    @property
    def closed(self) -> bool:
        return bool(self.events) and self.events[-1].startswith("Closed")

    def _note(self, event: Event) -> None:
        match event:
            case Refused():
                self.refused.append(event)
            case DataChunk(data):
                self._message += data
            case EndOfData():
                self.events.append(f"EndOfData {self._message!r}")
                self._message = b""
            case Hello(name):
                self.events.append(f"Hello {name}")
            case MailFrom(sender, options):
                self._accepted = 0
                self.events.append(f"MailFrom <{sender or ''}>{differences(options)}")
            case Expand(alias, smtputf8):
                self.events.append(f"Expand {alias}{' SMTPUTF8' if smtputf8 else ''}")
            case RcptTo(recipient):
                self.events.append(f"RcptTo <{recipient.address}>{differences(recipient.options)}")
            case _:
                self._message = b""
                self.events.append(type(event).__name__)

    def _answer(self, question: Question) -> None:
        if isinstance(question, Inquire) and not (self.planned and self.planned[0]):
            self.given += [self.planned.popleft() if self.planned else None]
            self.session.inform(secret(PENCIL))
            return
        owed = self._accepted if isinstance(question, EndOfData) and self.options.lmtp else 1
        replies = [(self.planned and self.planned.popleft()) or self._yes(question) for _ in range(owed)]
        self.given += replies
        self._accepted += isinstance(question, RcptTo) and replies[0].is_positive
        self.session.answer(*replies)

    def _yes(self, question: Question) -> Reply:
        match question:
            case Authenticate(credentials):
                good = credentials in GOOD_LOGINS
                return Reply(235, "7.0", "Welcome") if good else Reply(535, "7.8", "The name or password is wrong")
            case MailFrom():
                return Reply(250, "1.0", "Sender ok")
            case RcptTo():
                return Reply(250, "1.5", "Recipient ok")
        return Reply(250, "0.0", "Taken")


def differences(options: MailOptions | RecipientOptions) -> str:
    """The options that differ from their defaults."""
    default = type(options)()
    values = ((field.name, getattr(options, field.name)) for field in fields(options))
    return "".join(f" {name}={value}" for name, value in values if value != getattr(default, name))
