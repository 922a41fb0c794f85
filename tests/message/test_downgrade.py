"""Internationalised headers in ASCII: what becomes of each kind of field, and what a mail program makes of it."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_mail.message.downgrade import INVALID_ADDRESS, header_in_ascii
from twisted_mail.message.header import fields

# field -> what it becomes
ROWS = (
    ("Subject: plain", "Subject: plain"),
    ("Subject: Grüße aus Köln am Rhein", "Subject: =?utf-8?b?R3LDvMOfZQ==?= aus =?utf-8?b?S8O2bG4=?= am Rhein"),
    ("Subject: ä ö\n ü", "Subject: =?utf-8?b?w6Qgw7Ygw7w=?="),
    ("X-Anything: ä", "X-Anything: =?utf-8?b?w6Q=?="),
    ("From: Jürgen <j@example.org>", "From: =?utf-8?b?SsO8cmdlbg==?= <j@example.org>"),
    ("To: a@b.example, J <j@bücher.example>", "To: a@b.example,\n J <j@xn--bcher-kva.example>"),
    ("Cc: jürgen@example.org", f"Cc: =?utf-8?b?asO8cmdlbkBleGFtcGxlLm9yZw==?= <{INVALID_ADDRESS}>"),
    ("Resent-From: ü <x@y.example>", "Resent-From: =?utf-8?b?w7w=?= <x@y.example>"),
    ("To: Ünbekannt:;", "To: =?utf-8?b?w5xuYmVrYW5udDo7?="),
    (
        'Content-Type: application/pdf; name="Ä \\"1\\".pdf"; x=y',
        "Content-Type: application/pdf; name*=utf-8''%C3%84%20%221%22.pdf; x=y",
    ),
    ("Content-Disposition: attachment; filename=ü", "Content-Disposition: attachment; filename*=utf-8''%C3%BC"),
    ("Message-ID: <ü@example.org>", ""),
    ("Received: from x by y for <ü@example.org>; date", ""),
    ("Return-Path: <ü@example.org>", ""),
)


@pytest.mark.parametrize(("field", "expected"), ROWS, ids=[row[0].partition(":")[0] for row in ROWS])
def test_field_becomes_ascii(field: str, expected: str) -> None:
    header = f"First: 1\n{field}\nLast: 2\n\n".encode()
    middle = f"{expected}\n" if expected else ""
    assert header_in_ascii(header) == f"First: 1\n{middle}Last: 2\n\n".encode()


def test_person_sees_the_address_that_has_no_other_form() -> None:
    header = header_in_ascii("From: Jürgen <jürgen@example.org>\n\n".encode())
    [address] = message_from_bytes(header, policy=policy.default)["From"].addresses
    assert address.display_name == "Jürgen <jürgen@example.org>"
    assert address.addr_spec == INVALID_ADDRESS


def test_long_text_is_folded_between_characters() -> None:
    header = header_in_ascii(f"Subject: {'ä' * 200}\n\n".encode())
    assert max(map(len, header.split(b"\n"))) <= 76 + len("Subject: ")
    assert message_from_bytes(header, policy=policy.default)["Subject"] == "ä" * 200


words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=30)


@given(st.lists(words, min_size=1, max_size=8))
def test_mail_program_reads_the_same_subject(subject: list[str]) -> None:
    header = header_in_ascii(f"Subject: {' '.join(subject)}\n\n".encode())
    assert header.isascii()
    if "=?" not in "".join(subject):
        assert str(message_from_bytes(header, policy=policy.default)["Subject"]) == " ".join(subject)


names = st.sampled_from(["From", "To", "Subject", "Content-Type", "Received", "X-Y", "Resent-Cc"])


@given(st.lists(st.tuples(names, st.binary(max_size=40)), max_size=6))
def test_any_octets_give_fields_in_ascii(given_fields: list[tuple[str, bytes]]) -> None:
    clean = [(name, value.replace(b"\n", b"\n ")) for name, value in given_fields]
    header = b"".join(name.encode() + b": " + value + b"\n" for name, value in clean) + b"\n"
    result = header_in_ascii(header)
    assert result.isascii()
    assert result.endswith(b"\n")
    names_before = [name for name, _ in fields(header)]
    assert [name for name, _ in fields(result)] == [name for name in names_before if name != "received"] or any(
        name == "received" for name in names_before
    )
    assert header_in_ascii(result) == result
