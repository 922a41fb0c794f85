"""Fuzzing of what is read of strangers' signatures: DKIM and ARC fields, key records, canonical forms.

    python -m tests.fuzz.signatures --inputs 200000 [--seed 1] [--only dkim]

Whatever stands there, there is a verdict, in bounded time and with a bounded number of questions to DNS, and nothing
passes that nobody signed.  A failure names the seed of its input: `--seed N --inputs 1` repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from random import Random

from twisted.internet.defer import execute

from tests.fuzz import longrun
from tests.policy.arc.test_arc import CHAIN
from tests.policy.dkim.vectors import KEYS, RFC_8463
from tests.policy.dkim.zones import NOW, Zone, result_of, signed, verdicts, zone_of
from tests.targets import message
from twisted_mail.message.header import header_size
from twisted_mail.policy.arc.chain import MAX_SETS
from twisted_mail.policy.arc.verify import verify as verify_chain
from twisted_mail.policy.dkim.algorithms import Algorithm
from twisted_mail.policy.dkim.canonical import BodyCanonicalizer, Form
from twisted_mail.policy.dkim.keyrecord import RecordError, parse_record
from twisted_mail.policy.dkim.signature import SignatureError, Verdict, parse_signature
from twisted_mail.policy.dkim.verify import MAX_SIGNATURES, Result

LIMIT = 2.0
"""Seconds of processor time for one input, however hostile."""

ZONE = zone_of("example.org", "one.example", "two.example")
LETTER = signed(b"From: a@example.org\nTo: b@one.example\nSubject: hello\n\nHello\n")
GENUINE = (LETTER, CHAIN, RFC_8463)
REASON = re.compile(r"[ -:<-~]{0,200}")
"""A reason goes into a header field: printable, and no semicolon."""

PIECES = (
    *(b"DKIM-Signature: ", b"ARC-Seal: ", b"ARC-Message-Signature: ", b"ARC-Authentication-Results: ", b"From: "),
    *(b"v=1;", b"a=rsa-sha256;", b"a=ed25519-sha256;", b"d=example.org;", b"s=rsa;", b"s=ed;", b"h=from:to;", b"h="),
    *(
        b"bh=",
        b"b=",
        b"c=relaxed/simple;",
        b"c=;",
        b"l=0;",
        b"l=99999999999999999999;",
        b"t=1;",
        b"x=2;",
        b"q=dns/txt;",
    ),
    *(
        b"i=1;",
        b"i=50;",
        b"i=51;",
        b"i=@example.org;",
        b"cv=none;",
        b"cv=pass;",
        b"cv=fail;",
        b"k=rsa;",
        b"p=",
        b"t=y:s;",
    ),
    *(b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;", b"=", b";", b":", b"\n", b"\n ", b"\n\n", b"\t", b" " * 200),
    *(
        b"\xff",
        b"\0",
        b"\r",
        "ü".encode(),
        b"x" * 300,
        b"a." * 200,
        b"\xe2\x80\xae",
        b"xn--a;",
        b"from:" * 500,
        b"(" * 50,
    ),
)


def fuzz_dkim(random: Random) -> None:
    """Signatures in a message: made up, or genuine ones that were changed."""
    text = changed(random, LETTER if random.random() < 0.5 else RFC_8463) if random.random() < 0.7 else made_up(random)
    zone = Zone(hostile_zone(random))
    results = verdicts(text, zone)
    assert len(results) <= MAX_SIGNATURES
    assert len(zone.asked) == len(set(zone.asked)) <= MAX_SIGNATURES
    for result in results:
        check_result(result)
        if result.verdict is Verdict.PASS:
            assert same_where_it_counts(text), text


def fuzz_arc(random: Random) -> None:
    """Chains: made up, or a genuine one that was changed."""
    text = changed(random, CHAIN) if random.random() < 0.7 else made_up(random)
    zone = Zone(hostile_zone(random))
    chain = result_of(verify_chain(message(text), zone.txt, execute))
    assert chain.verdict in (Verdict.NONE, Verdict.PASS, Verdict.FAIL, Verdict.TEMPERROR)
    assert len(chain.sealers) == len(chain.results) <= MAX_SETS
    assert len(zone.asked) == len(set(zone.asked)) <= MAX_SETS + 1
    check_reason(chain.reason)
    if chain.verdict is Verdict.PASS:
        assert same_where_it_counts(text), text


def fuzz_records(random: Random) -> None:
    """Key records, and signature fields by themselves."""
    text = b"".join(random.choice(PIECES) for _ in range(random.randint(0, 12)))
    if random.random() < 0.5:
        text = changed(random, random.choice([*KEYS.values(), *(record for [record] in ZONE.records.values())]))
    for algorithm in Algorithm:
        try:
            record = parse_record(text, algorithm)
        except RecordError as error:
            check_reason(str(error))
        else:
            assert record.key_type == algorithm.key_type
    try:
        signature = parse_signature(b"DKIM-Signature: " + text + b"\n", NOW)
    except SignatureError as error:
        check_reason(str(error))
    else:
        assert "from" in signature.coverage.names


def fuzz_canonical(random: Random) -> None:
    """A body in any pieces is the same."""
    body = b"".join(random.choice((b" ", b"\t", b"\n", b"x", b"\n\n", b"\r", b" " * 70)) for _ in range(40))
    for form in Form:
        whole: list[bytes] = []
        cut: list[bytes] = []
        one, many = BodyCanonicalizer(form, whole.append), BodyCanonicalizer(form, cut.append)
        one.feed(body)
        position = 0
        while position < len(body):
            size = random.randint(1, 9)
            many.feed(body[position : position + size])
            position += size
        one.finish()
        many.finish()
        assert b"".join(whole) == b"".join(cut)


def check_reason(reason: str) -> None:
    assert REASON.fullmatch(reason), reason


def check_result(result: Result) -> None:
    check_reason(result.reason)
    for text in (result.domain, result.selector):
        assert re.fullmatch(r"[a-z0-9._-]{0,255}", text), text
    assert re.fullmatch(r"[A-Za-z0-9+/=]{0,8}", result.mark)
    assert result.algorithm in ("", "rsa-sha256", "ed25519-sha256")


def made_up(random: Random) -> bytes:
    return b"".join(random.choice(PIECES) for _ in range(random.randint(0, 60)))


def changed(random: Random, text: bytes) -> bytes:
    """*text* with octets that are replaced, cut out, repeated, or put in."""
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(text) + 1)
        end = start + random.choice((0, 1, 1, 8, 100))
        new = random.choice((b"", random.choice(PIECES), text[start:end] * 2, bytes([random.randrange(256)])))
        text = text[:start] + new + text[end:]
    return text


def hostile_zone(random: Random) -> dict[str, list[bytes]]:
    """The keys of the genuine signatures, as they are or changed; nothing that is not one of them."""
    zone = {**{name: list(records) for name, records in ZONE.records.items()}, **{n: [r] for n, r in KEYS.items()}}
    if random.random() < 0.2:
        name = random.choice(list(zone))
        zone[name] = random.choice(([], [b""], [made_up(random)], [b"v=spf1 -all"] * 100, [b"p=", *zone[name]]))
    return zone


def same_where_it_counts(text: bytes) -> bool:
    """What a signature that passes covers is what one of the genuine messages said."""
    return essence(text) in {essence(genuine) for genuine in genuine_messages()}


@cache
def genuine_messages() -> tuple[bytes, ...]:
    return GENUINE


def essence(text: bytes) -> tuple[bytes, ...]:
    """The last From and Subject, and the body, without white space."""
    size = header_size(text)
    header, body = text[:size], text[size:]
    fields = [re.findall(rb"(?im)^%s[ \t]*:((?:.*\n)(?:[ \t].*\n)*)" % name, header) for name in (b"From", b"Subject")]
    return tuple(b"".join(part.split()) for part in (*(found[-1] if found else b"" for found in fields), body))


TARGETS: dict[str, Callable[[Random], None]] = {
    "dkim": fuzz_dkim,
    "arc": fuzz_arc,
    "records": fuzz_records,
    "canonical": fuzz_canonical,
}


def run(name: str, random: Random) -> None:
    """One input of a target, in its time."""
    longrun.bounded(TARGETS[name], random, LIMIT)


if __name__ == "__main__":
    longrun.run(__doc__, {name: partial(run, name) for name in TARGETS}, 50_000)
