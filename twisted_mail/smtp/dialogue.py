"""What any state of an SMTP server session does: octets in and out, events, questions, errors that count, an end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from twisted_mail.framing import LineBuffer
from twisted_mail.smtp import wording
from twisted_mail.smtp.command import State
from twisted_mail.smtp.events import Closed, Event, Question, Refused, Wait
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.reply import Reply
from twisted_mail.transcript import Transcript


class Dialogue:
    """With one client.  A subclass says in `readers` what each state makes of octets."""

    readers: ClassVar[Mapping[State, Callable[[Any], Wait | None]]]
    """Called with the dialogue.  None: there may be an event now, or it is worth looking again."""

    def __init__(self, options: SessionOptions, line_limit: int) -> None:
        """*line_limit*: octets of a line, with its end."""
        self._options = options
        self._lines = LineBuffer(line_limit)
        self._out: list[bytes] = []
        self._queue: deque[Event] = deque()
        self._question: Question | None = None
        self._state = State.START
        self._forgiving = False
        self._errors = 0
        self._reason = ""
        self.transcript = Transcript()
        """What was said, without secrets and messages."""

    # ---- what the server calls

    def receive_data(self, data: bytes) -> None:
        """Keep *data*; nothing is looked at before `next_event`."""
        if self._state is not State.CLOSED:
            self._lines.receive_data(data)

    def next_event(self) -> Event | Wait:
        """What has happened, or why nothing has.  After `Closed`, `Closed` again."""
        while not self._queue:
            if self._question is not None:
                return Wait.PAUSED
            wait = self.readers[self._state](self)
            if wait is not None:
                return wait
        event = self._queue.popleft()
        if isinstance(event, Question):
            self._question = event
        return event

    def data_to_send(self) -> bytes:
        """All replies since the last call, for one write (RFC 2920 §3.2)."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def close(self, reply: Reply, reason: str) -> None:
        """The server ends the session, whatever is under way: *reply* for the client, *reason* for the log."""
        self._queue.clear()
        self._question = None
        self._say(reply)
        self._end(reason)

    # ---- reading where there is nothing to read

    def _read_nothing(self) -> Wait | None:
        return Wait.PAUSED

    def _read_end(self) -> Wait | None:
        self._emit(Closed(self._reason))
        return None

    # ---- saying

    def _say(self, reply: Reply) -> None:
        self._send(reply.encode())

    def _send(self, octets: bytes) -> None:
        self._out.append(octets)
        self.transcript.keep(octets)

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
            self._say(wording.TOO_MANY_ERRORS)
            self._end("too many errors")

    def _end(self, reason: str) -> None:
        if self._state is not State.CLOSED:
            self._state = State.CLOSED
            self._reason = reason
            self._lines.clear()
