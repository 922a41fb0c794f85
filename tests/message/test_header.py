"""Where headers end, what fields they have, and the trace fields that we write."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_mail.message.header import (
    Arrival,
    Passage,
    arrival_of,
    fields,
    header_size,
    received,
    return_path,
    without_field,
)
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import Origin, TLSInfo

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "rest"),
    [
        (b"A: b\n\n", b"body\n"),
        (b"A: b\n c\n\td\nE:f\n\n", b"\nbody\n"),
        (b"\n", b"body\n"),
        (b"", b"body without a header\n\nA: b\n"),
        (b"", b""),
        (b"A: b\nC: d\n", b""),
        (b"A: b\n", b"no field\nC: d\n"),
        (b"A : obsolete white space\n\n", b"x"),
    ],
)
def test_header_ends_after_its_blank_line_or_before_what_is_no_field(header: bytes, rest: bytes) -> None:
    assert header_size(header + rest) == len(header)


def test_fields_come_with_their_folded_lines() -> None:
    header = b"Subject: a\n b\nTo: c\n\n"
    assert list(fields(header)) == [("subject", b"Subject: a\n b\n"), ("to", b"To: c\n")]


def test_field_begins_a_line() -> None:
    assert list(fields(b"Subject: a\nno field, but: looks like one\nTo: c\n\n")) == [
        ("subject", b"Subject: a\n"),
        ("to", b"To: c\n"),
    ]


def test_long_line_that_is_no_field_costs_no_more_than_others() -> None:
    start = process_time()
    assert list(fields(b"A: b\n" + b"x" * 200_000 + b"\n\n")) == [("a", b"A: b\n")]
    assert process_time() - start < 1.0  # it was three minutes


def test_field_that_is_taken_out_takes_its_folded_lines_along() -> None:
    assert without_field(b"A: 1\nBcc: x\n y\nB: 2\n\n", "bcc") == b"A: 1\nB: 2\n\n"


@pytest.mark.parametrize(
    ("origin", "keyword"),
    [
        (Origin("192.0.2.1", "s", hello="c.example"), b" with SMTP id"),
        (Origin("192.0.2.1", "s", hello="c.example", extended=True), b" with ESMTP id"),
        (Origin("192.0.2.1", "s", extended=True, tls=TLSInfo("TLSv1.3", "X")), b" with ESMTPS id"),
        (Origin("192.0.2.1", "s", extended=True, user="alice"), b" with ESMTPA id"),
        (Origin("192.0.2.1", "s", extended=True, tls=TLSInfo("TLSv1.3", "X"), user="alice"), b" with ESMTPSA id"),
        (Origin("", "s", protocol="LMTP", extended=True), b" with LMTP id"),
    ],
)
def test_received_says_how_it_came(origin: Origin, keyword: bytes) -> None:
    assert keyword in received(origin, "mx.example", Passage("1d", NOW))


def test_received_tells_tls_version_and_cipher() -> None:
    origin = Origin("2001:db8::1", "s", hello="c", extended=True, tls=TLSInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384"))
    field = received(origin, "mx.example", Passage("1d", NOW, parse_address("bob@example.org"), -3))
    assert field == (
        b"Received: from c ([IPv6:2001:db8::1])\n by mx.example with ESMTPS id 1d\n"
        b" (version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384)\n for <bob@example.org>\n priority -3;\n"
        b" Sat, 21 Nov 2026 09:30:00 +0000\n"
    )


def test_hello_name_cannot_add_a_field() -> None:
    origin = Origin("192.0.2.1", "s", hello="x\nEvil: yes (\\)")
    field = received(origin, "mx.example", Passage("1d", NOW))
    assert [name for name, _ in fields(field)] == ["received"]
    assert b"Evil: yes" not in field


def test_return_path_of_the_null_sender_is_empty() -> None:
    assert return_path(None) == b"Return-Path: <>\n"
    assert return_path(parse_address('"a b"@example.org')) == b'Return-Path: <"a b"@example.org>\n'


@given(st.ip_addresses(), st.text(max_size=30), st.booleans())
def test_what_received_says_can_be_read_again(
    peer: ipaddress.IPv4Address | ipaddress.IPv6Address, hello: str, extended: bool
) -> None:
    origin = Origin(str(peer), "s", hello=hello, extended=extended)
    field = received(origin, "mail.example.org", Passage("aa", NOW, parse_address("bob@example.org")))
    protocol = "ESMTP" if extended else "SMTP"
    assert arrival_of(b"Return-Path: <>\n" + field) == Arrival(str(peer), "mail.example.org", protocol, "aa")


@given(st.binary(max_size=200))
def test_received_of_others_may_be_anything(text: bytes) -> None:
    arrival_of(b"Received: " + text)
    arrival_of(b"Received: from x ([192.0.2.1])" + text)
