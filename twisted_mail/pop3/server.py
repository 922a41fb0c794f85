"""The server's side of one POP3 session (RFC 1939): octets in, events out; answers in, octets out.

Pure: no socket, clock or file.  Between login and QUIT only RETR and TOP of messages that have to be waited for are
questions; the rest is answered here, from the listing and from what is at hand.  A question stops the session until it
is answered, so that pipelined commands are answered in order.  After an error the session goes on, up to a number of
errors; what was marked is deleted by a complete QUIT alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

from twisted_mail.framing import LineBuffer, LineError, LineTooLong
from twisted_mail.pop3 import command
from twisted_mail.pop3.capability import SessionOptions, Standing, capability_lines
from twisted_mail.pop3.command import ArgumentError, Command, CommandError, Order, State
from twisted_mail.pop3.events import (
    Authenticate,
    Backlog,
    Closed,
    Event,
    Inquire,
    Question,
    Refused,
    Retrieve,
    StartTLS,
    Update,
    Wait,
)
from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.login import Login
from twisted_mail.pop3.reading import AtHand, Reading, Sent
from twisted_mail.pop3.reply import END, POP3Error, Replies
from twisted_mail.pop3.terms import Terms, TermsRange
from twisted_mail.pop3.texts import Text
from twisted_mail.pop3.transaction import Transaction
from twisted_mail.pop3.transfer import Transfer
from twisted_mail.pop3.translations import ENGLISH, LANGUAGES, find_language
from twisted_mail.sasl import Credentials, Inquiry
from twisted_mail.transcript import STRUCK_OUT, Transcript, harmless

__all__ = ["MAX_BACKLOG", "ServerSession", "SessionOptions"]

MAX_BACKLOG = 112 * 1024
"""Octets of pending replies above which they should be sent: the session asks for it (`Backlog`).

With one more small message it is what a transport gives the kernel at once (128 KiB).
"""
REMEMBERED_LINES = 2000
"""Lines that all sessions know by heart: RETR 1 to RETR 1000, and so on.  Half a MiB at most."""


class ServerSession:
    """One connection's session."""

    def __init__(self, options: SessionOptions, *, tls: bool = False, terms: TermsRange | None = None) -> None:
        """*tls*: the connection is encrypted from its first octet; *terms*: of all accounts."""
        self._options = options
        self._tls = tls
        self._terms = terms or TermsRange()
        self._lines = LineBuffer(command.MAX_AUTH_LINE)
        self._replies = Replies()
        self._told = False
        self._errors = 0
        self._utf8 = False
        self._login = Login(options.mechanisms)
        self._reading: Reading | None = None
        self._transfer = Transfer(self._replies)
        self._asked: Question | StartTLS | None = None
        self._due: list[Event] = []
        """What comes before the next line."""
        self._enter(State.AUTHORIZATION)

    # ---- octets

    def greet(self) -> None:
        """The server speaks first."""
        self._replies.accept(Text.READY, hostname=self._options.hostname)

    def receive_data(self, data: bytes) -> None:
        """Keep *data*; nothing is looked at yet."""
        if self._state is not State.CLOSED:
            self._lines.receive_data(data)

    def data_to_send(self) -> bytes:
        """All replies so far."""
        self._told = False
        return self._replies.take()

    def take_sent(self) -> list[Sent]:
        """The messages that were put into replies since the last time."""
        if self._reading is None:
            return []
        sent, self._reading.sent = self._reading.sent, []
        return sent

    @property
    def transcript(self) -> Transcript:
        """What was said, without secrets and messages."""
        return self._replies.transcript

    @property
    def pending(self) -> int:
        """Octets that `data_to_send` would give."""
        return self._replies.size

    def tls_started(self) -> None:
        """TLS is up: what the client said before is forgotten (RFC 2595 §4)."""
        self._lines.clear()
        self._login.reset()
        self._utf8 = False
        self._replies.language = ENGLISH
        self._tls = True
        self._asked = None
        self.transcript.keep(b"[TLS]")

    # ---- events

    def next_event(self) -> Event | Wait:
        """What comes next."""
        while True:
            if self._due:
                return self._due.pop(0)
            if self._asked is not None:
                return Wait.PAUSED
            if self._replies.size > MAX_BACKLOG and not self._told:
                self._told = True
                return Backlog()
            try:
                line = self._lines.next_line()
                if line is None:
                    return Wait.NEED_DATA
                event = self._obey(line) if self._reading or not self._login.in_exchange else self._respond(line)
            except LineError as error:
                self._login.reset()
                event = self._refuse(
                    "", POP3Error(Text.LINE_TOO_LONG if isinstance(error, LineTooLong) else Text.BAD_LINE)
                )
            if event is not None:
                return event

    def _obey(self, line: bytes) -> Event | None:
        """One command."""
        try:
            row, arguments, shown = self._read(line)
        except CommandError as error:
            return self._refuse_line(line, error)
        self._replies.transcript.keep(shown)
        try:
            event: Event | None = row.action(self._reading if row.is_reading else self, *arguments)
        except POP3Error as error:
            return self._refuse(command.keyword(line).decode(), error)
        if event is not None and isinstance(event, (Question, StartTLS)):
            self._asked = event
        return event

    def _respond(self, line: bytes) -> Event | None:
        """One line of a SASL exchange."""
        self.transcript.keep(STRUCK_OUT)
        try:
            self._asked = self._authenticate(self._login.respond(line))
        except POP3Error as error:
            return self._refuse("AUTH", error)
        return self._asked

    # ---- answers

    def logged_in(self, listing: Listing, terms: Terms | None = None, at_hand: AtHand | None = None) -> None:
        """Answer Authenticate: this is the maildrop, and what holds for its account.

        *at_hand*: gives messages that need not be waited for; the session does not ask for those.
        """
        self._answered(Authenticate)
        self._terms = TermsRange.of(terms or Terms())
        self._reading = Reading(Transaction(listing, self._utf8), self._replies, self._transfer, at_hand)
        self._enter(State.TRANSACTION)
        self._replies.accept(Text.LOGGED_IN, count=len(listing), octets=listing.total_size)

    def inform(self, answer: object) -> None:
        """Answer Inquire with what it asked for."""
        self._answered(Inquire)
        try:
            self._asked = self._authenticate(self._login.inform(answer))
        except POP3Error as error:
            self._due.append(self._refuse("AUTH", error))
        else:
            if self._asked is not None:
                self._due.append(self._asked)

    def refuse(self, text: str, code: str = "") -> None:
        """Answer the last question with an error: *code* is a response code (RFC 2449 §8, RFC 3206) or empty."""
        question = self._answered(Question)
        if isinstance(question, (Inquire, Authenticate)):
            self._login.reset()
            self._reject(POP3Error(text, code, counts=code in ("", "AUTH")))
        else:
            self._reject(POP3Error(text, code, counts=False))
            if isinstance(question, Update):
                self._close("QUIT")

    def start_message(self) -> None:
        """Answer Retrieve: the message follows, piece by piece."""
        assert isinstance(self._asked, Retrieve)
        assert self._reading is not None
        self._reading.start(self._asked)

    def message_piece(self, piece: bytes) -> bool:
        """The next octets of the message, as on disk.  False: the client wants no more of it."""
        return self._transfer.piece(piece)

    def end_message(self) -> None:
        """All pieces were given: Retrieve is answered."""
        question = self._answered(Retrieve)
        assert isinstance(question, Retrieve)
        assert self._reading is not None
        self._reading.end(question)

    def updated(self, count: int) -> None:
        """Answer Update: what was marked is deleted, for good; so many messages."""
        self._answered(Update)
        self._replies.accept(Text.UPDATED if count else Text.GOODBYE, count=count)
        self._close("QUIT")

    def close(self, text: str, code: str = "SYS/TEMP", reason: str = "ended by the server") -> None:
        """The server ends the session, whatever is under way.  Within a message there is no room for words."""
        if self._state is not State.CLOSED:
            if not self._transfer.under_way:
                self._reject(POP3Error(text, code, counts=False))
            self._transfer.abandon()
            self._asked = None
            self._due.clear()
            self._close(reason)

    # ---- AUTHORIZATION

    def _user(self, name: bytes) -> None:
        self._demand_tls()
        self._login.user(name)
        self._replies.accept(Text.SEND_PASSWORD)

    def _pass(self, password: bytes) -> Event:
        self._demand_tls()
        return Authenticate(self._login.password(password))

    def _auth(self, mechanism: str, initial: bytes | None) -> Event | None:
        self._demand_tls()
        if not mechanism:
            self._replies.accept(Text.MECHANISMS)
            self._replies.send("".join(f"{name}\r\n" for name in self._login.offered(tls=self._tls)).encode() + END)
            return None
        return self._authenticate(self._login.begin(mechanism, initial, tls=self._tls))

    def _authenticate(self, step: bytes | Inquiry | Credentials) -> Inquire | Authenticate | None:
        if isinstance(step, bytes):
            self._replies.send(step)
            return None
        return Inquire(step) if isinstance(step, Inquiry) else Authenticate(step)

    def _stls(self) -> Event:
        if self._tls:
            raise POP3Error(Text.TLS_ACTIVE)
        if not self._options.tls_available:
            raise POP3Error(Text.TLS_UNAVAILABLE)
        if self._lines.clear():  # what an attacker put in between must not be taken for what came through TLS
            raise POP3Error(Text.DATA_AFTER_STLS)
        self._replies.accept(Text.BEGIN_TLS)
        return StartTLS()

    def _utf8_mode(self) -> None:
        """UTF8 (RFC 6856 §2): messages come as they are."""
        self._utf8 = True
        self._replies.accept(Text.UTF8_ON)

    def _leave(self) -> None:
        self._replies.accept(Text.GOODBYE)
        self._close("QUIT before login")

    def _demand_tls(self) -> None:
        if not self._tls and not self._options.plaintext_auth:
            raise POP3Error(Text.NEEDS_TLS, code="AUTH")

    # ---- both

    def _capa(self) -> None:
        self._replies.accept(Text.CAPABILITIES)
        standing = Standing(self._options, self._state, self._tls, self._terms)
        self._replies.send(capability_lines(standing) + END)

    def _set_language(self, wanted: str) -> None:
        """LANG (RFC 6856 §3): before it, and after i-default, all texts are ASCII."""
        if not wanted:
            self._replies.accept(Text.LANGUAGES)
            self._replies.send("".join(f"{row.tag} {row.name}\r\n" for row in LANGUAGES.values()).encode() + END)
            return
        language = find_language(self._options.language if wanted == "*" else wanted)
        if language is None:
            raise POP3Error(Text.NO_LANGUAGE, counts=False)
        self._replies.language = language
        self._replies.send(f"+OK {language.tag} {language.say(Text.LANGUAGE_CHANGED)}\r\n".encode())

    # ---- how it is refused

    def _refuse(self, verb: str, error: POP3Error) -> Event:
        return Refused(verb, self._reject(error))

    def _refuse_line(self, line: bytes, error: CommandError) -> Event:
        """The command may be a password that went astray: it is neither echoed nor logged."""
        verb = command.keyword(line)
        self.transcript.keep(harmless(line, verb, known=verb in _VERBS))
        if isinstance(error, ArgumentError):
            return self._refuse(verb.decode(), POP3Error(error.text, verb=verb.decode()))
        if not verb:
            return self._refuse("", POP3Error(Text.EMPTY_LINE, counts=False))
        if verb not in _VERBS:
            return self._refuse("", POP3Error(Text.UNKNOWN_COMMAND))
        early = self._state is State.AUTHORIZATION
        text = Text.LOG_IN_FIRST if early else Text.LOGGED_IN_ALREADY
        return self._refuse(verb.decode(), POP3Error(text, verb=verb.decode()))

    def _reject(self, error: POP3Error) -> str:
        """Send -ERR; the last one that is tolerated says so.  Returns the reply."""
        self._errors += error.counts
        if error.counts and self._errors >= self._options.max_errors:
            self._close("too many errors")
            return self._replies.reject(error, Text.TOO_MANY_ERRORS)
        return self._replies.reject(error)

    def _close(self, reason: str) -> None:
        self._enter(State.CLOSED)
        self._lines.clear()
        self._due.append(Closed(reason))

    def _enter(self, state: State) -> None:
        self._state = state
        self._read = _READ[state]
        if state is State.TRANSACTION:
            self._lines.limit = command.MAX_LINE

    def _answered(self, kind: type[Question]) -> Question:
        question, self._asked = self._asked, None
        assert isinstance(question, kind), f"{kind.__name__} is not the question, but {question!r}"
        return question


_BEFORE = (State.AUTHORIZATION,)
_AFTER = (State.TRANSACTION,)
_BOTH = _BEFORE + _AFTER

# keyword -> what is done, where it is legal, what its arguments are, how long its line may be
_TABLE: tuple[tuple[bytes, Command], ...] = (
    (b"USER", Command(ServerSession._user, _BEFORE, command.name, command.MAX_LOGIN_LINE)),
    (b"PASS", Command(ServerSession._pass, _BEFORE, command.verbatim, command.MAX_LOGIN_LINE)),
    (b"AUTH", Command(ServerSession._auth, _BEFORE, command.mechanism, command.MAX_AUTH_LINE)),
    (b"STLS", Command(ServerSession._stls, _BEFORE, command.nothing)),
    (b"UTF8", Command(ServerSession._utf8_mode, _BEFORE, command.nothing)),
    (b"QUIT", Command(ServerSession._leave, _BEFORE, command.nothing)),
    (b"CAPA", Command(ServerSession._capa, _BOTH, command.nothing)),
    (b"LANG", Command(ServerSession._set_language, _BOTH, command.optional_word)),
    (b"STAT", Command(Reading.stat, _AFTER, command.nothing, is_reading=True)),
    (b"LIST", Command(Reading.list, _AFTER, command.optional_number, is_reading=True)),
    (b"UIDL", Command(Reading.uidl, _AFTER, command.optional_number, is_reading=True)),
    (b"RETR", Command(Reading.retrieve, _AFTER, command.number, is_reading=True)),
    (b"TOP", Command(Reading.retrieve, _AFTER, command.number_and_lines, is_reading=True)),
    (b"DELE", Command(Reading.dele, _AFTER, command.number, is_reading=True)),
    (b"RSET", Command(Reading.rset, _AFTER, command.nothing, is_reading=True)),
    (b"NOOP", Command(Reading.noop, _AFTER, command.nothing, is_reading=True)),
    (b"LAST", Command(Reading.last, _AFTER, command.nothing, is_reading=True)),
    (b"QUIT", Command(Reading.quit, _AFTER, command.nothing, is_reading=True)),
)
_READ: dict[State, Callable[[bytes], Order]] = {
    state: partial(command.read, {keyword: row for keyword, row in _TABLE if state in row.states}) for state in State
}
# what clients say after the login is nearly always the same, and nothing of it is secret
_READ[State.TRANSACTION] = lru_cache(REMEMBERED_LINES)(_READ[State.TRANSACTION])
_VERBS = frozenset(keyword for keyword, _ in _TABLE)
