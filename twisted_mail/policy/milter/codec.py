"""Milter packets: 4 octets of length, one of what it is, and what belongs to it.  Pure.

The protocol has no RFC: names and numbers are those of sendmail's mfdef.h, without SMFIC_, SMFIR_, SMFIF_ and SMFIP_.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, IntFlag

from twisted_mail.smtp.reply import Reply

VERSION = 6
OLDEST = 2
"""Version that is still understood."""
MAX_PACKET = 1024 * 1024
"""Octets of one answer; libmilter sends 64 KiB at most."""
BODY_CHUNK = 65_535
"""Octets of one piece of a body (MILTER_CHUNK_SIZE)."""

REJECTED = Reply(550, "7.1", "The message is refused by a filter of this server")
TEMPFAILED = Reply(451, "7.1", "A filter of this server cannot take the message now, try again later")


class MilterError(Exception):
    """The filter breaks the protocol."""


class Action(IntFlag):
    """What the filter may change."""

    ADD_HEADERS = 0x01
    CHANGE_BODY = 0x02
    ADD_RECIPIENT = 0x04
    DELETE_RECIPIENT = 0x08
    CHANGE_HEADERS = 0x10
    QUARANTINE = 0x20
    CHANGE_SENDER = 0x40
    ADD_RECIPIENT_WITH_OPTIONS = 0x80


class Step(IntFlag):
    """What the filter need not be told (NO_), and what it does not answer (NR_)."""

    NO_CONNECT = 0x01
    NO_HELO = 0x02
    NO_MAIL = 0x04
    NO_RCPT = 0x08
    NO_BODY = 0x10
    NO_HEADERS = 0x20
    NO_END_OF_HEADER = 0x40
    NR_HEADER = 0x80
    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    SKIP = 0x400
    NR_CONNECT = 0x1000
    NR_HELO = 0x2000
    NR_MAIL = 0x4000
    NR_RCPT = 0x8000
    NR_DATA = 0x10000
    NR_UNKNOWN = 0x20000
    NR_END_OF_HEADER = 0x40000
    NR_BODY = 0x80000
    LEADING_SPACE = 0x100000
    """Values of fields come and go with the space after the colon."""


ALL_ACTIONS = Action(0xFF)
ALL_STEPS = Step(0)
for _step in Step:
    ALL_STEPS |= _step


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that a filter is told."""

    command: bytes
    unless: Step
    """It does not want to hear it."""
    unanswered: Step


CONNECT = Question(b"C", Step.NO_CONNECT, Step.NR_CONNECT)
HELO = Question(b"H", Step.NO_HELO, Step.NR_HELO)
MAIL = Question(b"M", Step.NO_MAIL, Step.NR_MAIL)
RCPT = Question(b"R", Step.NO_RCPT, Step.NR_RCPT)
DATA = Question(b"T", Step.NO_DATA, Step.NR_DATA)
HEADER = Question(b"L", Step.NO_HEADERS, Step.NR_HEADER)
END_OF_HEADER = Question(b"N", Step.NO_END_OF_HEADER, Step.NR_END_OF_HEADER)
BODY = Question(b"B", Step.NO_BODY, Step.NR_BODY)
END_OF_MESSAGE = Question(b"E", Step(0), Step(0))


# ---- what a filter says


class Verdict(Enum):
    CONTINUE = b"c"
    ACCEPT = b"a"
    """It has no more interest in the message."""
    DISCARD = b"d"
    """The message is taken and thrown away."""
    SKIP = b"s"
    """It needs no more of the body."""
    PROGRESS = b"p"
    """It is still at work."""


@dataclass(frozen=True, slots=True)
class Negotiated:
    version: int
    actions: Action
    steps: Step


@dataclass(frozen=True, slots=True)
class Refusal:
    reply: Reply


@dataclass(frozen=True, slots=True)
class AddHeader:
    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class InsertHeader:
    index: int
    """Of the fields with our Received as the first one: 1 is in front of what came."""
    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    index: int
    """Of the fields of that name, from 1."""
    name: bytes
    value: bytes
    """Empty: the field goes."""


@dataclass(frozen=True, slots=True)
class ReplaceBody:
    """All of them together are the new body."""

    chunk: bytes


@dataclass(frozen=True, slots=True)
class AddRecipient:
    address: str


@dataclass(frozen=True, slots=True)
class DeleteRecipient:
    address: str


@dataclass(frozen=True, slots=True)
class ChangeSender:
    address: str
    """Empty: the null reverse-path."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    reason: str


HeaderChange = AddHeader | InsertHeader | ChangeHeader
Change = HeaderChange | ReplaceBody | AddRecipient | DeleteRecipient | ChangeSender | Quarantine
Answer = Verdict | Refusal | Negotiated | Change

NEEDS: Mapping[type, Action] = {
    AddHeader: Action.ADD_HEADERS,
    InsertHeader: Action.ADD_HEADERS,
    ChangeHeader: Action.CHANGE_HEADERS,
    ReplaceBody: Action.CHANGE_BODY,
    AddRecipient: Action.ADD_RECIPIENT | Action.ADD_RECIPIENT_WITH_OPTIONS,
    DeleteRecipient: Action.DELETE_RECIPIENT,
    ChangeSender: Action.CHANGE_SENDER,
    Quarantine: Action.QUARANTINE,
}
"""One of which must have been agreed on."""


def packet(command: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload) + 1) + command + payload


def strings(*texts: bytes) -> bytes:
    """Each ends in NUL; a NUL inside would end it early."""
    return b"".join(text.replace(b"\0", b"") + b"\0" for text in texts)


def macros(command: bytes, values: Iterable[tuple[str, str]]) -> bytes:
    """What is known at *command*, for which the filter asks by name."""
    pairs = [text.encode() for name, value in values if value for text in (name, value)]
    return packet(b"D", command + strings(*pairs)) if pairs else b""


def answer(kind: bytes, payload: bytes) -> Answer:
    """Raises MilterError."""
    try:
        return _ANSWERS[kind](payload) if kind in _ANSWERS else Verdict(kind)
    except (ValueError, struct.error, KeyError) as error:
        raise MilterError(f"it says what cannot be understood ({kind!r}, {len(payload)} octets)") from error


def _texts(payload: bytes, count: int) -> list[bytes]:
    """At least *count*, each ended by NUL."""
    texts = payload.split(b"\0")[:-1]
    if len(texts) < count:
        raise ValueError("too short")
    return texts


_NAME = re.compile(rb"[!-9;-~]+")


def _field(payload: bytes) -> tuple[bytes, bytes]:
    name, value, *_ = _texts(payload, 2)
    if not _NAME.fullmatch(name):
        raise ValueError("no field name")
    return name, value


def _indexed(payload: bytes) -> tuple[int, bytes, bytes]:
    (index,) = struct.unpack(">I", payload[:4])
    return index, *_field(payload[4:])


def _address(payload: bytes) -> str:
    """With or without angle brackets."""
    text = _texts(payload, 1)[0].decode()
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text


_REPLY = re.compile(
    r"(?P<code>[45][0-9][0-9])(?:[ -](?:(?P<class>[45])\.(?P<detail>\d{1,3}\.\d{1,3})(?: |$))?(?P<text>.*))?"
)


def _reply(payload: bytes) -> Refusal:
    """`550 5.7.1 text`, or lines like `550-5.7.1 text`; a percent sign comes twice."""
    text = _texts(payload, 1)[0].decode(errors="replace").replace("%%", "%")
    lines = [_REPLY.fullmatch(line) for line in re.split("\r?\n", text.rstrip("\r\n"))]
    first = lines[0]
    if first is None or any(line is None for line in lines):
        raise ValueError("no reply")
    words = "\n".join(line["text"] or "" for line in lines if line)
    fits = first["class"] == first["code"][0]
    return Refusal(Reply(int(first["code"]), first["detail"] if fits else "7.1", words))


def _negotiated(payload: bytes) -> Negotiated:
    version, actions, steps = struct.unpack(">III", payload[:12])
    if not OLDEST <= version <= VERSION or actions & ~int(ALL_ACTIONS) or steps & ~int(ALL_STEPS):
        raise ValueError("more than was offered")
    return Negotiated(version, Action(actions), Step(steps))


_ANSWERS: Mapping[bytes, Callable[[bytes], Answer]] = {
    b"O": _negotiated,
    b"r": lambda payload: Refusal(REJECTED),
    b"t": lambda payload: Refusal(TEMPFAILED),
    b"y": _reply,
    b"h": lambda payload: AddHeader(*_field(payload)),
    b"i": lambda payload: InsertHeader(*_indexed(payload)),
    b"m": lambda payload: ChangeHeader(*_indexed(payload)),
    b"b": ReplaceBody,
    b"+": lambda payload: AddRecipient(_address(payload)),
    b"2": lambda payload: AddRecipient(_address(payload)),
    b"-": lambda payload: DeleteRecipient(_address(payload)),
    b"e": lambda payload: ChangeSender(_address(payload)),
    b"q": lambda payload: Quarantine(_texts(payload, 1)[0].decode(errors="replace")),
}
