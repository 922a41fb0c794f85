"""Parts are encoded anew where they must, mean the same afterwards, and what must not be changed is not."""

from __future__ import annotations

import contextlib
import email
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_mail.message.recoding import CannotRecode, seven_bit, textual

UMLAUTS = "Grüße\n".encode()


def leaves(text: bytes) -> list[tuple[str, bytes]]:
    """Type and decoded content of each part that has no parts; text with LF line ends."""
    found = []
    for part in email.message_from_bytes(text).walk():
        if not part.is_multipart():
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            kind = part.get_content_type()
            found.append((kind, content.replace(b"\r\n", b"\n") if kind.startswith("text/") else content))
    return found


def labels(text: bytes) -> list[str | None]:
    return [part["content-transfer-encoding"] for part in email.message_from_bytes(text).walk()]


MIXED = b"""\
Subject: several
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b 1"
Content-Transfer-Encoding: 8bit

A preamble.
--b 1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Gr\xc3\xbc\xc3\x9fe
.
 From a b =

--b 1
Content-Type: application/x-lines
Content-Transfer-Encoding: 8bit

one \xff
two
--b 1
Content-Type: text/plain

left alone=
--b 1
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Subject: inside

\xc3\xbcnicode
--b 1--
An epilogue.
"""


def test_parts_that_do_not_fit_are_encoded_and_the_others_stay() -> None:
    text = seven_bit(MIXED)
    assert text.isascii()
    plain, lines, alone, inside = leaves(text)
    assert plain == ("text/plain", "Grüße\n.\n From a b =\n".encode())
    assert lines == ("application/x-lines", b"one \xff\r\ntwo")
    assert alone == ("text/plain", b"left alone=")
    assert inside == ("text/plain", "ünicode".encode())
    assert labels(text) == ["7bit", "quoted-printable", "base64", None, "7bit", "quoted-printable"]
    assert b"\nleft alone=\n--b 1\n" in text
    assert text.startswith(b"Subject: several\nMIME-Version: 1.0\n")
    assert text.endswith(b"\n--b 1--\nAn epilogue.\n")


def test_what_fits_is_left_alone() -> None:
    text = b"Subject: x\nContent-Transfer-Encoding: 7bit\n\nHello\n"
    assert seven_bit(text) is text
    assert textual(text.replace(b"\n", b"\r\n")) == text


def test_message_without_mime_gets_the_fields_that_it_lacks() -> None:
    text = seven_bit(b"Subject: x\n\n" + UMLAUTS)
    parsed = email.message_from_bytes(text)
    assert parsed["mime-version"] == "1.0"
    assert parsed.get_content_charset() == "unknown-8bit"
    assert leaves(text) == [("text/plain", UMLAUTS)]


def test_body_without_header_gets_one() -> None:
    for text in (UMLAUTS, b"\n" + UMLAUTS):
        assert leaves(seven_bit(text)) == [("text/plain", UMLAUTS)]


def multipart(kind: str, *parts: bytes) -> bytes:
    """The boundary is the kind."""
    name = kind.encode()
    delimited = b"".join(b"--%s\n%s\n" % (name, part) for part in parts)
    return b"MIME-Version: 1.0\nContent-Type: multipart/%s; boundary=%s\n\n%s--%s--\n" % (name, name, delimited, name)


@pytest.mark.parametrize(
    "text",
    [
        multipart("signed", b"\n" + UMLAUTS, b"Content-Type: application/pgp-signature\n\nx"),
        multipart("mixed", multipart("signed", b"\n" + UMLAUTS, b"\nx")),
        b"Subject: \xc3\xbc\n\n" + UMLAUTS,
        multipart("mixed", b"Content-Description: \xc3\xbc\n\n" + UMLAUTS),
        multipart("mixed", b"\nHello") + UMLAUTS,
        multipart("mixed", b"Content-Transfer-Encoding: base64\n\n" + UMLAUTS),
        multipart("mixed", b"Content-Transfer-Encoding: x-uuencode\n\n" + UMLAUTS),
        multipart("mixed", b"Content-Type: message/partial\n\n" + UMLAUTS),
        b"Content-Type: multipart/mixed\n\n--b\n\n" + UMLAUTS,
        b"Content-Type: multipart/mixed; boundary=c\n\n--b\n\n" + UMLAUTS,
    ],
)
def test_message_that_must_stay_as_it_is_is_refused(text: bytes) -> None:
    with pytest.raises(CannotRecode):
        seven_bit(text)


def test_endless_nesting_ends() -> None:
    text = b"Content-Type: message/rfc822\n\n" * 10_000 + b"Subject: x\n\n" + UMLAUTS
    with pytest.raises(CannotRecode):
        seven_bit(text)


def test_message_of_countless_parts_is_refused_at_once() -> None:
    with pytest.raises(CannotRecode):
        seven_bit(multipart("mixed", *[b"\n\xff"] * 100_000))


def test_signed_part_beside_one_that_does_not_fit_is_left_alone() -> None:
    signed = multipart("signed", b"\nHello ", b"Content-Type: application/pgp-signature\n\nx")
    text = seven_bit(multipart("mixed", signed, b"\n" + UMLAUTS))
    assert signed in text
    assert leaves(text)[-1] == ("text/plain", UMLAUTS)


def test_digest_of_messages_is_one_of_messages() -> None:
    text = seven_bit(multipart("digest", b"\nSubject: x\n\n" + UMLAUTS))
    (inside,) = email.message_from_bytes(text).get_payload(0).get_payload()  # type: ignore[union-attr]
    assert isinstance(inside, Message)
    assert inside["subject"] == "x"
    assert inside.get_payload(decode=True) == UMLAUTS


BINARY = bytes(range(256)) * 5


def test_binary_part_becomes_base64_and_text_stays_text() -> None:
    text = textual(
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n.\r\n"
        b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" + BINARY + b"\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 999 + b" \r\ny\r\n--b--\r\n"
    )
    assert labels(text) == ["8bit", "8bit", "base64", "quoted-printable"]
    assert leaves(text) == [
        ("text/plain", "Grüße\n.".encode()),
        ("image/png", BINARY),
        ("text/plain", b"x" * 999 + b" \ny"),
    ]
    assert max(map(len, text.split(b"\n"))) <= 998


@given(st.binary(max_size=300), st.sampled_from(["text/plain", "application/octet-stream"]), st.booleans())
def test_any_octets_come_back(body: bytes, kind: str, in_multipart: bool) -> None:
    octets = b"Content-Type: %s\r\nContent-Transfer-Encoding: binary\r\n\r\n%s" % (kind.encode(), body)
    if in_multipart:
        octets = b"Content-Type: multipart/mixed; boundary=zz\r\n\r\n--zz\r\n%s\r\n--zz--\r\n" % octets
    text = textual(octets)
    assert b"\r" not in text
    assert b"\0" not in text
    ((_, content),) = leaves(text)
    if kind == "text/plain" and b"\r" not in body.replace(b"\r\n", b""):
        body = body.replace(b"\r\n", b"\n")
    body = body.replace(b"\r\n", b"\n")
    if kind != "text/plain":  # of which `leaves` has done that already, and twice is once too often
        content = content.replace(b"\r\n", b"\n")
    if in_multipart:
        assert content == body
    else:
        assert content.rstrip(b"\n") == body.rstrip(b"\n")


@given(st.text(max_size=300), st.booleans())
def test_any_text_comes_back_in_seven_bits(words: str, in_multipart: bool) -> None:
    body = words.replace("\r", "").replace("\0", "").encode("utf-8", "replace")
    text = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + body
    if in_multipart:
        text = b"Content-Type: multipart/mixed; boundary=zz\n\n--zz\n%s\n--zz--\n" % text
    recoded = seven_bit(text)
    assert recoded.isascii()
    assert leaves(recoded) == [("text/plain", body)]


FRAGMENTS = st.sampled_from(
    [
        *(b"Content-Type: multipart/mixed; boundary=a\n", b'Content-Type: multipart/digest; boundary="a b\n'),
        *(b"Content-Type: message/rfc822\n", b"Content-Type: text/plain; charset*0*=x''%ff\n", b"Content-Type:;;=\n"),
        *(b"Content-Transfer-Encoding: binary\n", b"content-transfer-encoding : 8BIT;\n x\n", b"MIME-Version: 1.0\n"),
        *(b"\n", b"\n\n", b"--a\n", b"--a--\n", b"--a b\n", b"--", b"a", b" ", b"\t\n", b"=\n", b"."),
        *(b"\r", b"\0", b"\xff", b"\xc3\xbc", b"x" * 1000, b":", b"Subject: x\n"),
    ]
)


@given(st.lists(FRAGMENTS, max_size=30).map(b"".join))
def test_whatever_comes_is_made_to_fit_or_refused(text: bytes) -> None:
    with contextlib.suppress(CannotRecode):
        assert seven_bit(text).isascii()
    try:
        recoded = textual(text.replace(b"\n", b"\r\n"))
    except CannotRecode:
        return
    assert b"\r" not in recoded
    assert b"\0" not in recoded
    assert max(map(len, recoded.split(b"\n"))) <= 998
