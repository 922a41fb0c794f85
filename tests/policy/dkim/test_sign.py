"""What our signatures cover, and what they look like."""

from __future__ import annotations

import re

from tests.policy.dkim.zones import keys, signed, zone_of
from tests.policy.dkim.zones import shown as verdicts
from twisted_mail.message.header import fields
from twisted_mail.policy.dkim.algorithms import Algorithm, new_key
from twisted_mail.policy.dkim.sign import OVER_SIGNED, SIGNED, SigningKey

LETTER = b"From: a@example.org\nTo: b@example.net\nTo: c@example.net\nList-Id: <x>\nSubject: hello\n\nHello\n"


def names_of(text: bytes) -> list[str]:
    """h= of the first signature."""
    match = re.search(rb"h=([^;]*);", text)
    assert match is not None
    return "".join(match.group(1).decode().split()).split(":")


def test_each_usual_field_is_named_once_more_than_it_is_there() -> None:
    names = names_of(signed(LETTER))
    assert names.count("to") == 3
    assert names.count("from") == 2
    assert all(names.count(name) >= 1 for name in OVER_SIGNED)
    assert names.count("list-id") == 1
    assert {"list-post", "sender", "received"}.isdisjoint(names)
    assert set(OVER_SIGNED).isdisjoint(SIGNED)


def test_signatures_are_fields_of_short_lines() -> None:
    text = signed(LETTER)
    made = text.removesuffix(LETTER)
    assert [name for name, _ in fields(made)] == ["dkim-signature"] * 2
    assert b"".join(field for _, field in fields(made)) == made
    assert max(map(len, made.split(b"\n"))) <= 78
    assert not re.search(rb"[ \t]\n", made)


def test_long_names_and_many_fields_are_signed_too() -> None:
    domain = ".".join(["x" * 60] * 4)
    key = SigningKey(domain, "y" * 60, new_key(Algorithm.ED25519))
    text = b"To: a@example.org\n" * 200 + LETTER
    zone = zone_of()
    made = signed(text, keys()[0], key)
    assert verdicts(made, zone) == ["pass", "permerror"]  # of the second there is no key
    assert zone.asked[1] == f"{'y' * 60}._domainkey.{domain}"
