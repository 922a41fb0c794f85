"""Adds a set to the chain of a message that is handed on (RFC 8617 §5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_mail.policy.arc.chain import MAX_SETS, MESSAGE, RESULTS, SEAL, read_chain
from twisted_mail.policy.arc.verify import Chain
from twisted_mail.policy.dkim.canonical import Form, canonical_field
from twisted_mail.policy.dkim.sign import (
    WHOLE_BODY,
    SigningKey,
    coverage_tags,
    covered_names,
    key_tags,
    sealed_field,
)
from twisted_mail.policy.dkim.signature import Coverage, HeaderFields, Verdict

_NAMES = {RESULTS: "ARC-Authentication-Results", MESSAGE: "ARC-Message-Signature", SEAL: "ARC-Seal"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found when the message came."""

    chain: Chain
    results: str
    """Our name and what Authentication-Results says of the message (RFC 8601 §2.2)."""


def seal_message(header: bytes, body_hash: bytes, finding: Finding, key: SigningKey, now: float) -> bytes:
    """The fields to put in front of a message, LF line ends; empty where nothing may be added.

    *body_hash*: SHA-256 of WHOLE_BODY.
    """
    chain = finding.chain
    number = chain.highest + 1
    if chain.ended or chain.verdict is Verdict.TEMPERROR or number > MAX_SETS:
        return b""
    fields = HeaderFields(header)
    names = covered_names(fields, ("dkim-signature",))
    results = f"{_NAMES[RESULTS]}: i={number}; {finding.results}\n".encode()
    covered = fields.canonical(Coverage(names, Form.RELAXED, WHOLE_BODY, body_hash))
    tags = [f"i={number}", *key_tags(key, now), "c=relaxed/relaxed", *coverage_tags(names, body_hash)]
    message = sealed_field(_NAMES[MESSAGE], tags, key, covered)
    # of a broken chain nothing but the own set is sealed, as if it were the only one (§5.1.2)
    before = [each.fields for each in read_chain(fields)] if chain.verdict is Verdict.PASS else []
    sealed = [*(field for each in before for field in each), results, message]
    covered = b"".join(canonical_field(field, Form.RELAXED) for field in sealed)
    tags = [f"i={number}", *key_tags(key, now), f"cv={chain.verdict.value}"]
    return sealed_field(_NAMES[SEAL], tags, key, covered) + message + results
