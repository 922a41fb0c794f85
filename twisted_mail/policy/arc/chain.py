"""The sets of three fields that make a chain, read from a header (RFC 8617 §4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twisted_mail.policy.dkim.signature import (
    Coverage,
    HeaderFields,
    Seal,
    SignatureError,
    Verdict,
    field_tags,
    parse_coverage,
    parse_seal,
)

MAX_SETS = 50
"""RFC 8617 §4.2.1."""

RESULTS, MESSAGE, SEAL = "arc-authentication-results", "arc-message-signature", "arc-seal"

# ARC-Authentication-Results: i=N; what Authentication-Results says (RFC 8617 §4.1.1)
_RESULTS_INSTANCE = re.compile(rb"[^:]*:[ \t\n]*i[ \t\n]*=[ \t\n]*([0-9]{1,2})[ \t\n]*;")


@dataclass(frozen=True, slots=True)
class ArcSet:
    """What one server added."""

    fields: tuple[bytes, bytes, bytes]
    """ARC-Authentication-Results, ARC-Message-Signature, ARC-Seal: as they are signed by a later set."""
    message: Seal
    coverage: Coverage
    seal: Seal
    found: Verdict
    """cv=: what it said of the chain before it."""


def read_chain(header: HeaderFields) -> Sequence[ArcSet]:
    """The sets from the first to the last; none where the message has none.

    Raises SignatureError: they are no chain (RFC 8617 §5.2, steps 1 to 3).
    """
    by_name = [_by_instance(name, header) for name in (RESULTS, MESSAGE, SEAL)]
    count = len(by_name[0])
    if any(set(found) != set(range(1, count + 1)) for found in by_name):
        raise SignatureError("the sets of ARC fields are not complete", Verdict.FAIL)
    return [_read_set(instance, *(found[instance] for found in by_name)) for instance in range(1, count + 1)]


def highest_instance(header: HeaderFields) -> int:
    """Of any field, however broken the chain is; 0: there are none."""
    numbers = [_instance(name, field) or 0 for name in (RESULTS, MESSAGE, SEAL) for field in header.of(name)[:MAX_SETS]]
    return max(numbers, default=0)


def _by_instance(name: str, header: HeaderFields) -> Mapping[int, bytes]:
    fields = header.of(name)
    if len(fields) > MAX_SETS:
        raise SignatureError(f"the chain is longer than {MAX_SETS} sets", Verdict.FAIL)
    found: dict[int, bytes] = {}
    for field in fields:
        instance = _instance(name, field)
        if instance is None:
            raise SignatureError(f"a field {name} has no number", Verdict.FAIL)
        if instance in found:
            raise SignatureError(f"there are two fields {name} of the same number", Verdict.FAIL)
        found[instance] = field
    return found


def _instance(name: str, field: bytes) -> int | None:
    if name == RESULTS:
        match = _RESULTS_INSTANCE.match(field)
        text = match.group(1).decode() if match else ""
    else:
        try:
            text = field_tags(field).get("i", "")
        except SignatureError:
            return None
    return int(text) if re.fullmatch(r"[0-9]{1,2}", text, re.ASCII) else None


def _read_set(instance: int, results: bytes, message: bytes, seal: bytes) -> ArcSet:
    try:
        message_tags, seal_tags = field_tags(message), field_tags(seal)
        read = ArcSet(
            (results, message, seal),
            parse_seal(message_tags, message),
            parse_coverage(message_tags),
            parse_seal(seal_tags, seal),
            _found(instance, seal_tags),
        )
    except SignatureError as error:
        raise SignatureError(f"set {instance}: {error}", Verdict.FAIL) from error
    names = read.coverage.names
    if "from" not in names or SEAL in names:
        raise SignatureError(f"set {instance}: its signature covers the wrong fields", Verdict.FAIL)
    return read


def _found(instance: int, tags: Mapping[str, str]) -> Verdict:
    """cv= (RFC 8617 §4.1.3)."""
    if "h" in tags:
        raise SignatureError("its seal has a list of fields")
    said = tags.get("cv", "").lower()
    if said == Verdict.FAIL.value:
        return Verdict.FAIL
    expected = Verdict.NONE if instance == 1 else Verdict.PASS
    if said != expected.value:
        raise SignatureError("its seal says of the chain before it what cannot be")
    return expected
