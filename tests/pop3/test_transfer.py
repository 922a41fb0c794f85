"""Whatever a message's text and however it is cut: the client gets its canonical form, as long as was announced."""

from __future__ import annotations

import io
import poplib

from hypothesis import given
from hypothesis import strategies as st

from tests.dialogue import pieces
from twisted_mail.framing import wire_size
from twisted_mail.message.downgrade import header_in_ascii
from twisted_mail.message.header import header_size
from twisted_mail.pop3.events import Wait
from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.server import ServerSession, SessionOptions
from twisted_mail.pop3.transfer import encoder_for

# what the framing looks at is frequent, the rest stands for all other octets
texts = st.lists(
    st.sampled_from(
        [b"\n", b"\r\n", b"\r", b".", b"..", b"a", b"\0", b"\xff", b"From: x", b"\n\n", b".\n", b"\r\n\r\n"]
    ),
    max_size=40,
).map(b"".join)
cuts = st.integers(1, 9)


def canonical(text: bytes) -> bytes:
    """CRLF at each line end, also at the last."""
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    last = lines.pop()
    return b"".join(line + b"\r\n" for line in lines) + (last + b"\r\n" if last else b"")


def transferred(text: bytes, cut: int, command: bytes) -> tuple[bytes, bytes]:
    """The first line of the reply, and the rest as the client decodes it."""
    session = ServerSession(SessionOptions("mx.example"), tls=True)
    session.receive_data(b"USER a\r\nPASS b\r\n" + command + b"\r\n")
    session.next_event()
    session.logged_in(Listing([wire_size(text)], ["uid"]))
    session.next_event()
    session.data_to_send()
    session.start_message()
    for piece in pieces(text, cut):
        if not session.message_piece(piece):
            break
    session.end_message()
    status, _, wire = session.data_to_send().partition(b"\r\n")
    return status, client_decodes(wire)


def transferred_at_once(text: bytes, command: bytes) -> tuple[bytes, bytes]:
    """The same, where the text is at hand."""
    session = ServerSession(SessionOptions("mx.example"), tls=True)
    session.receive_data(b"USER a\r\nPASS b\r\n" + command + b"\r\n")
    session.next_event()
    session.data_to_send()
    session.logged_in(Listing([wire_size(text)], ["uid"]), at_hand=lambda index: text)
    assert session.next_event() is Wait.NEED_DATA
    status, _, wire = session.data_to_send().partition(b"\r\n")[2].partition(b"\r\n")
    return status, client_decodes(wire)


@given(texts, cuts, st.sampled_from([b"RETR 1", b"TOP 1 0", b"TOP 1 2", b"TOP 1 99999999"]))
def test_message_at_hand_is_sent_as_one_that_comes_in_pieces(text: bytes, cut: int, command: bytes) -> None:
    assert transferred_at_once(text, command) == transferred(text, cut, command)


def client_decodes(wire: bytes) -> bytes:
    """RFC 1939 §3, as a client does it: line by line, up to the terminator, which must be the end."""
    text = b""
    lines = wire.split(b"\r\n")
    assert lines.pop() == b""
    assert lines.pop() == b"."
    for line in lines:
        assert line != b"."
        text += line.removeprefix(b".") + b"\r\n"
    assert text == b"".join(line + b"\r\n" for line in Poplib(wire).lines())
    return text


class Poplib(poplib.POP3):
    """Python's client, which reads what is there instead of a socket."""

    def __init__(self, wire: bytes) -> None:
        self.file = io.BytesIO(b"+OK\r\n" + wire)
        self._debugging = 0

    def lines(self) -> list[bytes]:
        """Of a multi-line response."""
        _, lines, _ = self._getlongresp()  # type: ignore[attr-defined]  # what retr() and top() do
        assert self.file.read() == b""
        return list(lines)


@given(texts, cuts)
def test_retr_gives_the_canonical_form_and_its_length(text: bytes, cut: int) -> None:
    status, decoded = transferred(text, cut, b"RETR 1")
    assert decoded == canonical(text)
    assert status == b"+OK %d octets" % len(decoded)
    assert len(decoded) == wire_size(text)


@given(texts, cuts, st.integers(0, 8))
def test_top_gives_header_and_lines_of_the_body(text: bytes, cut: int, count: int) -> None:
    lines = canonical(text).split(b"\r\n")[:-1]
    header = lines.index(b"") + 1 if b"" in lines else len(lines)
    expected = b"".join(line + b"\r\n" for line in lines[: header + count])
    assert transferred(text, cut, b"TOP 1 %d" % count)[1] == expected


headers = st.lists(st.sampled_from(["Subject: ä", "From: ü <ü@x.example>", "X: y", "not a field"]), max_size=4)
bodies = st.lists(st.sampled_from([b"\n", b".", b"\xff", b"a\n", b"\n\n"]), max_size=8).map(b"".join)


@given(headers, st.booleans(), bodies, cuts)
def test_downgraded_message_has_its_header_in_ascii_and_its_body_as_it_is(
    lines: list[str], blank: bool, body: bytes, cut: int
) -> None:
    text = "".join(f"{line}\n" for line in lines).encode() + b"\n" * blank + body
    size = header_size(text)
    expected = canonical(header_in_ascii(text[:size]) + text[size:])
    encoder = encoder_for(None, len(expected), downgrade=True)
    wire = b"".join(encoder.feed(piece) for piece in pieces(text, cut)) + encoder.finish()
    assert client_decodes(wire) == expected


def test_endless_header_is_not_held_back_for_ever() -> None:
    encoder = encoder_for(None, 10**9, downgrade=True)
    field = b"X: " + b"y" * 1000 + b"\n"
    assert sum(len(encoder.feed(field)) for _ in range(1000)) > 900_000
