from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from twisted_mail.framing import (
    DotDecoder,
    DotEncoder,
    LineBuffer,
    LineEndDecoder,
    LineError,
    LineTooLong,
    dot_stuffed,
    wire_size,
)

# octets that mean something to the framing, and a few that do not
texts = st.lists(st.sampled_from([b"\n", b".", b"a", b"\xff", b"\n.", b"\0", b"..\n"]), max_size=40).map(b"".join)
wires = st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n.\r\n", b"\r\n.."]), max_size=40).map(
    b"".join
)
cuts = st.lists(st.integers(0, 200), max_size=12)


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """*octets* in pieces, cut at *places*."""
    ends = [*sorted(places), len(octets)]
    starts = [0, *ends[:-1]]
    return [octets[start:end] for start, end in zip(starts, ends, strict=True)]


def decode(pieces: list[bytes]) -> tuple[DotDecoder, bytes, bytes]:
    decoder, text, rest = DotDecoder(), b"", b""
    for piece in pieces:
        if decoder.finished:
            rest += piece
        else:
            more, rest = decoder.feed(piece)
            text += more
    return decoder, text, rest


def encode(pieces: list[bytes]) -> bytes:
    encoder = DotEncoder()
    return b"".join(encoder.feed(piece) for piece in pieces) + encoder.finish()


def slowly_decode(wire: bytes) -> tuple[bool, bytes, bytes]:
    """Whether the text ends, the text, and what follows: line by line, as the RFC says it."""
    text = b""
    while wire:
        line, end, rest = wire.partition(b"\r\n")
        if line == b"." and end:
            return True, text, rest
        text += (line[1:] if line.startswith(b".") else line) + (b"\n" if end else b"")
        wire = rest
    return False, text, b""


@given(texts, cuts, cuts)
def test_any_text_in_any_pieces_comes_back_as_it_was(text: bytes, sent: list[int], received: list[int]) -> None:
    decoder, decoded, rest = decode(cut(encode(cut(text, sent)) + b"NOOP\r\n", received))
    assert decoder.finished
    assert not decoder.bare_line_end
    assert decoded == (text if not text or text.endswith(b"\n") else text + b"\n")
    assert rest == b"NOOP\r\n"
    assert decoder.wire_size == wire_size(decoded)


@given(wires, cuts)
@example(b"a\r\n.\r\n.\r\n", [6])  # what follows the end begins as if it could be one
@example(b"a\r\n.\r\n.\r\n", [7])
@example(b"a\r\n.\r\n.\r\n", [8])
def test_any_octets_end_where_a_line_by_line_reader_says(wire: bytes, places: list[int]) -> None:
    decoder, decoded, rest = decode(cut(wire, places))
    finished, expected, after = slowly_decode(wire)
    assert decoder.finished == finished
    if finished:
        assert rest == after
        between = wire[: len(wire) - len(after)].replace(b"\r\n", b"")
        assert decoder.bare_line_end == (b"\r" in between or b"\n" in between)
        if not decoder.bare_line_end:
            assert decoded == expected
            assert decoder.wire_size == wire_size(expected)


@given(wires, cuts)
def test_text_of_known_length_gets_its_line_ends_wherever_it_is_cut(wire: bytes, places: list[int]) -> None:
    decoder = LineEndDecoder()
    text = b"".join(decoder.feed(piece) for piece in cut(wire, places)) + decoder.finish()
    between = wire.replace(b"\r\n", b"")
    assert decoder.bare_line_end == (b"\r" in between or b"\n" in between)
    assert decoder.wire_size == len(wire)
    if not decoder.bare_line_end:
        ended = wire if not wire or wire.endswith(b"\r\n") else wire + b"\r\n"
        assert text.replace(b"\n", b"\r\n") == ended


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"b" * 30, b"\r", b"\0"]), max_size=30), st.integers(1, 40))
def test_line_buffer_never_holds_more_than_limit_and_the_last_piece(pieces: list[bytes], limit: int) -> None:
    lines = LineBuffer(limit)
    for piece in pieces:
        lines.receive_data(piece)
        while True:
            try:
                line = lines.next_line()
            except LineError:
                continue
            if line is None:
                break
            assert len(line) + 2 <= limit
        assert len(lines) < limit


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"bcdefg", b"\r", b"\0"]), max_size=30))
def test_lines_do_not_depend_on_how_the_octets_arrive(pieces: list[bytes]) -> None:
    def read(pieces: list[bytes]) -> list[bytes | str]:
        buffer, found = LineBuffer(8), []
        for piece in pieces:
            buffer.receive_data(piece)
            while True:
                try:
                    line = buffer.next_line()
                except LineError as error:
                    found.append(type(error).__name__)
                    continue
                if line is None:
                    break
                found.append(line)
        return found

    whole = b"".join(pieces)
    assert read([whole]) == read(pieces) == read([whole[n : n + 1] for n in range(len(whole))])


class LineBufferTests(TestCase):
    def lines(self, octets: bytes, limit: int = 10) -> LineBuffer:
        buffer = LineBuffer(limit)
        buffer.receive_data(octets)
        return buffer

    def test_line_of_exactly_the_limit_is_a_line(self) -> None:
        self.assertEqual(b"12345678", self.lines(b"12345678\r\n").next_line())

    def test_line_over_the_limit_is_refused_and_the_next_one_read(self) -> None:
        buffer = self.lines(b"123456789\r\nnext\r\n")
        self.assertRaises(LineTooLong, buffer.next_line)
        self.assertEqual(b"next", buffer.next_line())
        self.assertIsNone(buffer.next_line())

    def test_endless_line_is_discarded_and_refused_once_at_its_end(self) -> None:
        buffer = self.lines(b"")
        for _ in range(1000):
            buffer.receive_data(b"x" * 10)
            self.assertIsNone(buffer.next_line())
            self.assertEqual(0, len(buffer))
        buffer.receive_data(b"\r\nnext\r\n")
        self.assertRaises(LineTooLong, buffer.next_line)
        self.assertEqual(b"next", buffer.next_line())

    def test_bare_line_feed_is_an_error_that_consumes_the_line(self) -> None:
        buffer = self.lines(b"one\ntwo\r\n")
        self.assertRaises(LineError, buffer.next_line)
        self.assertEqual(b"two", buffer.next_line())

    def test_clear_forgets_what_is_buffered_and_says_how_much(self) -> None:
        buffer = self.lines(b"one\r\ntwo\r\n")
        buffer.next_line()
        self.assertEqual(5, buffer.clear())
        self.assertIsNone(buffer.next_line())

    def test_take_gives_what_is_there_and_leaves_the_rest_to_be_read_as_lines(self) -> None:
        buffer = self.lines(b"cmd\r\n12345six\r\n")
        buffer.next_line()
        self.assertEqual(b"12345", buffer.take(5))
        self.assertEqual(b"six", buffer.next_line())
        self.assertEqual(b"", buffer.take(5))


class WireSizeTests(TestCase):
    def test_size_counts_crlf_and_a_last_line_end(self) -> None:
        for text, size in ((b"", 0), (b"a", 3), (b"a\n", 3), (b"a\r\n", 3), (b".\n", 3), (b"\n\n", 4), (b"a\r\nb", 6)):
            self.assertEqual(size, wire_size(text), text)


@given(st.lists(st.sampled_from([b"\n", b".", b"a", b"\r", b"\r\n", b"\n.", b"\0"]), max_size=40).map(b"".join), cuts)
def test_text_at_once_is_what_its_pieces_are(text: bytes, places: list[int]) -> None:
    for size in (wire_size(text), 0):
        assert dot_stuffed(text, size) + b".\r\n" == encode(cut(text, places))


class DotEncoderTests(TestCase):
    def test_crlf_in_the_text_counts_as_one_line_end_in_any_pieces(self) -> None:
        for pieces in ([b"a\r\n.b\r\n"], [b"a\r", b"\n.b", b"\r", b"\n"], [b"a", b"\r\n", b".b\r", b"", b"\n"]):
            self.assertEqual(b"a\r\n..b\r\n.\r\n", encode(pieces))

    def test_lone_cr_is_kept(self) -> None:
        self.assertEqual(b"a\rb\r\r\n.\r\n", encode([b"a\r", b"b\r"]))
