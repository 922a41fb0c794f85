"""SPF against the official suite of RFC 7208 (rfc7208/tests.yml, under its own licence), and against hostility."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from tests.policy.records import FAILS, Records
from twisted_mail.policy.spf import MAX_NAMES, MAX_TERMS, Client, Outcome, check_host
from twisted_mail.policy.spfrecord import Result

SUITE = Path(__file__).parent / "rfc7208" / "tests.yml"


def run(lookups: Records, client: Client, domain: str) -> Outcome:
    results: list[Any] = []
    Deferred.fromCoroutine(check_host(lookups, client, domain)).addBoth(results.append)
    assert isinstance(results[0], Outcome), results[0]
    return results[0]


# ---- the official suite


def records_of(zone: dict[str, list[Any]]) -> Records:
    """A zone of the suite.  SPF stands for a TXT record too, unless the name has one of its own (NONE: has not)."""
    table: dict[str, Any] = {}
    for name, entries in zone.items():
        kinds: dict[str, list[str]] = {}
        has_text = any(isinstance(entry, dict) and "TXT" in entry for entry in entries)
        answered = {kind for entry in entries if isinstance(entry, dict) for kind in entry if entry[kind] != "NONE"}
        for entry in entries:
            if entry == "TIMEOUT":
                for kind in {"TXT", "A", "AAAA", "MX", "PTR"} - answered:
                    kinds.setdefault(kind, []).append(FAILS)
                continue
            ((kind, value),) = entry.items()
            if kind == "SPF":
                kind = "TXT" if not has_text else "SPF"
            if value == "NONE":
                continue
            text = FAILS if value == "TIMEOUT" else _text(kind, value)
            kinds.setdefault(kind, []).append(text)
        table[_key(name, kinds)] = kinds
    return Records(table)


def _text(kind: str, value: Any) -> str:
    if kind == "MX":
        return f"{value[0]} {value[1]}"
    return "".join(value) if isinstance(value, list) else str(value)


def _key(name: str, kinds: dict[str, list[str]]) -> str:
    """`Lookups.ptr` takes the address itself."""
    labels = name.lower().split(".")
    if name.lower().endswith(".in-addr.arpa"):
        return ".".join(reversed(labels[:-2]))
    if name.lower().endswith(".ip6.arpa"):
        return str(ipaddress.ip_address(int("".join(reversed(labels[:-2])), 16)))
    return name


def cases() -> Iterator[Any]:
    for section in yaml.safe_load_all(SUITE.read_text()):
        for name, case in section["tests"].items():
            yield pytest.param(section["zonedata"], case, id=f"{section['description']}: {name}")


@pytest.mark.parametrize(("zone", "case"), list(cases()))
def test_official_suite(zone: dict[str, list[Any]], case: dict[str, Any]) -> None:
    hello = str(case["helo"])
    sender = case.get("mailfrom") or f"postmaster@{hello}"
    client = Client(case["host"], sender, hello, "unknown")
    outcome = run(records_of(zone), client, sender.rpartition("@")[2])
    expected = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert outcome.result.value in expected, outcome
    if case.get("explanation", "DEFAULT") != "DEFAULT":
        assert outcome.explanation == case["explanation"]
    elif "explanation" in case:
        assert outcome.explanation == ""


def test_suite_is_whole() -> None:
    assert len(list(cases())) == 203


# ---- hostile records

CLIENT = Client("192.0.2.1", "alice@example.org", "mail.example.org")
NASTY = """
    a mx ptr include:example.org exists:%{i}.example.org a:%{l1r-}.example.org ?all redirect=example.org
    exp=%{p}.example.org mx:mx.example.org//0 ip4:192.0.2.9 -a:void.example
"""
TERMS = st.lists(st.sampled_from(NASTY.split()), max_size=40).map(" ".join)


@given(TERMS | st.text(st.characters(max_codepoint=255), max_size=300))
def test_any_record_ends_within_its_lookups(terms: str) -> None:
    hosts = {f"mx{number}.example.org": {"A": ["192.0.2.2"]} for number in range(MAX_NAMES)}
    exchanges = [f"10 {host}" for host in hosts]
    records = Records(
        {
            "example.org": {"TXT": [f"v=spf1 {terms}"], "MX": exchanges, "A": ["192.0.2.3"]},
            "192.0.2.1": {"PTR": [f"{host}." for host in hosts]},
            **hosts,
        }
    )
    outcome = run(records, CLIENT, "example.org")
    assert outcome.result in Result
    assert outcome.reason.isprintable()
    assert len(records.asked) <= (MAX_TERMS + 2) * (2 * MAX_NAMES + 3)


def test_what_is_no_domain_is_not_asked_for() -> None:
    for domain in ("[192.0.2.1]", "[IPv6:2001:db8::1]", "localhost", "", "b\xfccher.example"):
        records = Records({})
        assert run(records, CLIENT, domain).result is Result.NONE
        assert records.asked == []


def test_record_too_long_to_look_at_is_a_permerror() -> None:
    for terms in ("a:a." + "a" * 60_000 + "!", "a " * 20_000):
        assert run(Records({"example.org": {"TXT": [f"v=spf1 {terms}"]}}), CLIENT, "example.org").result is (
            Result.PERMERROR
        )


@given(st.binary(max_size=100), st.text(max_size=80), st.text(max_size=80))
def test_any_envelope_is_answered(record: bytes, sender: str, hello: str) -> None:
    text = "v=spf1 exists:%{S}.%{L3R-}.example.org -all exp=why.example.org"
    table = {"example.org": {"TXT": [text]}, "why.example.org": {"TXT": [record.decode("latin-1")]}}
    outcome = run(Records(table), Client("2001:db8::1", sender, hello), "example.org")
    assert outcome.explanation.isprintable()
    assert outcome.result in Result
