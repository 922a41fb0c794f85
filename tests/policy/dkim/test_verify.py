"""Which signatures hold, which do not, and what is said of them."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from time import time

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, execute

from tests.policy.dkim.vectors import KEYS, RFC_6376, RFC_8463
from tests.policy.dkim.zones import NOW, Zone, keys, on_the_wire, result_of, shown, signed, verdicts, visible, zone_of
from tests.targets import message
from twisted_mail.content import Message
from twisted_mail.filecontents import MEMORY_BOUND, SpilledBody
from twisted_mail.policy.dkim.algorithms import Algorithm, new_key, public_octets
from twisted_mail.policy.dkim.keyrecord import record_text
from twisted_mail.policy.dkim.verify import MAX_SIGNATURES, verify

STANDARDS = Zone({name: [record] for name, record in KEYS.items()})
LETTER = (
    b"From: Alice <alice@example.org>\nTo: bob@example.net,\n carol@example.net\nSubject: hello\n"
    b"Date: Sat, 21 Nov 2026 05:40:00 +0000\nMessage-ID: <1@example.org>\n\nHello  \n\nworld\n\n\n"
)
ZONE = zone_of()
ED, RSA = keys()
SMALL_KEY = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAJ2DW8mH/xF7FJZuHNaokg91SwWhpBzi"
    "+TG6QLfjuXs7N5UtWS12SB93YeEh94/uSN0qgrdMHExF8TktJJvXN7cCAwEAAQ=="
)
"""RSA of 512 bits."""


def test_examples_of_rfc_8463_hold() -> None:
    first, second = verdicts(RFC_8463, STANDARDS)
    assert (first.verdict.value, first.algorithm, first.domain) == ("pass", "ed25519-sha256", "football.example.com")
    assert (second.verdict.value, second.algorithm, second.selector) == ("pass", "rsa-sha256", "test")
    assert first.mark == "/gCrinpc"


def test_example_of_rfc_6376_holds() -> None:
    [result] = verdicts(RFC_6376, STANDARDS)
    assert (result.verdict.value, result.identity) == ("pass", "joe@football.example.com")


def test_our_own_signatures_hold() -> None:
    assert shown(signed(LETTER), ZONE) == ["pass", "pass"]


def test_message_without_signature_has_no_result() -> None:
    assert shown(LETTER, ZONE) == []


@pytest.mark.parametrize("canonical", [(h, b) for h in (b"simple", b"relaxed") for b in (b"simple", b"relaxed")])
@pytest.mark.parametrize("key", [ED, RSA], ids=["ed25519", "rsa"])
def test_signatures_of_dkimpy_hold(key: object, canonical: tuple[bytes, bytes]) -> None:
    assert shown(dkimpy_signed(LETTER, canonical, is_rsa=key is RSA), ZONE, time()) == ["pass"]


def dkimpy_signed(text: bytes, canonical: tuple[bytes, bytes], *, is_rsa: bool, length: bool = False) -> bytes:
    field = dkim.sign(
        on_the_wire(text),
        RSA.selector.encode() if is_rsa else ED.selector.encode(),
        b"example.org",
        private_pem(is_rsa),
        canonicalize=canonical,
        length=length,
        signature_algorithm=b"rsa-sha256" if is_rsa else b"ed25519-sha256",
    )
    return bytes(field).replace(b"\r\n", b"\n") + text


def private_pem(is_rsa: bool) -> bytes:
    """As dkimpy wants it: PEM, or the seed in base64."""
    if not is_rsa:
        return base64.b64encode(ED.key.private_bytes_raw())  # type: ignore[union-attr]
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return RSA.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def test_dkimpy_agrees_with_our_signatures() -> None:
    for text in (LETTER, b"From: a@example.org\n\n", LETTER.replace(b"hello", "Grüße \t ".encode()), LETTER + b" \n"):
        checker = dkim.DKIM(on_the_wire(signed(text)))
        assert [checker.verify(index, ZONE.dkimpy) for index in range(2)] == [True, True]


@given(st.data())
def test_changed_octet_breaks_the_signature(data: st.DataObject) -> None:
    """Any octet of header or body that is no white space."""
    text = signed(LETTER)
    first = text.index(b"From: Alice")
    position = data.draw(st.sampled_from([i for i in visible(text) if i >= first]))
    assert shown(text[:position] + b"#" + text[position + 1 :], ZONE) == ["fail", "fail"]


@given(st.data())
def test_changed_octet_of_the_signature_itself_breaks_it(data: st.DataObject) -> None:
    text = signed(LETTER, ED)
    position = data.draw(st.sampled_from(visible(text[: text.index(b"From: Alice")])))
    changed = text[:position] + bytes([text[position] ^ 1]) + text[position + 1 :]
    assert shown(changed, ZONE) != ["pass"]


def test_field_that_is_added_breaks_the_signature() -> None:
    for added in (b"From: mallory@example.com\n", b"Subject: pay\n", b"Reply-To: mallory@example.com\n", b"Cc: x@y\n"):
        assert shown(added + signed(LETTER), ZONE) == ["fail", "fail"]
        text = signed(LETTER)
        assert shown(text.replace(b"\n\n", b"\n" + added + b"\n", 1), ZONE) == ["fail", "fail"]


def test_white_space_and_case_of_names_may_change() -> None:
    text = signed(LETTER).replace(b"Subject: hello", b"SUBJECT:  \n hello").replace(b"Hello  \n", b"Hello\n")
    assert shown(text + b"\n", ZONE) == ["pass", "pass"]


def test_trace_fields_may_be_added() -> None:
    assert shown(b"Received: from a by b\nReturn-Path: <x@y>\n" + signed(LETTER), ZONE) == ["pass", "pass"]


# a change of the signed message's signature -> the verdict and a word of the reason
BROKEN = {
    (b"v=1;", b"v=2;"): ("permerror", "version"),
    (b"v=1; ", b""): ("permerror", "version"),
    (b"a=ed25519-sha256", b"a=rsa-sha1"): ("permerror", "RFC 8301"),
    (b"a=ed25519-sha256", b"a=rsa-sha256"): ("permerror", "its key is for ed25519"),
    (b"a=ed25519-sha256", b"a=\xff"): ("permerror", "no text"),
    (b"d=example.org", b"d=example..org"): ("permerror", "not a domain name"),
    (b"d=example.org", b"d=" + b"a" * 300): ("permerror", "not a domain name"),
    (b"d=example.org", b"d=nowhere.example"): ("permerror", "no such key"),
    (b"d=example.org; ", b""): ("permerror", "no d="),
    (b"s=ed", b"s="): ("permerror", "no s="),
    (b"v=1;", b"v=1; v=1;"): ("permerror", "twice"),
    (b"v=1;", b"v=1; i=alice@example.com;"): ("permerror", "not its own"),
    (b"v=1;", b"v=1; i=alice;"): ("permerror", "no domain"),
    (b"v=1;", b"v=1; i=alice@sub.example.org;"): ("fail", "does not match"),
    (b"v=1;", b"v=1; q=finger;"): ("permerror", "not in DNS"),
    (b"v=1;", b"v=1; q=finger:dns/txt;"): ("fail", "does not match"),
    (b"v=1;", b"v=1; l=x;"): ("permerror", "not a number"),
    (b"v=1;", b"v=1; l=99999;"): ("fail", "shorter"),
    (b"v=1;", b"v=1; x=5;"): ("permerror", "ends before"),
    (b"v=1;", b"v=1; nonsense"): ("permerror", "cannot be read"),
    (b"v=1;", b"v=1;" + b" " * 20_000): ("permerror", "longer than"),
    (b"v=1;", b"v=1; z" + b"; z".join(b"%d=" % i for i in range(100)) + b";"): ("permerror", "more than"),
    (b"relaxed/relaxed", b"relaxed/nowsp"): ("permerror", "canonical form nowsp"),
    (b"relaxed/relaxed", b"relaxed"): ("fail", "the body has changed"),
    (b"from:from", b"x-from"): ("permerror", "does not cover From"),
    (b"bh=", b"bh=!"): ("permerror", "not base64"),
}


@pytest.mark.parametrize("change", BROKEN)
def test_signature_that_says_something_else(change: tuple[bytes, bytes]) -> None:
    text = signed(LETTER, ED)
    assert change[0] in text
    [result] = verdicts(text.replace(change[0], change[1], 1), ZONE)
    verdict, reason = BROKEN[change]
    assert result.verdict.value == verdict
    assert reason in result.reason


# what stands in DNS instead of the key -> the verdict and a word of the reason
RECORDS = {
    "v=DKIM1; k=ed25519": ("permerror", "has no key"),
    "v=DKIM1; k=ed25519; p=": ("permerror", "withdrawn"),
    "v=DKIM2; k=ed25519; p={p}": ("permerror", "another version"),
    "k=ed25519; p={p}; v=DKIM1": ("permerror", "another version"),
    "k=ed25519; p={p}": ("pass", ""),
    "v=DKIM1; p={p}": ("permerror", "is for rsa"),
    "v=DKIM1; k=ed25519; p=!!!": ("permerror", "base64"),
    "v=DKIM1; k=ed25519; p=AAAA": ("permerror", "not a key for ed25519"),
    "v=DKIM1; k=ed25519; h=sha1; p={p}": ("permerror", "sha256"),
    "v=DKIM1; k=ed25519; h=sha1:sha256; p={p}": ("pass", ""),
    "v=DKIM1; k=ed25519; s=tlsrpt; p={p}": ("permerror", "not for mail"),
    "v=DKIM1; k=ed25519; s=email; n=hello; p={p}": ("pass", ""),
    "v=DKIM1; k=ed25519; t=y; p={p}": ("pass", "testing"),
    "v=DKIM1; k=ed25519; t=y:s; p={other}": ("neutral", "testing"),
    "v=DKIM1; k=ed25519; p={other}": ("fail", "does not match"),
    "v=DKIM1; k=ed25519; t=s; p={p}": ("pass", ""),
    "v=spf1 -all": ("permerror", "another version"),
    "hello": ("permerror", "cannot be read"),
    "v=DKIM1; k=x\n Evil: yes; p={p}": ("permerror", "its key is for xEvilyes, the"),
}
OTHER = new_key(Algorithm.ED25519)


@pytest.mark.parametrize("record", RECORDS)
def test_key_record_decides(record: str) -> None:
    values = {name: base64.b64encode(public_octets(key)).decode() for name, key in (("p", ED.key), ("other", OTHER))}
    zone = Zone({"ed._domainkey.example.org": [record.format(**values).encode()]})
    [result] = verdicts(signed(LETTER, ED), zone)
    verdict, reason = RECORDS[record]
    assert result.verdict.value == verdict
    assert reason in result.reason


def test_strict_key_is_not_for_names_below() -> None:
    text = signed(LETTER, ED)
    tags = record_text(ED.key).replace("v=DKIM1;", "v=DKIM1; t=s;").encode()
    zone = Zone({"ed._domainkey.example.org": [tags]})
    assert shown(text, zone) == ["pass"]
    identified = dkim.DKIM(on_the_wire(LETTER), signature_algorithm=b"ed25519-sha256").sign(
        b"ed", b"example.org", private_pem(False), identity=b"alice@sub.example.org"
    )
    below = bytes(identified).replace(b"\r\n", b"\n") + LETTER
    assert shown(below, ZONE, time()) == ["pass"]
    assert "below its domain" in verdicts(below, zone, time())[0].reason


def test_rsa_key_of_512_bits_is_refused() -> None:
    zone = Zone({"rsa._domainkey.example.org": [f"v=DKIM1; k=rsa; p={SMALL_KEY}".encode()]})
    [result] = verdicts(signed(LETTER, RSA), zone)
    assert result.verdict.value == "permerror"
    assert "its key has 512 bits" in result.reason


def test_other_records_beside_the_key_do_no_harm() -> None:
    zone = Zone({"ed._domainkey.example.org": [b"v=spf1 -all", record_text(ED.key).encode()]})
    assert shown(signed(LETTER, ED), zone) == ["pass"]


def test_dns_that_does_not_answer_is_a_temporary_error() -> None:
    assert shown(signed(LETTER), Zone(down=True)) == ["temperror", "temperror"]


def test_signature_ends_and_begins_in_its_time() -> None:
    text = signed(LETTER, ED)
    assert shown(text, ZONE, NOW - 600) == ["pass"]
    assert "future" in verdicts(text, ZONE, NOW - 86_400)[0].reason
    ending = signed(LETTER, ED).replace(b"v=1;", b"v=1; x=%d;" % (NOW + 5))
    assert "no longer valid" in verdicts(ending, ZONE, NOW + 6)[0].reason
    assert "does not match" in verdicts(ending, ZONE, NOW)[0].reason


def test_body_that_is_signed_in_part_is_no_pass() -> None:
    text = dkimpy_signed(LETTER, (b"relaxed", b"simple"), is_rsa=True, length=True)
    assert shown(text, ZONE, time()) == ["pass"]
    [result] = verdicts(text + b"Pay here\n", ZONE, time())
    assert result.verdict.value == "policy"
    assert "only the first" in result.reason


def test_more_signatures_than_anybody_needs_are_not_looked_at() -> None:
    fields = signed(b"From: a@example.org\n\n", ED).partition(b"From")[0]
    zone = zone_of()
    assert shown(fields * 30 + b"From: a@example.org\n\n", zone) == ["pass"] * MAX_SIGNATURES
    assert zone.asked == ["ed._domainkey.example.org"]  # asked once


def test_large_body_is_read_in_a_thread(tmp_path: Path) -> None:
    text = LETTER + b"line after line \n" * (2 * MEMORY_BOUND // 16)
    whole = message(signed(text))
    assert isinstance(whole.body, bytes)
    ran: list[str] = []

    def blocking(call: object) -> Deferred[object]:
        ran.append("a thread")
        return execute(call)

    with tempfile.TemporaryFile(dir=tmp_path) as file:
        file.write(whole.body)
        file.flush()
        spilled = Message(whole.id, whole.header, SpilledBody(file, 0, len(whole.body)), whole.lines)  # type: ignore[arg-type]
        results = result_of(verify(spilled, ZONE.txt, blocking, NOW))
    assert [each.verdict.value for each in results] == ["pass", "pass"]
    assert ran == ["a thread"]
