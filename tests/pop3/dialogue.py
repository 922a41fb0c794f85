"""What stands around a POP3 session in a dialogue (the format is in tests/dialogue.py).

Its settings:  `maildrop=hello,dots` what the account has, by the names in MESSAGES; `tls` encrypted from the start;
`stls` STLS is offered; `plaintext` passwords are taken without TLS; `mechanisms=PLAIN,LOGIN` those that are offered;
`expire=30` days and `delay=60` seconds are the account's terms, when others have none.

The account is `alice` with the password `secret`; `busy` as password meets a locked maildrop, all others are wrong.
By SCRAM it is the user of RFC 7677.
Events are listed in E: lines, but for Refused and Backlog.
"""

from __future__ import annotations

from tests.dialogue import Dialogue, pieces
from tests.rfc7677 import PENCIL, secret
from twisted_mail.framing import wire_size
from twisted_mail.message.downgrade import header_in_ascii
from twisted_mail.message.header import header_size
from twisted_mail.pop3.events import (
    Authenticate,
    Backlog,
    Closed,
    Event,
    Inquire,
    Refused,
    Retrieve,
    StartTLS,
    Update,
    Wait,
)
from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.server import ServerSession, SessionOptions
from twisted_mail.pop3.terms import Terms, TermsRange
from twisted_mail.sasl import PasswordCredentials, ProvenCredentials

INTERNATIONALISED = {
    "umlaut": "From: Jürgen <jürgen@example.org>\nSubject: Grüße\n\nSchöne Grüße\n".encode(),
    "hopeless": "Grüße: this field has no name in ASCII\n\n".encode(),
}
MESSAGES = {
    **INTERNATIONALISED,
    "hello": b"Subject: hello\n\nHello.\n",
    "dots": b"Subject: dots\n\n.\n..x\nlast\n",
    "long": b"Subject: long\n\n" + b"".join(b"line %d\n" % n for n in range(1, 31)),
    "crlf": b"Subject: crlf\r\n\r\none\r\ntwo\r\n",
    "headless": b"no header here",
    "empty": b"",
    "gone": b"Subject: gone\n\n",
    "unreadable": b"Subject: unreadable\n\n",
}


def wire_size_in_ascii(text: bytes) -> int:
    size = header_size(text)
    header = header_in_ascii(text[:size])
    return wire_size(header + text[size:]) if header.isascii() and size > 1 else 0


class Server:
    """A session, and what stands around it: answers its questions at once."""

    def __init__(self, dialogue: Dialogue, *, at_hand: bool = False) -> None:
        """*at_hand*: messages need not be waited for, where nothing is wrong with them."""
        self._has_at_hand = at_hand
        settings = dialogue.settings
        options = SessionOptions(
            "mx.example",
            mechanisms=tuple(settings.get("mechanisms", "PLAIN,LOGIN").split(",")),
            tls_available="stls" in settings,
            plaintext_auth="plaintext" in settings,
            implementation="Twisted-Mail",
            max_errors=5,
        )
        expire = settings.get("expire")
        self._terms = Terms(int(expire) if expire else None, int(settings.get("delay", 0)))
        self.session = ServerSession(options, tls="tls" in settings, terms=TermsRange(self._terms, Terms()))
        self._names = settings["maildrop"].split(",") if "maildrop" in settings else []
        self.events: list[str] = []
        self.session.greet()

    def say(self, octets: bytes) -> bytes:
        """What the server sends in answer to *octets*."""
        self.session.receive_data(octets)
        while not isinstance(event := self._next_event(), Wait):
            if not isinstance(event, (Refused, Backlog)):
                self.events.append(self._describe(event))
            self._answer(event)
        assert event is Wait.NEED_DATA
        return self.session.data_to_send()

    def _next_event(self) -> Event | Wait:
        event = self.session.next_event()
        for sent in self.session.take_sent() if self._has_at_hand else ():
            self.events.append(self._describe(Retrieve(*sent)))
        return event

    def _answer(self, event: Event) -> None:
        match event:
            case Inquire():
                self.session.inform(secret(PENCIL))
            case Authenticate(PasswordCredentials(user, password)):
                self._log_in(user, password)
            case Authenticate(ProvenCredentials(user, proven)):
                self._log_in("alice", "secret" if (user, proven) == ("user", True) else "guess")
            case Retrieve(index):
                self._send(self._names[index])
            case Update(deleted):
                if any(self._names[index] == "unreadable" for index in deleted):
                    self.session.refuse("Some deleted messages not removed", "SYS/TEMP")
                else:
                    self.session.updated(len(deleted))
            case StartTLS():
                self.session.tls_started()

    def _log_in(self, user: str, password: str) -> None:
        if (user, password) == ("alice", "secret"):
            texts = [MESSAGES[name] for name in self._names]
            downgraded = {
                index: wire_size_in_ascii(MESSAGES[name])
                for index, name in enumerate(self._names)
                if name in INTERNATIONALISED
            }
            listing = Listing([wire_size(text) for text in texts], self._names, downgraded)
            self.session.logged_in(listing, self._terms, self._at_hand)
        elif (user, password) == ("alice", "busy"):
            self.session.refuse("Another program is fetching this mail, try again in a minute", "IN-USE")
        else:
            self.session.refuse("The user name or the password is wrong", "AUTH")

    def _at_hand(self, index: int) -> bytes | None:
        name = self._names[index]
        if not self._has_at_hand or name in ("gone", "unreadable"):
            return None
        return MESSAGES[name]

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
