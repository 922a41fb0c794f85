"""DMARC in tables: which record holds, what aligns with it, and what its owner wants."""

from __future__ import annotations

from collections.abc import Sequence
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from tests.policy.records import FAILS, Records, Table
from twisted_mail.policy.dmarc import DMARCResult, Identifiers, Verdict, accepts_reports, evaluate, names_to_ask
from twisted_mail.policy.dmarcrecord import Policy, parse_dmarc

EXISTS = {"A": ["192.0.2.1"]}


def zone(**others: Any) -> Table:
    return {
        "_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject; sp=quarantine; np=reject; rua=mailto:d@example.org"]},
        "sub.example.org": EXISTS,
        "_dmarc.strict.example": {"TXT": ["v=DMARC1; p=reject; adkim=s; aspf=s"]},
        "_dmarc.bank": {"TXT": ["v=DMARC1; p=reject; psd=y"]},
        "_dmarc.own.team.example": {"TXT": ["v=DMARC1; p=quarantine; psd=n"]},
        "_dmarc.team.example": {"TXT": ["v=DMARC1; p=none"]},
        "_dmarc.two.example": {"TXT": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]},
        "_dmarc.testing.example": {"TXT": ["v=DMARC1; p=reject; t=y"]},
        "_dmarc.sampled.example": {"TXT": ["v=DMARC1; p=quarantine; pct=20"]},
        "_dmarc.broken.example": FAILS,
        **others,
    }


def run(question: Any) -> Any:
    results: list[Any] = []
    Deferred.fromCoroutine(question).addBoth(results.append)
    assert not hasattr(results[0], "getTraceback"), results[0].getTraceback()
    return results[0]


def verdict(domain: str, spf: Sequence[str] = (), dkim: Sequence[str] = (), **more: Any) -> Verdict:
    identifiers = Identifiers(tuple(spf), tuple(dkim), more.get("uncertain", False))
    answer = run(evaluate(Records(zone()), domain, identifiers, more.get("sample", 0.0)))
    assert isinstance(answer, Verdict)
    return answer


@pytest.mark.parametrize(
    ("domain", "spf", "dkim", "result"),
    [
        ("example.org", ["example.org"], [], DMARCResult.PASS),
        ("example.org", ["bounce.example.org"], [], DMARCResult.PASS),
        ("sub.example.org", ["example.org"], [], DMARCResult.PASS),
        ("sub.example.org", [], ["other.example.org"], DMARCResult.PASS),
        ("example.org", ["evil.example"], ["evil.example"], DMARCResult.FAIL),
        ("example.org", ["notexample.org"], [], DMARCResult.FAIL),
        ("example.org", ["example.org.evil.example"], [], DMARCResult.FAIL),
        ("example.org", ["org"], [], DMARCResult.FAIL),
        ("example.org", [], [], DMARCResult.FAIL),
        ("strict.example", ["mail.strict.example"], [], DMARCResult.FAIL),
        ("strict.example", [], ["strict.example"], DMARCResult.PASS),
        ("a.bank", ["b.bank"], [], DMARCResult.FAIL),  # two customers of one public suffix
        ("www.a.bank", ["mail.a.bank"], [], DMARCResult.PASS),
        ("own.team.example", ["team.example"], [], DMARCResult.FAIL),  # an organization of its own
        ("www.own.team.example", ["own.team.example"], [], DMARCResult.PASS),
        ("nothing.example", ["evil.example"], [], DMARCResult.NONE),
        ("two.example", [], [], DMARCResult.NONE),
        ("broken.example", [], [], DMARCResult.TEMPERROR),
    ],
)
def test_result(domain: str, spf: list[str], dkim: list[str], result: DMARCResult) -> None:
    assert verdict(domain, spf, dkim).result is result


@pytest.mark.parametrize(
    ("domain", "sample", "policy"),
    [
        ("example.org", 0, Policy.REJECT),
        ("sub.example.org", 0, Policy.QUARANTINE),
        ("gone.example.org", 0, Policy.REJECT),
        ("a.bank", 0, Policy.REJECT),
        ("testing.example", 0, Policy.QUARANTINE),
        ("sampled.example", 19.9, Policy.QUARANTINE),
        ("sampled.example", 20, Policy.NONE),
    ],
)
def test_policy_of_a_message_that_fails(domain: str, sample: float, policy: Policy) -> None:
    assert verdict(domain, sample=sample).policy is policy


def test_failure_that_may_be_none_is_a_temporary_error() -> None:
    assert verdict("example.org", uncertain=True).result is DMARCResult.TEMPERROR
    assert verdict("example.org", ["example.org"], uncertain=True).result is DMARCResult.PASS


def test_names_are_asked_for_from_the_longest_to_the_shortest() -> None:
    assert names_to_ask("a.b.example") == ["a.b.example", "b.example", "example"]
    long = ".".join("abcdefghijklmn")
    assert names_to_ask(long) == [long, *(".".join("hijklmn"[start:]) for start in range(7))]


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("v=DMARC1;p=reject", Policy.REJECT),
        ("v=DMARC1 ; p = Quarantine ; ", Policy.QUARANTINE),
        ("v=DMARC1; rua=mailto:a@example.org", Policy.NONE),
        ("v=DMARC1; p=rejekt; rua=mailto:a@example.org", Policy.NONE),
        ("v=DMARC1; p=rejekt", None),
        ("v=dmarc1; p=reject", None),
        ("p=reject; v=DMARC1", None),
        ("v=spf1 -all", None),
        ("v=DMARC1; p=reject; nonsense", None),
        ("v=DMARC1; p=reject; future=1", Policy.REJECT),
        ("v=DMARC1; p=" + " " * 9000 + "none" + " " * 900, Policy.NONE),
        ("", None),
    ],
)
def test_record(text: str, policy: Policy | None) -> None:
    record = parse_dmarc(text.encode())
    assert (record and record.policy) is policy


def test_spaces_in_a_record_cost_no_time() -> None:
    start = process_time()
    assert parse_dmarc(b"v=DMARC1; p=a" + b" " * 9900 + b"b") is None
    assert process_time() - start < 0.1


def test_addresses_for_reports() -> None:
    record = parse_dmarc(b"v=DMARC1; rua=mailto:a@example.org!10m, https://x.example/,mailto:b@example.net")
    assert record is not None
    assert record.reports == ("a@example.org", "b@example.net")


def test_reports_go_to_others_only_where_these_want_them() -> None:
    records = Records(
        zone(**{"example.org._report._dmarc.reports.example": {"TXT": ["v=DMARC1"]}, "_dmarc.deaf.example": FAILS})
    )
    for address, accepted in (
        ("d@example.org", True),
        ("d@mail.example.org", True),
        ("d@reports.example", True),
        ("victim@example.net", False),
    ):
        assert run(accepts_reports(records, "example.org", address)) is accepted, address


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: b"v=DMARC1; " + text.encode()))
def test_any_record_is_read(text: bytes) -> None:
    parse_dmarc(text)
    records = Records({"_dmarc.example.org": {"TXT": [text.decode("latin-1")]}})
    run(evaluate(records, "a.example.org", Identifiers(("b.example.org",) * 50), 0.0))
    assert len(records.asked) < 30
