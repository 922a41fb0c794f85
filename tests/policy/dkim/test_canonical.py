"""The canonical forms against the examples of RFC 6376 §3.4.5 and a slow and obvious reader."""

from __future__ import annotations

import base64
import hashlib
import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_mail.policy.dkim.canonical import BodyCanonicalizer, BodyPart, Form, body_hashes, canonical_field


def canonical_body(form: Form, *pieces: bytes) -> bytes:
    out: list[bytes] = []
    canonicalizer = BodyCanonicalizer(form, out.append)
    for piece in pieces:
        canonicalizer.feed(piece)
    canonicalizer.finish()
    return b"".join(out)


def obvious_body(form: Form, body: bytes) -> bytes:
    """RFC 6376 §3.4.3 and §3.4.4, sentence by sentence."""
    lines = body.split(b"\n")
    if lines[-1] == b"":
        del lines[-1]
    if form is Form.RELAXED:
        lines = [re.sub(rb"[ \t]+", b" ", re.sub(rb"[ \t]+\Z", b"", line)) for line in lines]
    while lines and lines[-1] == b"":
        del lines[-1]
    if not lines:
        return b"\r\n" if form is Form.SIMPLE else b""
    return b"".join(line + b"\r\n" for line in lines)


def obvious_field(field: bytes) -> bytes:
    """RFC 6376 §3.4.2."""
    name, _, value = field.partition(b":")
    value = re.sub(rb"\n([ \t])", rb"\1", value).removesuffix(b"\n")
    value = re.sub(rb"[ \t]+", b" ", value)
    return name.lower().rstrip(b" \t") + b":" + re.sub(rb"\A | \Z", b"", value) + b"\r\n"


EXAMPLE = ([b"A: X\n", b"B : Y\t\n\tZ  \n"], b" C \nD \t E\n\n\n")


@pytest.mark.parametrize(
    ("form", "header", "body"),
    [
        (Form.RELAXED, b"a:X\r\nb:Y Z\r\n", b" C\r\nD E\r\n"),
        (Form.SIMPLE, b"A: X\r\nB : Y\t\r\n\tZ  \r\n", b" C \r\nD \t E\r\n"),
    ],
)
def test_examples_of_the_standard(form: Form, header: bytes, body: bytes) -> None:
    assert b"".join(canonical_field(field, form) for field in EXAMPLE[0]) == header
    assert canonical_body(form, EXAMPLE[1]) == body


def test_empty_bodies_have_the_hashes_of_the_standard() -> None:
    parts = {form: BodyPart(form) for form in Form}
    for body in (b"", b"\n", b"\n\n"):
        hashes = body_hashes([body], parts.values())
        printed = {form: base64.b64encode(hashes[part].digest()).decode() for form, part in parts.items()}
        # RFC 6376 §3.4.3, §3.4.4
        assert printed[Form.SIMPLE] == "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="
        assert printed[Form.RELAXED] == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def bodies() -> st.SearchStrategy[list[bytes]]:
    """Pieces of one body, of what matters above all."""
    return st.lists(st.text(" \t\nab\rü", max_size=12).map(str.encode), max_size=8)


@given(bodies())
def test_body_in_any_pieces_is_what_the_obvious_reader_says(pieces: list[bytes]) -> None:
    for form in Form:
        assert canonical_body(form, *pieces) == obvious_body(form, b"".join(pieces))


@given(bodies(), st.integers(0, 40))
def test_hash_of_a_part_is_that_of_the_first_octets(pieces: list[bytes], length: int) -> None:
    wanted = [BodyPart(form, limit) for form in Form for limit in (None, length)]
    for part, found in body_hashes(pieces, wanted).items():
        expected = obvious_body(part.form, b"".join(pieces))
        assert found.length == len(expected)
        assert found.digest() == hashlib.sha256(expected[: part.length]).digest()


@given(st.text("aZ:", min_size=1, max_size=4), st.lists(st.text(" \tab:\x0b\xa0ü", max_size=8), min_size=1, max_size=4))
def test_field_is_what_the_obvious_reader_says(name: str, lines: list[str]) -> None:
    field = f"{name.replace(':', '')}x :".encode() + b"\n ".join(line.encode() for line in lines) + b"\n"
    assert canonical_field(field, Form.RELAXED) == obvious_field(field)
    assert canonical_field(field, Form.SIMPLE) == field.replace(b"\n", b"\r\n")


def test_white_space_without_end_takes_no_long_time() -> None:
    start = process_time()
    for hostile in (b" ", b"\t", b"\n", b" \n", b"\n "):
        canonical_body(Form.RELAXED, *[hostile * 100_000] * 20, b"x")
    canonical_field(b"a:" + b"\n " * 200_000 + b"\n", Form.RELAXED)
    assert process_time() - start < 5.0
