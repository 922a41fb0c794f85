"""In whose name a message is signed: nobody's forgery with our proof."""

from __future__ import annotations

import pytest

from tests.targets import ORIGIN
from twisted_mail.policy.dkim.choice import Sender, sealing_domain, signing_domain
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import Origin

KEYS = ("example.org", "example.net", "shop.example.co.uk")
USER = Origin("192.0.2.1", "s", hello="c.example", user="alice@example.org")
PROGRAM = Origin("", "s", protocol="local", hello="mail.example.org")
OURSELVES = Origin("", "s")
SOCKET = Origin("", "s", protocol="LMTP", hello="c.example")

# who, envelope sender, author -> d= of the signature, of the seal
CASES = {
    (USER, "alice@example.org", "example.org"): "example.org",
    (USER, "alice@example.org", "example.net"): "example.net",
    (USER, "alice@example.org", "sub.example.org"): None,  # not ours: nobody has checked that it is hers
    (USER, "alice@example.org", "elsewhere.example"): "example.org",
    (USER, "", "elsewhere.example"): "example.org",
    (PROGRAM, "root@example.net", "example.net"): "example.net",
    (PROGRAM, "root@example.net", ""): None,
    (USER, "alice@example.org", ""): None,
    (ORIGIN, "SRS0=x@example.net", ""): None,
    (OURSELVES, "", "mail.example.org"): "example.org",
    (OURSELVES, "", "example.net"): "example.net",
    (ORIGIN, "SRS0=x@example.net", "elsewhere.example"): "example.net",
    (ORIGIN, "x@elsewhere.example", "elsewhere.example"): "example.org",
    (ORIGIN, "alice@example.org", "example.org"): None,
    (ORIGIN, "SRS0=x@example.net", "sub.example.net"): "example.org",
    (ORIGIN, "x@elsewhere.example", "sub.example.org"): None,
    (SOCKET, "alice@example.org", "example.org"): None,
    (ORIGIN, "x@shop.example.co.uk", "other.co.uk"): "example.org",
}


def sender_of(origin: Origin, sender: str, author: str) -> Sender:
    return Sender(origin, parse_address(sender) if sender else None, (author,) if author else ())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].user or case[0].protocol} {case[1]} {case[2]}")
def test_signing_domain(case: tuple[Origin, str, str]) -> None:
    assert signing_domain(sender_of(*case), "mail.example.org", KEYS.__contains__) == CASES[case]


def test_server_without_keys_signs_nothing() -> None:
    for case in CASES:
        assert signing_domain(sender_of(*case), "mail.example.org", lambda domain: False) is None
        assert sealing_domain(sender_of(*case), "mail.example.org", lambda domain: False) is None


def test_forward_is_sealed_by_any_domain_of_ours() -> None:
    forged = sender_of(ORIGIN, "alice@example.org", "example.org")
    assert sealing_domain(forged, "mail.example.org", KEYS.__contains__) == "example.org"
    assert sealing_domain(sender_of(ORIGIN, "x@else.example", "else.example"), "mx.example.net", KEYS.__contains__) == (
        "example.net"
    )
    assert sealing_domain(sender_of(ORIGIN, "", "else.example"), "mx.else.example", KEYS.__contains__) is None


def test_several_authors_are_signed_for_by_the_first_that_has_keys() -> None:
    both = Sender(USER, None, ("elsewhere.example", "example.net"))
    assert signing_domain(both, "mail.example.org", KEYS.__contains__) == "example.net"
    forged = Sender(ORIGIN, parse_address("x@example.net"), ("elsewhere.example", "example.net"))
    assert signing_domain(forged, "mail.example.net", KEYS.__contains__) is None
