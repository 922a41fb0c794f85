"""The short run of tests/fuzz/domains.py."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.domains import TARGETS, obvious, run
from twisted_mail.policy.dmarc import DMARCResult, Identifiers
from twisted_mail.policy.dmarcrecord import Policy


@pytest.mark.parametrize("target", TARGETS)
def test_seeded_inputs_do_no_harm(target: str) -> None:
    for seed in range(300):
        run(target, Random(seed))


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_inputs_that_hypothesis_finds_do_no_harm(target: str, random: Random) -> None:
    run(target, random)


PUBLISHED = {
    "_dmarc.bank": {"TXT": ["v=DMARC1; p=reject; psd=y"]},
    "_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject; sp=quarantine"]},
    "_dmarc.own.example.org": {"TXT": ["v=DMARC1; p=none; psd=n"]},
}


@pytest.mark.parametrize(
    ("author", "passed", "result", "policy"),
    [
        ("a.bank", "b.bank", DMARCResult.FAIL, Policy.REJECT),
        ("www.a.bank", "mail.a.bank", DMARCResult.PASS, Policy.REJECT),
        ("www.example.org", "example.org", DMARCResult.PASS, Policy.QUARANTINE),
        ("own.example.org", "example.org", DMARCResult.FAIL, Policy.NONE),
        ("nothing.example", "evil.example", DMARCResult.NONE, Policy.NONE),
    ],
)
def test_obvious_reader_knows_what_is_known(author: str, passed: str, result: DMARCResult, policy: Policy) -> None:
    assert obvious(dict(PUBLISHED), author, Identifiers((passed,))) == (result, policy)
