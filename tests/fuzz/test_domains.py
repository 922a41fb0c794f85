"""What is known of the inputs of tests/fuzz/domains.py; their short run is in test_targets.py."""

from __future__ import annotations

import pytest

from tests.fuzz.domains import obvious
from twisted_mail.policy.dmarc import DMARCResult, Identifiers
from twisted_mail.policy.dmarcrecord import Policy

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
