"""The server's side of an SMTP session (RFC 5321), with LMTP (RFC 2033) and submission (RFC 6409) as options of it.

Octets in, events out; answers in, octets out.  A question blocks the session until it is answered, so nothing that a
client pipelines can overtake anything.  Syntax, order and limits are answered here; what is true of users and
mailboxes is asked.  COMMANDS in command.py says what is legal when.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from twisted_mail.framing import LineError, LineTooLong
from twisted_mail.sasl import Credentials, Inquiry
from twisted_mail.smtp import auth, command, wording
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.auth import AuthExchange
from twisted_mail.smtp.command import (
    COMMANDS,
    AuthRequest,
    Command,
    ListRequest,
    State,
)
from twisted_mail.smtp.dialogue import Dialogue
from twisted_mail.smtp.envelope import MailOptions, Recipient
from twisted_mail.smtp.events import (
    Authenticate,
    EndOfData,
    Expand,
    Hello,
    Inquire,
    MailFrom,
    Question,
    RcptTo,
    StartTLS,
    Wait,
)
from twisted_mail.smtp.extensions import COMMAND_LIMIT, Situation, last_release, offer
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.receiving import Receiving
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.smtp.transaction import Transaction, check_mail
from twisted_mail.smtp.xclient import parse_xclient
from twisted_mail.transcript import STRUCK_OUT, harmless

__all__ = ["ServerSession", "SessionOptions"]


class ServerSession(Receiving):
    """One client's session.

    Call `greet`; then `receive_data` with what arrives and `next_event` until it gives NEED_DATA, `answer` each
    question, and send `data_to_send` before waiting for more octets.
    """

    def __init__(self, options: SessionOptions, *, tls: bool = False, now: datetime | None = None) -> None:
        """*tls*: it is up already (port 465).  *now* (UTC) is needed only where submissions may be held back."""
        if options.max_hold and now is None:
            raise ValueError("max_hold needs to know what time it is")
        self._last_release = last_release(options, now)
        self._offer = offer(Situation(options, tls, self._last_release))
        super().__init__(options, self._offer.line_limit)
        self.tls = tls
        self.authenticated = False
        self._exchange: AuthExchange | None = None
        self._idle = 0
        self._transactions = 0

    # ---- what the server calls

    @property
    def smtputf8(self) -> bool:
        """The open transaction may use UTF-8 in addresses and header (RFC 6531)."""
        return self._transaction is not None and self._transaction.options.smtputf8

    def greet(self) -> None:
        """Queue the banner."""
        self._say(wording.banner(self._options))

    def answer(self, *replies: Reply) -> None:
        """Answer the question last returned: one reply; in LMTP, for `EndOfData`, one an accepted recipient, in order.

        A 421 among them ends the session (RFC 5321 §3.8).  Once it is closed, answers are dropped.
        """
        question = self._question
        if self._state is State.CLOSED:
            return
        if question is None:
            raise RuntimeError("there is no question to answer")
        if len(replies) != (owed := self._replies_owed() if isinstance(question, EndOfData) else 1):
            raise RuntimeError(f"{owed} replies are owed, not {len(replies)}")
        self._question = None
        is_last = False
        for reply in replies:
            self._say(reply)
            is_last |= reply.code == 421
        self._settle(question, replies[0].is_positive)
        if is_last:
            self._end("answered 421")

    def inform(self, answer: object) -> None:
        """Answer `Inquire` with what it asked for.  Once the session is closed, it is dropped."""
        if self._state is State.CLOSED:
            return
        if not isinstance(self._question, Inquire):
            raise RuntimeError("nothing was inquired")
        self._question = None
        self._step(lambda exchange: exchange.inform(answer))

    def tls_started(self) -> None:
        """TLS is up: everything starts over, and plaintext that is still buffered is dropped (RFC 3207 §4.2)."""
        if self._state is not State.TLS:
            raise RuntimeError("TLS started without StartTLS")
        self._lines.clear()
        self.tls, self.authenticated = True, False
        self._offer = offer(Situation(self._options, True, self._last_release))
        self._state = State.START
        self.transcript.keep(b"[TLS]")

    # ---- reading, a state each: None when there may be an event, or it is worth looking again

    def _read_command(self) -> Wait | None:
        try:
            line = self._lines.next_line()
        except LineError as error:
            self.transcript.keep(b"[a line that cannot be a command]")
            self._refuse("", Reply(500, "5.2", str(error)))
            return None
        if line is None:
            return Wait.NEED_DATA
        word, _, argument = line.partition(b" ")
        verb = word.upper()
        row = COMMANDS.get(verb)
        self.transcript.keep(harmless(line, verb, known=row is not None))
        if row is None:
            self._reject_verb(verb)
        else:
            self._obey(row, line, argument)
        return None

    def _read_response(self) -> Wait | None:
        try:
            line = self._lines.next_line()
            if line is not None:
                self.transcript.keep(STRUCK_OUT)
        except LineTooLong:
            self._end_exchange(auth.TOO_LONG)
            return None
        except LineError as error:
            self._end_exchange(Reply(501, "5.2", str(error)))
            return None
        if line is None:
            return Wait.NEED_DATA
        self._respond(line.strip(b" "))
        return None

    # ---- one command

    def _obey(self, row: Command, line: bytes, argument: bytes) -> None:
        try:
            if len(line) > COMMAND_LIMIT - 2 and len(line) > row.limit(self._offer) - 2:
                raise SMTPError(auth.TOO_LONG if row.verb == "AUTH" else wording.LINE_TOO_LONG)
            if self._state not in row.states:
                raise SMTPError(self._out_of_order(row.verb))
            _ACTIONS[row.verb](self, row.parse(command.parse_text(argument), self._offer))
        except SMTPError as refusal:
            # Only these two say something that the log needs; and what follows AUTH may be a password.
            shown = line.decode(errors="backslashreplace") if row.verb in ("MAIL", "RCPT") else row.verb
            self._refuse(shown, refusal.reply)
            self._forgiving |= row.verb == "MAIL"
            if row.verb == "BDAT":
                self._end("BDAT without a size")  # where its data ends and commands begin again cannot be known
            return
        if row.idle:
            self._idle += 1
            if self._idle > self._options.max_idle:
                self._count_error()

    def _reject_verb(self, verb: bytes) -> None:
        shown, reply = wording.unknown(verb)
        self._refuse(shown, reply)
        if reply is wording.NOT_HTTP:
            self._end("an HTTP request")

    def _hello(self, name: str, *, lmtp: bool, extended: bool) -> None:
        if lmtp != self._options.lmtp:
            raise SMTPError(wording.wrong_hello(lmtp=lmtp))
        self._end_transaction()
        self._state = State.READY
        self._emit(Hello(name, extended))
        self._send(self._offer.hello if extended else Reply(250, "", self._options.hostname).encode())

    def _starttls(self, argument: None) -> None:
        if self.tls:
            raise SMTPError(wording.TLS_TWICE)
        if not self._options.tls_available:
            raise SMTPError(wording.NO_TLS)
        if self._lines.clear():
            raise SMTPError(wording.BEHIND_STARTTLS)
        self._end_transaction()
        self._say(wording.START_TLS)
        self._state = State.TLS
        self._emit(StartTLS())

    def _xclient(self, argument: str) -> None:
        if not self._options.xclient:
            raise SMTPError(wording.NOT_HERE)
        introduced = parse_xclient(argument)
        self.authenticated = False
        self._state = State.START
        self._emit(introduced)
        self.greet()

    def _auth(self, request: AuthRequest) -> None:
        offered = self._offer.mechanisms
        self._exchange = auth.begin(request, self._options, offered, authenticated=self.authenticated)
        self._state = State.AUTH
        self._respond(request.initial)

    def _mail(self, parsed: tuple[Address | None, MailOptions]) -> None:
        sender, options = parsed
        if 0 < self._options.max_transactions <= self._transactions:
            self._say(wording.TOO_MANY_MESSAGES)
            self._end("too many transactions")
            return
        check_mail(options, self._options, self._last_release)
        self._emit(MailFrom(sender, options))

    def _rcpt(self, parsed: tuple[Recipient, bool]) -> None:
        recipient, ascii_only = parsed
        self._open.attempt(self._options.max_recipients, ascii_only=ascii_only)
        self._emit(RcptTo(recipient))

    def _rset(self, argument: None) -> None:
        self._end_transaction()
        self._say(wording.OK)

    def _noop(self, argument: str) -> None:
        self._say(wording.OK)

    def _vrfy(self, argument: str) -> None:
        self._say(wording.NOT_VERIFIED)

    def _expn(self, request: ListRequest) -> None:
        if not self.authenticated:
            raise SMTPError(command.NOT_SHOWN)
        self._emit(Expand(request.alias, request.smtputf8))

    def _help(self, argument: str) -> None:
        self._say(wording.help_text(self._options))

    def _quit(self, argument: None) -> None:
        self._say(wording.GOODBYE)
        self._end("QUIT")

    # ---- what follows an answer

    def _settle(self, question: Question, accepted: bool) -> None:
        """Go on to the next state.  LMTP answers the end of data recipient by recipient: it is over either way."""
        match question:
            case MailFrom(options=options):
                self._forgiving = not accepted
                if accepted:
                    self._transactions += 1
                    self._transaction = Transaction(options)
                    self._state = State.MAIL
            case RcptTo() if accepted and self._transaction is not None:
                self._transaction.accepted += 1
                self._state = State.RCPT
            case EndOfData():
                self._transaction = None
                self._state = State.READY
                self._idle = 0
            case Inquire():
                self._exchange = None
                self._state = State.READY
                self._count_error()
            case Expand() if not accepted:
                self._count_error()
            case Authenticate():
                self.authenticated = accepted
                if not accepted:
                    self._count_error()

    def _respond(self, line: bytes | None) -> None:
        """Go on in the AUTH exchange."""
        self._step(lambda exchange: exchange.respond(line))

    def _step(self, step: Callable[[AuthExchange], Reply | Inquiry | Credentials]) -> None:
        assert self._exchange is not None
        try:
            outcome = step(self._exchange)
        except SMTPError as refusal:
            self._end_exchange(refusal.reply)
            return
        match outcome:
            case Reply():
                self._say(outcome)
            case Inquiry():
                self._emit(Inquire(outcome))
            case _:
                self._exchange = None
                self._state = State.READY
                self._emit(Authenticate(outcome))

    def _end_exchange(self, reply: Reply) -> None:
        self._exchange = None
        self._state = State.READY
        self._refuse("AUTH", reply)

    readers: ClassVar = {
        State.START: _read_command,
        State.READY: _read_command,
        State.MAIL: _read_command,
        State.RCPT: _read_command,
        State.CHUNKS: _read_command,
        State.TEXT: Receiving._read_text,
        State.CHUNK: Receiving._read_chunk,
        State.AUTH: _read_response,
        State.TLS: Dialogue._read_nothing,
        State.CLOSED: Dialogue._read_end,
    }


_ACTIONS: dict[str, Callable[[ServerSession, Any], None]] = {
    "EHLO": lambda session, name: session._hello(name, lmtp=False, extended=True),
    "HELO": lambda session, name: session._hello(name, lmtp=False, extended=False),
    "LHLO": lambda session, name: session._hello(name, lmtp=True, extended=True),
    "STARTTLS": ServerSession._starttls,
    "XCLIENT": ServerSession._xclient,
    "AUTH": ServerSession._auth,
    "MAIL": ServerSession._mail,
    "RCPT": ServerSession._rcpt,
    "DATA": ServerSession._data,
    "BDAT": ServerSession._bdat,
    "RSET": ServerSession._rset,
    "NOOP": ServerSession._noop,
    "VRFY": ServerSession._vrfy,
    "EXPN": ServerSession._expn,
    "HELP": ServerSession._help,
    "QUIT": ServerSession._quit,
}
"""What a command does with what its parser gave.  It answers or emits an event, or raises SMTPError: refused."""
