"""Checks the DKIM signatures of a message that came (RFC 6376 §6).

Whatever stands in the message or in DNS, the outcome is a verdict a signature.  At most MAX_SIGNATURES are looked at,
which bounds the time, and the questions to DNS.  A large body is read once, in a thread.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from twisted_mail.content import Blocking, Message
from twisted_mail.policy.dkim.canonical import BodyHash, BodyPart, body_hashes
from twisted_mail.policy.dkim.keys import TXT, PublishedKeys, fetch_keys
from twisted_mail.policy.dkim.signature import (
    Coverage,
    HeaderFields,
    Signature,
    SignatureError,
    Verdict,
    parse_signature,
    signed_data,
)

MAX_SIGNATURES = 8
"""Of one message, from the top: those of the servers that it passed last."""


@dataclass(frozen=True, slots=True)
class Result:
    """What is to be said of one signature."""

    verdict: Verdict
    reason: str = ""
    """In words; empty where all is well."""
    domain: str = ""
    """d=: who signed; empty where the signature does not say so in a way that can be read."""
    selector: str = ""
    algorithm: str = ""
    identity: str = ""
    """i=: on whose behalf."""
    mark: str = ""
    """The first characters of the signature, by which it is told from others (RFC 6008)."""


async def verify(message: Message, txt: TXT, blocking: Blocking, now: float) -> Sequence[Result]:
    """A result for each signature that is looked at, from top to bottom.  Raises OSError: the body cannot be read.

    *now*: Unix time.
    """
    header = HeaderFields(message.header)
    found = [(field, _parsed(field, now)) for field in header.of("dkim-signature")[:MAX_SIGNATURES]]
    signatures = [each for _, each in found if isinstance(each, Signature)]
    if not signatures:
        return [each for _, each in found if isinstance(each, Result)]
    hashes = await hash_body(message, {each.coverage.body for each in signatures}, blocking)
    keys = await fetch_keys((each.seal for each in signatures), txt)
    return [
        each
        if isinstance(each, Result)
        else _judged(each, signed_data(header, each.coverage, each.seal, field), hashes, keys)
        for field, each in found
    ]


async def hash_body(message: Message, parts: Iterable[BodyPart], blocking: Blocking) -> Mapping[BodyPart, BodyHash]:
    """In a thread where the body is in a file.  Raises OSError."""
    body, wanted = message.body, list(parts)
    if isinstance(body, bytes):
        return body_hashes([body], wanted)
    hashes: Mapping[BodyPart, BodyHash] = {}

    def read() -> None:
        nonlocal hashes
        hashes = body_hashes(body.pieces(), wanted)

    await blocking(read)
    return hashes


def check_body(coverage: Coverage, hashes: Mapping[BodyPart, BodyHash]) -> None:
    """Raises SignatureError: the body is not the one that was signed."""
    found, length = hashes[coverage.body], coverage.body.length
    if length is not None and length > found.length:
        raise SignatureError("the body is shorter than the signed part of it", Verdict.FAIL)
    if found.digest() != coverage.body_hash:
        raise SignatureError("the body has changed since it was signed", Verdict.FAIL)


def _parsed(field: bytes, now: float) -> Signature | Result:
    try:
        return parse_signature(field, now)
    except SignatureError as error:
        return Result(error.verdict, str(error))


def _judged(signature: Signature, data: bytes, hashes: Mapping[BodyPart, BodyHash], keys: PublishedKeys) -> Result:
    try:
        check_body(signature.coverage, hashes)
        record = keys.check(signature.seal, data)
        _check_identity(signature, record.strict)
        _check_whole(signature, hashes)
    except SignatureError as error:
        return _result(signature, error.verdict, str(error))
    return _result(signature, Verdict.PASS, "its domain is testing" if record.testing else "")


def _check_identity(signature: Signature, strict: bool) -> None:
    if strict and signature.identity.rpartition("@")[2] != signature.seal.domain:
        raise SignatureError("its key is not for names below its domain")


def _check_whole(signature: Signature, hashes: Mapping[BodyPart, BodyHash]) -> None:
    """Anybody may add to what is not signed: such a signature is right and proves nothing of what people read."""
    part = signature.coverage.body
    if part.length is not None and part.length < hashes[part].length:
        raise SignatureError(f"only the first {part.length} octets of the body are signed", Verdict.POLICY)


def _result(signature: Signature, verdict: Verdict, reason: str) -> Result:
    seal = signature.seal
    return Result(
        verdict, reason, seal.domain, seal.selector, seal.algorithm.value, signature.identity, _mark(seal.signature)
    )


def _mark(signature: bytes) -> str:
    return b64encode(signature[:6]).decode()
