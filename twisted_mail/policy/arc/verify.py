"""Checks the ARC chain of a message that came (RFC 8617 §5.2).

A chain that holds says who handed the message on, and what each of them found; whether to believe them is for others to
decide.  Whatever stands in the message, there is a verdict: none, pass, fail, or temperror where DNS does not answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted_mail.content import Blocking, Message
from twisted_mail.policy.arc.chain import ArcSet, highest_instance, read_chain
from twisted_mail.policy.dkim.canonical import Form, canonical_field
from twisted_mail.policy.dkim.keys import TXT, PublishedKeys, fetch_keys
from twisted_mail.policy.dkim.signature import HeaderFields, Seal, SignatureError, Verdict, signed_data
from twisted_mail.policy.dkim.verify import check_body, hash_body


@dataclass(frozen=True, slots=True)
class Chain:
    """What is to be said of a chain."""

    verdict: Verdict
    reason: str = ""
    """In words; empty where all is well."""
    sealers: tuple[str, ...] = ()
    """d= of each seal, the first one first.  Only where the verdict is pass do these domains stand for it."""
    results: tuple[bytes, ...] = ()
    """ARC-Authentication-Results of each of them: what it found when the message came."""
    selector: str = ""
    """Of the last seal."""
    highest: int = 0
    """The highest number of a set, however broken."""
    ended: bool = False
    """Somebody has said that it is broken: nothing is to be added any more (RFC 8617 §5.1.2)."""


async def verify(message: Message, txt: TXT, blocking: Blocking) -> Chain:
    """Raises OSError: the body cannot be read."""
    header = HeaderFields(message.header)
    highest = highest_instance(header)
    try:
        sets = read_chain(header)
        if not sets:
            return Chain(Verdict.NONE)
        if any(each.found is Verdict.FAIL for each in sets):
            return _chain(sets, SignatureError("the chain was found broken before it came", Verdict.FAIL), ended=True)
    except SignatureError as error:
        return Chain(Verdict.FAIL, str(error), highest=highest)
    hashes = await hash_body(message, {sets[-1].coverage.body}, blocking)
    try:
        check_body(sets[-1].coverage, hashes)
        keys = await fetch_keys([sets[-1].message, *(each.seal for each in sets)], txt)
        _check(header, sets, keys)
    except SignatureError as error:
        return _chain(sets, error)
    return _chain(sets)


def _check(header: HeaderFields, sets: Sequence[ArcSet], keys: PublishedKeys) -> None:
    """Raises SignatureError."""
    last = sets[-1]
    _check_seal(f"signature {len(sets)}", keys, last.message, signed_data(header, last.coverage, last.message))
    fields = [canonical_field(field, Form.RELAXED) for each in sets for field in each.fields]
    for number in range(len(sets), 0, -1):
        seal = sets[number - 1].seal
        own = canonical_field(seal.unsigned, Form.RELAXED).removesuffix(b"\r\n")
        _check_seal(f"seal {number}", keys, seal, b"".join(fields[: 3 * number - 1]) + own)


def _check_seal(name: str, keys: PublishedKeys, seal: Seal, data: bytes) -> None:
    try:
        keys.check(seal, data)
    except SignatureError as error:
        verdict = Verdict.TEMPERROR if error.verdict is Verdict.TEMPERROR else Verdict.FAIL
        raise SignatureError(f"{name}: {error}", verdict) from error


def _chain(sets: Sequence[ArcSet], error: SignatureError | None = None, *, ended: bool = False) -> Chain:
    return Chain(
        Verdict.PASS if error is None else error.verdict,
        "" if error is None else str(error),
        tuple(each.seal.domain for each in sets),
        tuple(each.fields[0] for each in sets),
        sets[-1].seal.selector,
        len(sets),
        ended,
    )
