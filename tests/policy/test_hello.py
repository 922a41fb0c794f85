"""What clients call themselves, and what is thought of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.dkim.zones import result_of
from tests.policy.records import FAILS, Records
from twisted_mail.policy.hello import Hello, judge_hello

HOST = "mail.example.org"
ZONE = {
    HOST: {"A": ["203.0.113.1"], "AAAA": ["2001:db8:f::1"]},
    "mx.example.net": {"A": ["192.0.2.1", "192.0.2.2"], "AAAA": ["2001:db8::2"]},
    "www.example.net": {"A": ["192.0.2.80"]},
    "six.example.net": {"AAAA": ["2001:db8::6"]},
    "broken.example.net": FAILS,
}


@pytest.mark.parametrize(
    ("hello", "client", "judgement"),
    [
        ("mx.example.net", "192.0.2.1", Hello.GOOD),
        ("MX.example.net.", "192.0.2.2", Hello.GOOD),
        ("mx.example.net", "::ffff:192.0.2.1", Hello.GOOD),
        ("mx.example.net", "2001:db8::2", Hello.GOOD),
        ("mx.example.net", "192.0.2.3", Hello.ELSEWHERE),
        ("six.example.net", "192.0.2.1", Hello.ELSEWHERE),
        ("www.example.net", "2001:db8::2", Hello.ELSEWHERE),
        ("none.example.net", "192.0.2.1", Hello.MISSING),
        ("broken.example.net", "192.0.2.1", Hello.UNKNOWN),
        ("localhost", "192.0.2.1", Hello.NO_NAME),
        ("PC-17", "192.0.2.1", Hello.NO_NAME),
        ("printer.local", "192.0.2.1", Hello.NO_NAME),
        ("localhost.localdomain", "192.0.2.1", Hello.NO_NAME),
        ("1.2.3", "192.0.2.1", Hello.NO_NAME),
        ("mx..example.net", "192.0.2.1", Hello.NO_NAME),
        ("a=b.example.net", "192.0.2.1", Hello.NO_NAME),
        ("[192.0.2.1]", "192.0.2.1", Hello.LITERAL),
        ("[IPv6:2001:db8::2]", "2001:db8::2", Hello.LITERAL),
        ("192.0.2.1", "192.0.2.1", Hello.BARE_ADDRESS),
        ("[192.0.2.9]", "192.0.2.1", Hello.BARE_ADDRESS),
        ("[203.0.113.1]", "192.0.2.1", Hello.OURS),
        ("203.0.113.1", "192.0.2.1", Hello.OURS),
        ("[IPv6:2001:db8:f::1]", "2001:db8::2", Hello.OURS),
        ("Mail.Example.ORG", "192.0.2.1", Hello.OURS),
    ],
)
def test_name_is_judged_by_where_it_leads(hello: str, client: str, judgement: Hello) -> None:
    assert result_of(judge_hello(Records(ZONE), hello, client, HOST)) is judgement


def test_own_address_that_dns_does_not_tell_is_not_known() -> None:
    assert result_of(judge_hello(Records({HOST: FAILS}), "[203.0.113.1]", "192.0.2.1", HOST)) is Hello.UNKNOWN


@given(st.from_regex(re.compile(r"[!#-'*+\-./0-9:=?A-Z\[\]^_`a-z{|}~]{1,255}"), fullmatch=True))
def test_any_name_is_judged_with_few_questions(hello: str) -> None:
    records = Records({})
    assert result_of(judge_hello(records, hello, "192.0.2.1", HOST)) not in (Hello.GOOD, Hello.UNKNOWN)
    assert len(records.asked) <= 2
