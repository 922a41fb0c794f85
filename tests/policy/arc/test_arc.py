"""Chains of ARC sets: those that we make, those of dkimpy, both in turns, and what breaks them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from time import time

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import execute

from tests.policy.dkim.zones import Zone, keys, on_the_wire, result_of, signed, visible, zone_of
from tests.targets import message
from twisted_mail.message.header import fields
from twisted_mail.policy.arc.chain import MAX_SETS
from twisted_mail.policy.arc.seal import Finding, seal_message
from twisted_mail.policy.arc.verify import Chain, verify
from twisted_mail.policy.dkim.canonical import body_hashes
from twisted_mail.policy.dkim.sign import WHOLE_BODY
from twisted_mail.policy.dkim.signature import Verdict

HOPS = ("one.example", "two.example", "three.example")
ZONE = zone_of("example.org", *HOPS)
LETTER = signed(b"From: a@example.org\nTo: b@one.example\nSubject: hello\n\nHello\n")


def found(text: bytes, zone: Zone = ZONE) -> Chain:
    return result_of(verify(message(text), zone.txt, execute))


def sealed(text: bytes, domain: str, *, ed25519: bool = False) -> bytes:
    """*text* as *domain* hands it on."""
    whole = message(text)
    assert isinstance(whole.body, bytes)
    digest = body_hashes([whole.body], [WHOLE_BODY])[WHOLE_BODY].digest()
    finding = Finding(found(text), f"mx.{domain}; spf=pass\n smtp.mailfrom=example.org; dkim=pass")
    return seal_message(whole.header, digest, finding, keys(domain)[0 if ed25519 else 1], time()) + text


def sealed_by_dkimpy(text: bytes, domain: str) -> bytes:
    key = keys(domain)[1]
    pem = key.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    said = f"spf=pass smtp.mailfrom=example.org; arc={found(text).verdict.value}"
    text = f"Authentication-Results: mx.{domain}; {said}\n".encode() + text
    added = dkim.ARC(on_the_wire(text)).sign(key.selector.encode(), domain.encode(), pem, f"mx.{domain}".encode())
    return b"".join(added).replace(b"\r\n", b"\n") + text


def dkimpy_says(text: bytes) -> bytes:
    verdict, _, _ = dkim.ARC(on_the_wire(text)).verify(ZONE.dkimpy)
    return bytes(verdict)


def test_message_without_sets_has_no_chain() -> None:
    assert found(LETTER) == Chain(Verdict.NONE)


@pytest.mark.parametrize("ours", list(itertools.product((True, False), repeat=3)))
def test_chains_of_ours_and_of_dkimpy_hold_for_both(ours: tuple[bool, ...]) -> None:
    text = LETTER
    for count, (is_ours, domain) in enumerate(zip(ours, HOPS, strict=True), 1):
        text = b"Received: by " + domain.encode() + b"\n" + text
        text = sealed(text, domain) if is_ours else sealed_by_dkimpy(text, domain)
        chain = found(text)
        assert (chain.verdict, chain.reason) == (Verdict.PASS, "")
        assert chain.sealers == HOPS[:count]
        assert chain.highest == count
        assert dkimpy_says(text) == b"pass"
    assert b"smtp.mailfrom=example.org" in found(text).results[0]


def test_ed25519_seals_hold_too() -> None:
    text = sealed(sealed(LETTER, HOPS[0], ed25519=True), HOPS[1])
    assert found(text).verdict is Verdict.PASS


def test_each_set_is_three_fields_of_short_lines() -> None:
    made = sealed(LETTER, HOPS[0]).removesuffix(LETTER)
    names = ["arc-seal", "arc-message-signature", "arc-authentication-results"]
    assert [name for name, _ in fields(made)] == names
    assert max(map(len, made.split(b"\n"))) <= 78


CHAIN = sealed(sealed(LETTER, HOPS[0]), HOPS[1])


@given(st.data())
def test_changed_octet_breaks_the_chain(data: st.DataObject) -> None:
    position = data.draw(st.sampled_from(visible(CHAIN)))
    changed = CHAIN[:position] + bytes([CHAIN[position] ^ 1]) + CHAIN[position + 1 :]
    assert found(changed).verdict is not Verdict.PASS


def test_changed_body_fails_with_words_and_ends_the_chain() -> None:
    text = sealed(LETTER, HOPS[0]).replace(b"Hello", b"Pay")
    chain = found(text)
    assert (chain.verdict, chain.highest, chain.ended) == (Verdict.FAIL, 1, False)
    assert chain.reason == "the body has changed since it was signed"
    again = sealed(text, HOPS[1])
    assert b"cv=fail" in again
    chain = found(again)
    assert (chain.verdict, chain.ended) == (Verdict.FAIL, True)
    assert sealed(again, HOPS[2]) == again


def without(text: bytes, name: bytes, number: int) -> bytes:
    return re.sub(rb"(?m)^%s: i=%d;.*\n(?:[ \t].*\n)*" % (name, number), b"", text, count=1)


def without_first_set(text: bytes) -> bytes:
    for name in (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"):
        text = without(text, name, 1)
    return text


def with_first_results_changed(text: bytes) -> bytes:
    before, _, after = text.rpartition(b"spf=pass")
    return before + b"spf=fail" + after


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda text: text.replace(old, new, 1)


# what is done to a chain of two -> a word of the reason
BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "first seal is missing": (lambda text: without(text, b"ARC-Seal", 1), "not complete"),
    "first set is missing": (without_first_set, "not complete"),
    "number is there twice": (replaced(b"ARC-Seal: i=2", b"ARC-Seal: i=1"), "same number"),
    "number is none": (replaced(b"ARC-Seal: i=2", b"ARC-Seal: i=x"), "no number"),
    "number is zero": (replaced(b"ARC-Seal: i=2", b"ARC-Seal: i=0"), "not complete"),
    "results have no number": (replaced(b"-Results: i=2;", b"-Results:"), "no number"),
    "first says that one was before": (replaced(b"cv=none", b"cv=pass"), "what cannot be"),
    "second says that none was before": (replaced(b"cv=pass", b"cv=none"), "what cannot be"),
    "one says it is broken": (replaced(b"cv=pass", b"cv=fail"), "found broken before"),
    "seal has a list of fields": (replaced(b"cv=pass;", b"cv=pass; h=from;"), "list of fields"),
    "seal is no list of tags": (replaced(b"cv=pass;", b"cv=pass; x;"), "no number"),
    "signature covers a seal": (replaced(b"h=from", b"h=arc-seal:from"), "the wrong fields"),
    "signature leaves From out": (replaced(b"h=from:from", b"h=x"), "the wrong fields"),
    "algorithm is old": (replaced(b"a=rsa-sha256", b"a=rsa-sha1"), "RFC 8301"),
    "results were changed": (replaced(b"spf=pass", b"spf=fail"), "seal 2"),
    "first results were changed": (with_first_results_changed, "seal 2"),
    "subject was changed": (replaced(b"Subject: hello", b"Subject: pay"), "signature 2"),
    "too many": (lambda text: b"ARC-Seal: i=1\n" * (MAX_SETS + 1) + text, "longer than"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_chain_that_is_broken(name: str) -> None:
    change, reason = BROKEN[name]
    changed = change(CHAIN)
    assert changed != CHAIN
    chain = found(changed)
    assert chain.verdict is Verdict.FAIL
    assert reason in chain.reason


def test_dns_that_does_not_answer_is_a_temporary_error_and_nothing_is_added() -> None:
    text = sealed(LETTER, HOPS[0])
    chain = found(text, Zone(down=True))
    assert chain.verdict is Verdict.TEMPERROR
    assert seal_message(message(text).header, b"", Finding(chain, "mx.example; none"), keys(HOPS[1])[1], time()) == b""


def test_fifty_sets_are_the_end() -> None:
    text = LETTER
    for _ in range(MAX_SETS):
        text = sealed(text, HOPS[0])
    chain = found(text)
    assert (chain.verdict, chain.highest) == (Verdict.PASS, MAX_SETS)
    assert sealed(text, HOPS[1]) == text
