"""The client's side of an SMTP or LMTP session (RFC 5321, RFC 2033): replies in, events out, commands out, all pure.

Every command is a `Step` (client_transaction.py) with the method that takes its reply; replies arrive in the order of
the commands.  Where the peer offers PIPELINING, the steps of a transaction go out together (RFC 2920 §3.1), else one by
one.

The greeting is awaited and EHLO said without being asked.  A 421 ends the session at any point: it is then the reply
to all that had none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from twisted_mail.framing import DotEncoder
from twisted_mail.sasl import PasswordCredentials, SASLError
from twisted_mail.smtp.client_auth import LoginExchange, known
from twisted_mail.smtp.client_commands import Outgoing, mail_command, rcpt_command
from twisted_mail.smtp.client_dialogue import Dialogue
from twisted_mail.smtp.client_events import (
    Broken,
    ClientEvent,
    Closed,
    Declined,
    Finished,
    LoggedIn,
    Ready,
    SendText,
    Stage,
    TLSAgreed,
)
from twisted_mail.smtp.client_offer import PeerOffer, parse_offer
from twisted_mail.smtp.client_reply import ReplyError, ReplyReader, as_spoken
from twisted_mail.smtp.client_transaction import Step, Take, Transaction
from twisted_mail.smtp.envelope import Recipient
from twisted_mail.smtp.reply import Reply, SMTPError


class ClientSession:
    """One connection to a server, for any number of messages."""

    def __init__(self, hostname: str, *, lmtp: bool = False) -> None:
        """*hostname*: who we are, for EHLO."""
        self._hostname = hostname
        self._lmtp = lmtp
        self._reader = ReplyReader()
        self._out: list[bytes] = []
        self._events: deque[ClientEvent] = deque()
        self._steps: deque[Step] = deque()
        self._expected: deque[Step] = deque([Step(Stage.GREETING, self._greeted)])
        self._transaction: Transaction | None = None
        self._open_at_peer = False
        self._in_tls_handshake = False
        self.offer = PeerOffer()
        self.dialogue = Dialogue()
        self.is_over = False
        """No more commands: the peer said 421 or nonsense, or QUIT is answered."""

    # ---- octets

    def receive_data(self, data: bytes) -> bool:
        """Take what the peer sent.  True: a reply is complete, or the session is broken; False: more is needed."""
        if self.is_over or self._in_tls_handshake:
            return False
        self._reader.receive_data(data)
        replied = False
        try:
            while not self.is_over and not self._in_tls_handshake and (reply := self._reader.next_reply()) is not None:
                self._take(reply)
                replied = True
        except ReplyError as error:
            self._break(str(error))
        return replied or self.is_over

    def next_event(self) -> ClientEvent | None:
        """What happened next; None: nothing more before the next octets."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> bytes:
        """All commands and text so far."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    # ---- where it stands

    @property
    def awaited(self) -> Stage | None:
        """What the next reply is to; None: nothing is owed."""
        return self._expected[0].stage if self._expected else None

    @property
    def is_usable(self) -> bool:
        """Nothing is under way and the next message may begin."""
        return not (self.is_over or self._expected or self._steps or self._transaction)

    @property
    def in_doubt(self) -> bool:
        """The whole message is sent, and the peer has not said what it did with it."""
        transaction = self._transaction
        return transaction is not None and transaction.sent and bool(transaction.waiting)

    @property
    def replies(self) -> dict[Recipient, Reply]:
        """In a transaction: the last word on each recipient that has one."""
        return dict(self._transaction.replies) if self._transaction is not None else {}

    # ---- what the caller wants

    def start_tls(self) -> None:
        """Ask for TLS: TLSAgreed or Declined follows."""
        if "STARTTLS" not in self.offer:
            self._events.append(Declined(Stage.STARTTLS, Reply(454, "7.0", "The server does not offer TLS")))
            return
        self._say(Stage.STARTTLS, b"STARTTLS", self._starttls_answered)

    def tls_started(self) -> None:
        """TLS is up: what was known of the peer is forgotten, and EHLO said again (RFC 3207 §4.2).  Ready follows."""
        self._in_tls_handshake = False
        self.offer = PeerOffer()
        self.dialogue.note("TLS is up")
        self._hello()

    def log_in(self, credentials: PasswordCredentials, nonce: str) -> None:
        """LoggedIn or Declined follows.  *nonce*: fresh, printable ASCII without commas."""
        exchanges = [LoginExchange(each, credentials, nonce) for each in known(self.offer.mechanisms)]
        if exchanges:
            self._authenticate(exchanges)
            return
        offered = ", ".join(self.offer.mechanisms) or "none"
        reply = Reply(454, "7.0", f"The server offers no way to log in that is known here (it has: {offered})")
        self._events.append(Declined(Stage.LOGIN, reply))

    def begin(self, message: Outgoing) -> None:
        """Say MAIL, RCPT and DATA.  SendText or Finished follows.

        Raises SMTPError, 5yz: the message must not go to this peer as it is; nothing was said.
        """
        assert self.is_usable
        mail = mail_command(message, self.offer)
        transaction = self._transaction = Transaction(message)
        self.dialogue.begin_transaction()
        if self._open_at_peer:
            self._plan(Stage.RESET, b"RSET", self._reset_answered)
        self._plan(Stage.MAIL, mail, self._mail_answered)
        for recipient in message.recipients:
            self._plan_rcpt(recipient, transaction)
        if len(transaction.replies) == len(message.recipients):
            self._steps.clear()  # the peer can take none of the addresses
        elif not message.is_binary:
            self._plan(Stage.DATA, b"DATA", self._data_answered)
        self._go_on()

    def text(self, piece: bytes) -> None:
        """The next *piece* of the message, LF line ends (of a BINARYMIME message: the octets as they are)."""
        if self.awaited is Stage.TEXT:
            encoder = self._current.text
            self._out.append(piece if encoder is None else encoder.feed(piece))

    def end_text(self) -> None:
        """The message is complete.  Finished follows."""
        if self.awaited is not Stage.TEXT:
            return  # the peer has answered already
        transaction = self._current
        transaction.sent = True
        if transaction.text is not None:
            self._out.append(transaction.text.finish())
        self.dialogue.note(f"the message, {transaction.message.content.wire_size} octets")
        self._expect_end(transaction)

    def quit(self) -> None:
        """Closed follows."""
        self._say(Stage.QUIT, b"QUIT", lambda reply: self._close())

    # ---- logging in

    def _authenticate(self, exchanges: Sequence[LoginExchange]) -> None:
        """By the first of *exchanges*; by the next where the server cannot do that one after all."""
        exchange, *others = exchanges

        def answered(reply: Reply) -> None:
            if reply.code == 334:
                self._respond(exchange, reply, answered)
            elif reply.code == 235 and exchange.proven:
                self._events.append(LoggedIn())
            elif reply.code == 235:
                self._break("the server took the password without having shown that it knows it")
            elif reply.code >= 500 and exchange.is_choosy and others:
                self._authenticate(others)
            else:
                self._decline(Stage.LOGIN, reply)

        self._say(Stage.LOGIN, exchange.command, answered, shown=f"AUTH {exchange.mechanism} ****")

    def _respond(self, exchange: LoginExchange, challenge: Reply, answered: Take) -> None:
        try:
            response = exchange.respond(challenge.text)
        except SASLError as error:
            declined = Declined(Stage.LOGIN, Reply(454, "7.0", f"The server cannot be trusted with the login: {error}"))
            self._say(Stage.LOGIN, b"*", lambda reply: self._events.append(declined))  # RFC 4954 §4
            return
        if response is None:
            self._decline(Stage.LOGIN, challenge)
        else:
            self._say(Stage.LOGIN, response, answered, shown="****")

    # ---- replies, one method a command

    def _greeted(self, reply: Reply) -> None:
        if reply.code == 220:
            self._hello()
        else:
            self._decline(Stage.GREETING, reply)

    def _hello(self) -> None:
        verb = "LHLO" if self._lmtp else "EHLO"
        self._say(Stage.HELLO, f"{verb} {self._hostname}".encode(), self._hello_answered)

    def _hello_answered(self, reply: Reply) -> None:
        if reply.code == 250:
            self.offer = parse_offer(reply)
            self._events.append(Ready(self.offer))
        elif reply.code >= 500 and not self._lmtp:
            # RFC 5321 §3.2: a server that does not know EHLO
            self._say(Stage.HELLO, f"HELO {self._hostname}".encode(), self._helo_answered)
        else:
            self._decline(Stage.HELLO, reply)

    def _helo_answered(self, reply: Reply) -> None:
        if reply.code == 250:
            self._events.append(Ready(self.offer))
        else:
            self._decline(Stage.HELLO, reply)

    def _starttls_answered(self, reply: Reply) -> None:
        if reply.code == 220:
            self._in_tls_handshake = True
            self._reader.clear()
            self._events.append(TLSAgreed())
        else:
            self._decline(Stage.STARTTLS, reply)

    def _reset_answered(self, reply: Reply) -> None:
        if reply.code == 250:
            self._open_at_peer = False
        else:
            self._break(f"RSET was answered with {reply}")

    def _mail_answered(self, reply: Reply) -> None:
        transaction = self._current
        if reply.is_positive:
            self._open_at_peer = True
        else:
            transaction.refused = True
            transaction.settle_rest(reply)
            self._steps.clear()

    def _plan_rcpt(self, recipient: Recipient, transaction: Transaction) -> None:
        try:
            line = rcpt_command(recipient, self.offer)
        except SMTPError as error:
            transaction.replies[recipient] = error.reply
            return

        def answered(reply: Reply) -> None:
            if transaction.refused:
                return  # it was in the same group as MAIL, and says nothing of the recipient
            if reply.is_positive:
                transaction.accepted.append(recipient)
            else:
                transaction.replies[recipient] = reply

        self._plan(Stage.RCPT, line, answered, recipient)

    def _data_answered(self, reply: Reply) -> None:
        transaction = self._current
        if reply.code == 354 and transaction.accepted:
            transaction.text = DotEncoder()
            self._send_text()
        elif reply.code == 354:
            # RFC 2920 §3.1: all were refused in the same group; an empty message ends it, whatever comes of that
            self._say(Stage.END, b".", lambda reply: None)
            self._open_at_peer = False
        elif reply.is_positive:
            self._break(f"DATA was answered with {reply}")
        else:
            transaction.settle_rest(reply)

    def _send_text(self) -> None:
        self._expected.append(Step(Stage.TEXT, self._answered_early))
        self._events.append(SendText())

    def _answered_early(self, reply: Reply) -> None:
        """The peer did not wait for the end.  What it makes of the rest of the text nobody knows: it is not sent."""
        if reply.is_positive:
            self._break("the message was answered before its end")
            return
        self.is_over = True
        self._current.settle_rest(reply)
        self._finish(self._current)

    def _expect_end(self, transaction: Transaction) -> None:
        """One reply, in LMTP one a recipient, in order (RFC 2033 §4.2)."""
        self._expected.clear()
        if not self._lmtp:
            self._expected.append(Step(Stage.END, transaction.settle_rest))
            return
        for recipient in transaction.waiting:

            def answered(reply: Reply, recipient: Recipient = recipient) -> None:
                transaction.replies[recipient] = reply

            self._expected.append(Step(Stage.END, answered, about=recipient))

    # ---- steps

    def _plan(self, stage: Stage, line: bytes, take: Take, about: Recipient | None = None) -> None:
        self._steps.append(Step(stage, take, line, line.decode(), about))

    def _say(self, stage: Stage, line: bytes, take: Take, *, shown: str = "") -> None:
        """Say it now."""
        self._send(Step(stage, take, line, shown or line.decode()))

    def _send(self, step: Step) -> None:
        self._out.append(step.line + b"\r\n")
        self._expected.append(step)
        self.dialogue.client(step.shown, step.about)

    def _take(self, reply: Reply) -> None:
        step = self._expected.popleft() if self._expected else None
        self.dialogue.server(as_spoken(reply), step.about if step else None)
        if reply.code == 421 or step is None:
            self._hang_up(reply, step)
            return
        if not step.expects(reply):
            self._break(f"{step.stage.name} was answered with {reply}")
            return
        step.take(reply)
        self._go_on()

    def _go_on(self) -> None:
        """Say what may be said now; see whether the transaction is over."""
        transaction = self._transaction
        if transaction is None or self.is_over:
            return
        pipelining = "PIPELINING" in self.offer
        while self._steps and (pipelining or not self._expected):
            if self._steps[0].stage is Stage.DATA and not self._expected and not transaction.accepted:
                self._steps.clear()  # nobody was accepted: there is nothing to send
                break
            self._send(self._steps.popleft())
        if self._expected:
            return
        if transaction.message.is_binary and transaction.waiting:
            size = transaction.message.content.wire_size
            self._out.append(f"BDAT {size} LAST\r\n".encode())
            self.dialogue.client(f"BDAT {size} LAST")
            self._send_text()
        else:
            self._finish(transaction)

    def _finish(self, transaction: Transaction) -> None:
        if transaction.sent:
            self._open_at_peer = False
        self._transaction = None
        self._events.append(Finished(transaction.replies))

    def _hang_up(self, reply: Reply, step: Step | None) -> None:
        """421, or a reply to nothing."""
        if reply.code != 421:
            self._break(f"a reply to nothing: {reply}")
            return
        self.is_over = True
        if self._transaction is not None:
            self._transaction.settle_rest(reply)
            self._finish(self._transaction)
        elif step is not None and step.stage is not Stage.QUIT:
            self._events.append(Declined(step.stage, reply))
        self._close()

    def _decline(self, stage: Stage, reply: Reply) -> None:
        if reply.code < 400:
            self._break(f"{stage.name} was answered with {reply}")
        else:
            self._events.append(Declined(stage, reply))

    def _close(self) -> None:
        self.is_over = True
        self._events.append(Closed())

    def _break(self, reason: str) -> None:
        self.is_over = True
        self.dialogue.note(reason)
        self._events.append(Broken(reason))

    @property
    def _current(self) -> Transaction:
        assert self._transaction is not None
        return self._transaction
