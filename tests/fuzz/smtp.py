"""Fuzzing of the SMTP session and of the address parser.

    python -m tests.fuzz.smtp --inputs 1000000 [--seed 1] [--only session]

A failure names the seed of its input: `--seed N --inputs 1` repeats it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from tests.fuzz import longrun, streams
from tests.fuzz.observer import Observer
from twisted_mail.smtp.address import AddressError, parse_path
from twisted_mail.smtp.events import (
    Authenticate,
    Closed,
    DataChunk,
    EndOfData,
    Event,
    Expand,
    MailFrom,
    RcptTo,
    StartTLS,
    Wait,
)
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.reply import Reply
from twisted_mail.smtp.server import ServerSession

YES = Reply(250, "0.0", "Yes")
NO = Reply(550, "1.1", "No")


class Run:
    """One session from its first octet to its last."""

    def __init__(self, options: SessionOptions, pieces: Iterable[bytes]) -> None:
        self.options = options
        self.session = ServerSession(options)
        self.session.greet()
        self.events: list[Event] = []
        """Chunks of data are joined: how a message is cut depends on how it arrives."""
        self.messages: list[tuple[int, bytes]] = []
        self.out = b""
        self._accepted = 0
        self._text = b""
        for piece in (b"", *pieces):
            self.session.receive_data(piece)
            self._go_on()
            assert len(self.session._lines) <= self.session._offer.line_limit
            self.out += self.session.data_to_send()

    def _go_on(self) -> None:
        while not isinstance(event := self.session.next_event(), Wait):
            if isinstance(event, DataChunk):
                assert event.data
                self._text += event.data
                continue
            if isinstance(event, Closed):
                if event not in self.events:
                    self.events.append(event)
                return
            self.events.append(event)
            self._answer(event)
        assert event is Wait.NEED_DATA

    def _answer(self, event: Event) -> None:
        match event:
            case MailFrom():
                self._accepted, self._text = 0, b""
                self.session.answer(YES)
            case RcptTo(recipient):
                good = recipient.address.local_part != "no"
                self._accepted += good
                self.session.answer(YES if good else NO)
            case EndOfData():
                self.messages.append((self._accepted, self._text))
                self.session.answer(*([YES] * (self._accepted if self.options.lmtp else 1)))
            case Authenticate(credentials):
                good = credentials.password == "b"
                self.session.answer(Reply(235, "7.0", "Yes") if good else Reply(535, "7.8", "No"))
            case Expand(alias):
                self.session.answer(YES if alias.domain else NO)
            case StartTLS():
                self.session.tls_started()

    @property
    def codes(self) -> list[int]:
        """One a reply, of however many lines."""
        lines = self.out.split(b"\r\n")
        assert lines.pop() == b""
        assert all(len(line) < 512 and line.isascii() for line in lines)
        return [int(line[:3]) for line in lines if line[3:4] == b" "]


def cut(random: Random, octets: bytes) -> list[bytes]:
    places = sorted(random.randint(0, len(octets)) for _ in range(random.randint(1, 5)))
    return [octets[start:end] for start, end in zip([0, *places], [*places, len(octets)], strict=True)]


def fuzz_session(random: Random) -> None:
    """However the octets arrive, the same happens, and it is what an observer of the wire sees happen."""
    options = streams.options(random)
    octets = streams.stream(random, options)
    whole = Run(options, [octets])
    for pieces in (cut(random, octets), [octets[n : n + 1] for n in range(len(octets))][:1500]):
        run = Run(options, pieces)
        if sum(map(len, pieces)) == len(octets):
            assert run.out == whole.out
            assert run.events == whole.events
            assert run.messages == whole.messages
    assert Observer(octets, whole.codes, options).messages == whole.messages


def fuzz_tls(random: Random) -> None:
    """With STARTTLS it matters how the octets arrive; but nothing breaks."""
    options = SessionOptions("mx.example", mechanisms=("PLAIN",), tls_available=True, max_errors=1000)
    octets = streams.stream(random, options)
    pieces = cut(random, octets)
    for place in range(len(pieces)):
        pieces.insert(place * 2, b"EHLO x\r\nSTARTTLS\r\n")
    run = Run(options, pieces)
    assert run.codes[0] == 220


def fuzz_address(random: Random) -> None:
    """An address or an AddressError; and an address reads the same again."""
    text = streams.address(random)
    for spelling in (text, f"<{text}>", f"<a@{text}>", f"<{text}@example.org>"):
        try:
            address = parse_path(spelling)
        except AddressError:
            continue
        if address is not None:
            assert parse_path(f"<{address}>") == address
            assert address.domain.isascii()
            assert not {"\r", "\n", "\0"} & set(str(address))
            assert "/" not in address.domain


TARGETS: dict[str, Callable[[Random], None]] = {
    "session": fuzz_session,
    "tls": fuzz_tls,
    "address": fuzz_address,
}


if __name__ == "__main__":
    longrun.run(__doc__, TARGETS, 100_000)
