"""Authentication-Results: what is written, and which fields of others go."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.targets import message
from twisted_mail.message.header import fields
from twisted_mail.policy.authors import author_domains
from twisted_mail.policy.authresults import (
    MethodResult,
    authentication_results,
    read_results,
    said_by,
    without_results_of,
)

US = "mail.example.org"


def test_field_has_a_line_for_each_method() -> None:
    results = [
        MethodResult("spf", "fail", {"smtp.mailfrom": "alice@example.net"}, "-all"),
        MethodResult("dkim", "pass", {"header.d": "example.net", "header.b": "ab/c+d=="}),
        MethodResult("dmarc", "none", {"header.from": ""}),
    ]
    assert authentication_results(US, results) == (
        b"Authentication-Results: mail.example.org;\n"
        b" spf=fail (-all) smtp.mailfrom=alice@example.net;\n"
        b" dkim=pass header.d=example.net header.b=ab/c+d==;\n"
        b" dmarc=none\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        b"Authentication-Results: mail.example.org; spf=pass\n",
        b"authentication-results:mail.example.org;spf=pass\n",
        b"AUTHENTICATION-RESULTS : Mail.Example.ORG. 1; spf=pass\n",
        b"Authentication-Results:\n mail.example.org;\n spf=pass\n",
        b"Authentication-Results: (comment (in (it))) mail.example.org; spf=pass\n",
        b"Authentication-Results: (a \\) b)\n mail.example.org; spf=pass\n",
        b'Authentication-Results: "mail.example.org"; spf=pass\n',
        b'Authentication-Results: "mail.\\example.org"; spf=pass\n',
        b"Authentication-Results: mail.example.org(1); spf=pass\n",
        b"Authentication-Results: \n",
        b"Authentication-Results: ((((((((((((((( mail.example.org; spf=pass\n",
    ],
)
def test_forged_field_goes(line: bytes) -> None:
    header = b"Subject: x\n" + line + b"To: y\n\n"
    assert without_results_of(US, header) == b"Subject: x\nTo: y\n\n"


@pytest.mark.parametrize(
    "line",
    [
        b"Authentication-Results: mx.elsewhere.example; spf=pass\n",
        b"Authentication-Results: xmail.example.org; spf=pass\n",
        b"ARC-Authentication-Results: i=1; mail.example.org; spf=pass\n",
        b"Subject: Authentication-Results: mail.example.org; spf=pass\n",
    ],
)
def test_field_of_others_stays(line: bytes) -> None:
    assert without_results_of(US, line + b"\n") == line + b"\n"


def test_fields_without_number_cost_no_time() -> None:
    others = b"Authentication-Results: mx.elsewhere.example; none\n"
    hostile = b"Authentication-Results: " + b"(\\" * 20_000 + b" mail.example.org\n"
    assert without_results_of(US, others * 150 + hostile * 20) == others * 100
    assert said_by(b"(\\" * 500_000) == ""
    start = process_time()
    read_results(b"dkim=pass " + b"header-" * 10_000)
    assert process_time() - start < 1.0


@given(st.dictionaries(st.just("header.d"), st.text()), st.text())
def test_whatever_was_found_the_field_is_one_field_of_ours(properties: dict[str, str], comment: str) -> None:
    field = authentication_results(US, [MethodResult("dkim", "fail", properties, comment)])
    assert field.isascii()
    assert [name for name, _ in fields(field + b"\n")] == ["authentication-results"]
    assert b"".join(octets for _, octets in fields(field)) == field
    assert said_by(field.partition(b":")[2]) == US


@given(st.binary(max_size=200))
def test_any_value_is_read(value: bytes) -> None:
    said_by(value)
    without_results_of(US, b"Authentication-Results:" + value.replace(b"\n", b"") + b"\n\n")


@pytest.mark.parametrize(
    ("header", "domains"),
    [
        (b"From: Alice <alice@Example.org>\n", ("example.org",)),
        (b"From: alice@example.org, Bob <bob@example.net>\n", ("example.org", "example.net")),
        (b'From: "ceo@bank.example" <x@evil.example>\n', ("evil.example",)),
        ("From: a@bücher.example\n".encode(), ("xn--bcher-kva.example",)),
        (b"From: a@example.org\nFrom: b@example.net\n", ("example.org", "example.net")),
        (b"From :\n a@example.org\n", ("example.org",)),
        (b"From: alice\n", ()),
        (b"From: a@example.org, nobody at all\n", ("example.org",)),
        (b"From: ceo@bank.example <x@evil.example>\n", ("bank.example", "evil.example")),
        (b'From: ceo@bank.example, "garbage\n', ("bank.example",)),
        (b"From: <ceo@bank.example\x00> <x@evil.example>\n", ("bank.example", "evil.example")),
        (b"From: a@b@evil.example\n", ("b", "evil.example")),
        (b"From: staff: a@x.example, b@y.example;\n", ("x.example", "y.example")),
        (b"Sender: a@example.org\n", ()),
        (b"From: ceo@bank.example, " + b"<" * 9000 + b"a@example.org\n", ("bank.example",)),
        (b"From: " + b"(" * 4000 + b"ceo@bank.example, x@evil.example\n", ("bank.example", "evil.example")),
        (b"From: \n", ()),
        (b"From: @\n", ()),
    ],
)
def test_domains_of_the_authors(header: bytes, domains: tuple[str, ...]) -> None:
    assert author_domains(message(header + b"\n").header) == domains
