"""One conversation with a milter: questions out, answers in.  Pure; what it is asked, and when, is for the caller.

An answer that was not agreed on, or comes when none is owed, is a MilterError: after one, the connection is useless.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import Enum

from twisted_mail.policy.milter import codec
from twisted_mail.policy.milter.codec import Action, Answer, MilterError, Negotiated, Question, Step, Verdict

DATA_SINCE = 4
"""The version with which DATA came."""
_VERDICTS = {Verdict.CONTINUE, Verdict.ACCEPT, Verdict.DISCARD}


class _Owed(Enum):
    NOTHING = "nothing"
    NEGOTIATION = "the agreement on what it may do"
    VERDICT = "a verdict"
    BODY_VERDICT = "a verdict, or that it has seen enough"
    CHANGES = "changes, and a verdict at last"


class MilterSession:
    def __init__(self) -> None:
        self._received = bytearray()
        self._to_send = bytearray()
        self._owed = _Owed.NOTHING
        self.agreed = Negotiated(codec.VERSION, Action(0), Step(0))

    def negotiate(self) -> None:
        """The first thing that is said."""
        offer = struct.pack(">III", codec.VERSION, codec.ALL_ACTIONS, codec.ALL_STEPS)
        self._to_send += codec.packet(b"O", offer)
        self._owed = _Owed.NEGOTIATION

    def ask(self, question: Question, payload: bytes = b"", macros: Iterable[tuple[str, str]] = ()) -> bool:
        """Whether there will be an answer: a filter may not want to hear of it, or say nothing to it."""
        assert self._owed is _Owed.NOTHING, self._owed
        steps = self.agreed.steps
        if steps & question.unless or (question is codec.DATA and self.agreed.version < DATA_SINCE):
            return False
        self._to_send += codec.macros(question.command, macros) + codec.packet(question.command, payload)
        if steps & question.unanswered:
            return False
        self._owed = _OWED.get(question, _Owed.VERDICT)
        return True

    def quit(self) -> None:
        """The last thing that is said."""
        self._to_send += codec.packet(b"Q")

    def data_to_send(self) -> bytes:
        octets = bytes(self._to_send)
        self._to_send.clear()
        return octets

    def receive_data(self, data: bytes) -> None:
        self._received += data

    def next_answer(self) -> Answer | None:
        """None: more octets are needed.  Raises MilterError."""
        if len(self._received) < 4:
            return None
        (size,) = struct.unpack(">I", self._received[:4])
        if not 1 <= size <= codec.MAX_PACKET:
            raise MilterError(f"it announces an answer of {size} octets")
        if len(self._received) < 4 + size:
            return None
        octets = bytes(self._received[4 : 4 + size])
        del self._received[: 4 + size]
        found = codec.answer(octets[:1], octets[1:])
        self._take(found)
        return found

    def _take(self, found: Answer) -> None:
        """Is it something that it may say now?"""
        if found is Verdict.PROGRESS and self._owed not in (_Owed.NOTHING, _Owed.NEGOTIATION):
            return
        if (needed := codec.NEEDS.get(type(found))) is not None:
            if self._owed is not _Owed.CHANGES or not needed & self.agreed.actions:
                raise MilterError(f"it says {type(found).__name__}, which it may not")
            return
        if not self._ends_turn(found):
            raise MilterError(f"it says {found!r} where it owes {self._owed.value}")
        self._owed = _Owed.NOTHING
        if isinstance(found, Negotiated):
            self.agreed = found

    def _ends_turn(self, found: Answer) -> bool:
        match self._owed:
            case _Owed.NOTHING:
                return False
            case _Owed.NEGOTIATION:
                return isinstance(found, Negotiated)
            case _Owed.BODY_VERDICT if found is Verdict.SKIP:
                return bool(self.agreed.steps & Step.SKIP)
            case _:
                return found in _VERDICTS or isinstance(found, codec.Refusal)


_OWED = {codec.BODY: _Owed.BODY_VERDICT, codec.END_OF_MESSAGE: _Owed.CHANGES}
