"""The server's side of an SMTP session (RFC 5321), with LMTP (RFC 2033) and submission (RFC 6409) as options of it.

Octets in, events out; answers in, octets out.  A question blocks the session until it is answered, so nothing that a
client pipelines can overtake anything.  Syntax, order and limits are answered here; what is true of users and
mailboxes is asked.  COMMANDS in command.py says what is legal when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from twisted_mail.framing import LineBuffer, LineError, LineTooLong
from twisted_mail.mechanisms import MECHANISMS
from twisted_mail.sasl import Credentials, Inquiry
from twisted_mail.smtp import auth, command, data
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.auth import AuthExchange
from twisted_mail.smtp.command import (
    COMMANDS,
    HTTP_METHODS,
    NOT_IMPLEMENTED,
    AuthRequest,
    ChunkSize,
    Command,
    ListRequest,
    State,
)
from twisted_mail.smtp.data import Chunk, IncomingChunks, IncomingText
from twisted_mail.smtp.envelope import Body, MailOptions, Recipient
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
    Reset,
    StartTLS,
    Wait,
)
from twisted_mail.smtp.extensions import COMMAND_LIMIT, Situation, last_release, offer
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.smtp.xclient import parse_xclient

__all__ = ["ServerSession", "SessionOptions"]


@dataclass(slots=True)
class Transaction:
    """What the session itself must know of the open transaction."""

    options: MailOptions
    attempted: int = 0
    """Recipients that were asked for."""
    accepted: int = 0


class ServerSession:
    """One client's session.

    Call `greet`; then `receive_data` with what arrives and `next_event` until it gives NEED_DATA, `answer` each
    question, and send `data_to_send` before waiting for more octets.
    """

    def __init__(self, options: SessionOptions, *, tls: bool = False, now: datetime | None = None) -> None:
        """*tls*: it is up already (port 465).  *now* (UTC) is needed only where submissions may be held back."""
        if options.max_hold and now is None:
            raise ValueError("max_hold needs to know what time it is")
        self._options = options
        self._last_release = last_release(options, now)
        self._offer = offer(Situation(options, tls, self._last_release))
        self.tls = tls
        self.authenticated = False
        self._lines = LineBuffer(self._offer.line_limit)
        self._out: list[bytes] = []
        self._queue: deque[Event] = deque()
        self._question: Question | None = None
        self._state = State.START
        self._transaction: Transaction | None = None
        self._forgiving = False
        self._exchange: AuthExchange | None = None
        self._text: IncomingText | None = None
        self._chunks: IncomingChunks | None = None
        self._chunk: Chunk | None = None
        self._errors = 0
        self._idle = 0
        self._transactions = 0
        self._reason = ""

    # ---- what the server calls

    @property
    def in_transaction(self) -> bool:
        """MAIL was accepted, and what became of it is not settled yet."""
        return self._transaction is not None

    @property
    def smtputf8(self) -> bool:
        """The open transaction may use UTF-8 in addresses and header (RFC 6531)."""
        return self._transaction is not None and self._transaction.options.smtputf8

    @property
    def _is_binary(self) -> bool:
        return self._transaction is not None and self._transaction.options.body is Body.BINARY_MIME

    def greet(self) -> None:
        """Queue the banner."""
        role = " submission" if self._options.submission else ""
        self._say(Reply(220, "", f"{self._options.hostname} {'LMTP' if self._options.lmtp else 'ESMTP'}{role}"))

    def receive_data(self, data: bytes) -> None:
        """Keep *data*; nothing is looked at before `next_event`."""
        if self._state is not State.CLOSED:
            self._lines.receive_data(data)

    def next_event(self) -> Event | Wait:
        """What has happened, or why nothing has.  After `Closed`, `Closed` again."""
        while not self._queue:
            if self._question is not None:
                return Wait.PAUSED
            wait = _READERS[self._state](self)
            if wait is not None:
                return wait
        event = self._queue.popleft()
        if isinstance(event, Question):
            self._question = event
        return event

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
        for reply in replies:
            self._say(reply)
        self._settle(question, replies[0].is_positive)
        if any(reply.code == 421 for reply in replies):
            self._end("answered 421")

    def inform(self, answer: object) -> None:
        """Answer `Inquire` with what it asked for.  Once the session is closed, it is dropped."""
        if self._state is State.CLOSED:
            return
        if not isinstance(self._question, Inquire):
            raise RuntimeError("nothing was inquired")
        self._question = None
        self._step(lambda exchange: exchange.inform(answer))

    def data_to_send(self) -> bytes:
        """All replies since the last call, for one write (RFC 2920 §3.2)."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def tls_started(self) -> None:
        """TLS is up: everything starts over, and plaintext that is still buffered is dropped (RFC 3207 §4.2)."""
        if self._state is not State.TLS:
            raise RuntimeError("TLS started without StartTLS")
        self._lines.clear()
        self.tls, self.authenticated = True, False
        self._offer = offer(Situation(self._options, True, self._last_release))
        self._state = State.START

    def close(self, reply: Reply, reason: str) -> None:
        """The server ends the session, whatever is under way: *reply* for the client, *reason* for the log."""
        self._queue.clear()
        self._question = None
        self._say(reply)
        self._end(reason)

    # ---- reading, a state each: None when there may be an event, or it is worth looking again

    def _read_command(self) -> Wait | None:
        try:
            line = self._lines.next_line()
        except LineError as error:
            self._refuse("", Reply(500, "5.2", str(error)))
            return None
        if line is None:
            return Wait.NEED_DATA
        verb, _, argument = line.partition(b" ")
        row = COMMANDS.get(verb.upper())
        if row is None:
            self._reject_verb(verb.upper())
        else:
            self._obey(row, line, argument)
        return None

    def _read_response(self) -> Wait | None:
        try:
            line = self._lines.next_line()
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

    def _read_text(self) -> Wait | None:
        assert self._text is not None
        octets = self._lines.take_all()
        if not octets:
            return Wait.NEED_DATA
        text, rest = self._text.feed(octets)
        if text:
            self._emit(DataChunk(text))
        if self._text.finished:
            self._lines.receive_data(rest)
            self._finish_message(self._text.refusal, self._replies_owed())
            self._text = None
        return None

    def _read_chunk(self) -> Wait | None:
        assert self._chunk is not None
        octets = self._lines.take(self._chunk.left)
        if self._chunk.left and not octets:
            return Wait.NEED_DATA
        self._chunk.left -= len(octets)
        if self._chunk.refusal is None:
            assert self._chunks is not None
            if text := self._chunks.feed(octets):
                self._emit(DataChunk(text))
        if not self._chunk.left:
            self._finish_chunk(self._chunk)
        return None

    def _read_nothing(self) -> Wait | None:
        return Wait.PAUSED

    def _read_end(self) -> Wait | None:
        self._emit(Closed(self._reason))
        return None

    # ---- one command

    def _obey(self, row: Command, line: bytes, argument: bytes) -> None:
        try:
            if len(line) > COMMAND_LIMIT - 2 and len(line) > row.limit(self._offer) - 2:
                raise SMTPError(auth.TOO_LONG if row.verb == "AUTH" else _LINE_TOO_LONG)
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

    def _out_of_order(self, verb: str) -> Reply:
        match self._state:
            case State.START:
                return Reply(503, "5.1", f"Say {'LHLO' if self._options.lmtp else 'EHLO'} first")
            case State.READY:
                return Reply(503, "5.1", f"Need MAIL before {verb}")
            case State.MAIL if verb in ("DATA", "BDAT"):
                # RFC 5321 §3.3 leaves the choice, RFC 2033 §4.2 wants 503
                if self._transaction is not None and self._transaction.attempted and not self._options.lmtp:
                    return Reply(554, "5.1", "No valid recipients")
                return Reply(503, "5.1", f"Need RCPT before {verb}")
        return Reply(503, "5.1", f"{verb} is not possible in a transaction: finish it, or give it up with RSET")

    def _reject_verb(self, verb: bytes) -> None:
        """Not in the table.  Neither log nor reply repeat it: a client out of step may have sent a password."""
        if verb in HTTP_METHODS:
            self._refuse("HTTP", _NOT_HTTP)
            self._end("an HTTP request")
        elif verb in NOT_IMPLEMENTED:
            self._refuse(verb.decode(), Reply(502, "5.1", "This command is not implemented"))
        else:
            self._refuse("unknown command", Reply(500, "5.1", "Command not known; HELP shows those that are"))

    def _hello(self, name: str, *, lmtp: bool, extended: bool) -> None:
        if lmtp != self._options.lmtp:
            raise SMTPError(Reply(500, "5.1", "This is not LMTP: say EHLO" if lmtp else "This is LMTP: say LHLO"))
        self._end_transaction()
        self._state = State.READY
        self._emit(Hello(name, extended))
        self._out.append(self._offer.hello if extended else Reply(250, "", self._options.hostname).encode())

    def _starttls(self, argument: None) -> None:
        if self.tls:
            raise SMTPError(Reply(503, "5.1", "TLS is up already"))
        if not self._options.tls_available:
            raise SMTPError(Reply(502, "5.1", "TLS is not available here"))
        if self._lines.clear():
            # Somebody in between may have put them there, to be read as if they had come inside TLS.
            raise SMTPError(Reply(501, "5.4", "Nothing may follow STARTTLS before its answer; it is ignored"))
        self._end_transaction()
        self._say(Reply(220, "0.0", "Start TLS now"))
        self._state = State.TLS
        self._emit(StartTLS())

    def _xclient(self, argument: str) -> None:
        if not self._options.xclient:
            raise SMTPError(Reply(502, "5.1", "This command is not implemented"))
        introduced = parse_xclient(argument)
        self.authenticated = False
        self._state = State.START
        self._emit(introduced)
        self.greet()

    def _auth(self, request: AuthRequest) -> None:
        if self.authenticated:
            raise SMTPError(Reply(503, "5.1", "You are logged in already"))
        if not self._options.mechanisms:
            raise SMTPError(Reply(502, "5.1", "Logging in is not possible here"))
        if not self._offer.mechanisms:
            raise SMTPError(Reply(538, "7.11", "Passwords are taken over TLS only: say STARTTLS first"))
        offered = self._offer.mechanisms
        if request.mechanism not in offered:
            raise SMTPError(Reply(504, "5.4", f"Mechanism not known here; there is {', '.join(offered)}"))
        self._exchange = AuthExchange(MECHANISMS[request.mechanism].begin(offered))
        self._state = State.AUTH
        self._respond(request.initial)

    def _mail(self, parsed: tuple[Address | None, MailOptions]) -> None:
        sender, options = parsed
        if 0 < self._options.max_transactions <= self._transactions:
            self._say(Reply(421, "7.0", "No more messages on this connection, open another one"))
            self._end("too many transactions")
            return
        if options.size is not None and options.size > self._options.max_size:
            raise SMTPError(data.too_large(self._options.max_size))
        if self._held_too_long(options.release):
            raise SMTPError(Reply(501, "5.4", f"A message is held for at most {self._options.max_hold} seconds"))
        self._emit(MailFrom(sender, options))

    def _rcpt(self, parsed: tuple[Recipient, bool]) -> None:
        recipient, ascii_only = parsed
        assert self._transaction is not None
        self._transaction.attempted += 1
        if not ascii_only and not self.smtputf8:
            raise SMTPError(command.NEEDS_SMTPUTF8)
        if self._transaction.accepted >= self._options.max_recipients:
            raise SMTPError(Reply(452, "5.3", "Too many recipients, send the message to the others once more"))
        self._emit(RcptTo(recipient))

    def _held_too_long(self, release: timedelta | datetime | None) -> bool:
        """RFC 4865 §4."""
        match release:
            case timedelta():
                return release.total_seconds() > self._options.max_hold
            case datetime():
                return self._last_release is None or release > self._last_release
        return False

    def _data(self, argument: None) -> None:
        if self._is_binary:
            raise SMTPError(data.NEEDS_BDAT)
        self._text = IncomingText(self._options)
        self._state = State.TEXT
        self._say(data.GO_AHEAD)

    def _bdat(self, size: ChunkSize) -> None:
        refusal = None
        if not self._options.chunking:
            refusal = Reply(502, "5.1", "BDAT is not offered here, use DATA")
        elif self._state not in (State.RCPT, State.CHUNKS):
            refusal = self._out_of_order("BDAT")
        elif self._chunks is None:
            self._chunks = IncomingChunks(self._options, binary=self._is_binary)
        self._chunk = Chunk(size, size.octets, refusal, self._state)
        self._state = State.CHUNK

    def _rset(self, argument: None) -> None:
        self._end_transaction()
        self._say(_OK)

    def _noop(self, argument: str) -> None:
        self._say(_OK)

    def _vrfy(self, argument: str) -> None:
        self._say(Reply(252, "0.0", "Addresses are not verified here: use RCPT, and mail is taken or refused"))

    def _expn(self, request: ListRequest) -> None:
        if not self.authenticated:
            raise SMTPError(command.NOT_SHOWN)
        self._emit(Expand(request.alias, request.smtputf8))

    def _help(self, argument: str) -> None:
        hello, others = ("LHLO", {"EHLO", "HELO"}) if self._options.lmtp else ("EHLO", {"LHLO"})
        others |= set() if self._options.chunking else {"BDAT"}
        others |= set() if self._options.xclient else {"XCLIENT"}
        verbs = " ".join(row.verb for row in COMMANDS.values() if row.verb not in others)
        login = ", AUTH" if self._options.submission else ""
        order = f"{hello} you.example{login}, MAIL FROM:<you@example.org>, RCPT TO:<them@example.org>, DATA, QUIT"
        self._say(Reply(214, "0.0", f"Commands: {verbs}\nIn this order: {order}"))

    def _quit(self, argument: None) -> None:
        self._say(Reply(221, "0.0", "Goodbye"))
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
                self._transaction = self._chunks = None
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

    def _finish_chunk(self, chunk: Chunk) -> None:
        if chunk.refusal is not None:
            self._state = chunk.state
            self._refuse("BDAT", chunk.refusal)
            return
        assert self._chunks is not None
        if chunk.size.last and (text := self._chunks.finish()):
            self._emit(DataChunk(text))
        if chunk.size.last or self._chunks.refusal is not None:
            self._finish_message(self._chunks.refusal, self._replies_owed() if chunk.size.last else 1)
        else:
            self._say(Reply(250, "0.0", f"{chunk.size.octets} octets received"))
            self._state = State.CHUNKS

    def _finish_message(self, refusal: Reply | None, replies_owed: int) -> None:
        self._state = State.TEXT
        if refusal is None:
            self._emit(EndOfData())
            return
        for _ in range(replies_owed - 1):
            self._say(refusal)
        self._end_transaction()
        self._refuse("DATA", refusal)
        self._forgiving = True

    def _replies_owed(self) -> int:
        """To the end of data (RFC 2033 §4.2)."""
        return self._transaction.accepted if self._options.lmtp and self._transaction is not None else 1

    def _end_transaction(self) -> None:
        self._forgiving = False
        if self._transaction is not None:
            self._transaction = self._chunks = None
            self._state = State.READY
            self._emit(Reset())

    # ---- saying

    def _say(self, reply: Reply) -> None:
        self._out.append(reply.encode())

    def _emit(self, event: Event) -> None:
        self._queue.append(event)

    def _refuse(self, shown: str, reply: Reply) -> None:
        """Refuse a command.  It counts as an error, unless the client could not have known better."""
        self._say(reply)
        self._emit(Refused(shown, str(reply)))
        # What was pipelined behind a refused MAIL or BDAT, and a limit that asks to come again, are no abuse.
        if not (reply.is_temporary or (self._forgiving and reply.code == 503)):
            self._count_error()

    def _count_error(self) -> None:
        self._errors += 1
        if self._errors == self._options.max_errors:
            self._say(Reply(421, "7.0", "Too many errors, goodbye"))
            self._end("too many errors")

    def _end(self, reason: str) -> None:
        if self._state is not State.CLOSED:
            self._state = State.CLOSED
            self._reason = reason
            self._lines.clear()


_OK = Reply(250, "0.0", "Ok")
_LINE_TOO_LONG = Reply(500, "5.2", "Line too long")
_NOT_HTTP = Reply(554, "5.1", "This is a mail server, it does not speak HTTP")

_READERS: dict[State, Callable[[ServerSession], Wait | None]] = {
    State.START: ServerSession._read_command,
    State.READY: ServerSession._read_command,
    State.MAIL: ServerSession._read_command,
    State.RCPT: ServerSession._read_command,
    State.CHUNKS: ServerSession._read_command,
    State.TEXT: ServerSession._read_text,
    State.CHUNK: ServerSession._read_chunk,
    State.AUTH: ServerSession._read_response,
    State.TLS: ServerSession._read_nothing,
    State.CLOSED: ServerSession._read_end,
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
