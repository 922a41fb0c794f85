"""Fuzz what strangers send before anybody knows them: SASL exchanges and PROXY headers.

    python -m tests.fuzz.sasl --inputs 1000000 [--seed 1] [--only proxy]

A failure names the seed of its input: `--seed N --inputs 1` repeats it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from random import Random

from tests.fuzz import longrun
from tests.rfc7677 import CLIENT_FINAL, CLIENT_FIRST, PENCIL, secret
from twisted_mail.bearer import TokenOffered, TokenVerdict
from twisted_mail.crammd5 import ChallengeWanted, PasswordWanted, StoredPassword
from twisted_mail.mechanisms import MECHANISMS, CertificateWanted, Certified
from twisted_mail.proxyheader import Client, HeaderReader, ProxyError
from twisted_mail.sasl import Challenge, Inquiry, PasswordCredentials, ProvenCredentials, SASLError, Step
from twisted_mail.scram import SecretWanted

NONCE = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
PIECES = (
    *(CLIENT_FIRST, CLIENT_FINAL, b"n,,", b"y,,", b"p=tls-exporter,,", b"p=x,,", b"n=user", b"r=", NONCE, b"c=biws"),
    *(b"p=", b"a=user", b"m=x", b"=2C", b"=3D", b"=", b",", b"user", b"\0", b"\0alice\0pencil", b"alice@example.org"),
    *(
        b"\x01",
        b"auth=Bearer ",
        b"host=x",
        b"n,a=user,\x01auth=Bearer good\x01\x01",
        b"b913a602c7eda7a495b4e6e7334d3890",
    ),
    *(b"user=user\x01auth=Bearer bad\x01\x01", b" ", b"\xff", b"\xc3\xbc", "\u0308".encode(), b"\n", b"", b"x" * 5000),
)
GENUINE = {
    "SCRAM-SHA-256": [CLIENT_FIRST, CLIENT_FINAL, b""],
    "OAUTHBEARER": [b"n,a=user,\x01auth=Bearer good\x01\x01"],
    "XOAUTH2": [b"user=user\x01auth=Bearer good\x01\x01"],
}
"""All that proves anything, with the answers below."""


def fuzz_sasl(random: Random) -> None:
    """Every exchange ends, in an error or in credentials, and a proof is only what is one."""
    row = random.choice(tuple(MECHANISMS.values()))
    exchange = row.begin(tuple(MECHANISMS) if random.random() < 0.5 else ())
    script = list(GENUINE.get(row.name, ()))
    said: list[bytes] = []
    response = None if random.random() < 0.3 else line(random, script)
    for _ in range(6):
        if response is not None:
            said.append(response)
        try:
            step = answered(exchange.respond(response), exchange.inform)
        except SASLError:
            return
        if not isinstance(step, Challenge):
            check(row.name, step, said)
            return
        response = line(random, script)
    raise AssertionError(f"{row.name} has no end: {said}")


def line(random: Random, script: list[bytes]) -> bytes:
    """The next one of *script*, spoilt perhaps, or something else."""
    if not script or random.random() < 0.2:
        return noise(random)
    genuine = script.pop(0)
    if random.random() < 0.8:
        return genuine
    position = random.randrange(len(genuine) + 1)
    return genuine[:position] + noise(random)[:10] + genuine[position + random.randrange(2) :]


def answered(step: Step, inform: Callable[[object], Step]) -> Step:
    """The next step that is not an inquiry."""
    for _ in range(3):
        if not isinstance(step, Inquiry):
            return step
        step = inform(answer(step))
    raise AssertionError("too many inquiries")


def answer(inquiry: Inquiry) -> object:
    match inquiry:
        case SecretWanted():
            return secret(PENCIL)
        case TokenOffered(_, token):
            return TokenVerdict("user" if token == "good" else "")
        case ChallengeWanted():
            return "<1@mail.example>"
        case PasswordWanted():
            return StoredPassword(None)
        case CertificateWanted():
            return Certified(())
    raise AssertionError(inquiry)


def check(mechanism: str, step: Step, said: Sequence[bytes]) -> None:
    if isinstance(step, PasswordCredentials):
        assert mechanism in ("PLAIN", "LOGIN")
        assert step.user
        assert step.user.isprintable()
        assert step.password
        return
    assert isinstance(step, ProvenCredentials)
    assert step.user.isprintable()
    if step.proven:
        if mechanism in ("OAUTHBEARER", "XOAUTH2"):
            assert b" good\x01" in said[-1], said
        else:
            assert said == GENUINE[mechanism], (mechanism, said)


def noise(random: Random) -> bytes:
    if random.random() < 0.5:
        return random.choice(PIECES)
    return b"".join(random.choice(PIECES) for _ in range(random.randint(0, 8)))


# ---- the PROXY header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
WORDS = (
    *(b"PROXY ", b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"192.0.2.1 ", b"2001:db8::1 ", b"65535 ", b"25", b"\r\n", b" ", b"0"),
    *(SIGNATURE, b"\x20", b"\x21", b"\x11", b"\x12", b"\0\x0c", b"\0\0", b"\xff\xff", bytes(12), bytes(36), b"x"),
    b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n",
)


def fuzz_proxy(random: Random) -> None:
    """Whole and in pieces it is the same, and what a slow and obvious reader says."""
    octets = b"".join(random.choice(WORDS) for _ in range(random.randint(0, 12)))
    expected = obvious(octets)
    assert read(octets, len(octets) or 1) == expected
    assert read(octets, random.randint(1, 20)) == expected


def read(octets: bytes, size: int) -> object:
    """The client and how many octets follow the header; `short` or `bad` else."""
    reader = HeaderReader()
    try:
        for start in range(0, len(octets), size):
            rest = reader.feed(octets[start : start + size])
            if reader.finished:
                return reader.client, len(rest) + max(0, len(octets) - start - size)
    except ProxyError:
        return "bad"
    return "short"


def obvious(octets: bytes) -> object:
    for length in range(len(octets) + 1):
        outcome = obvious_header(octets[:length])
        if outcome == "bad":
            return "bad"
        if outcome != "short":
            assert isinstance(outcome, tuple)
            return outcome[0], len(octets) - length
    return "short"


def obvious_header(octets: bytes) -> object:
    """*octets* as one header and not one more: a tuple with its client, `short`, or `bad`."""
    if b"PROXY ".startswith(octets[:6]) and (len(octets) < 6 or octets.startswith(b"PROXY ")):
        if not octets.endswith(b"\r\n"):
            return "bad" if len(octets) >= 107 else "short"
        return obvious_line(octets[:-2]) if len(octets) <= 107 else "bad"
    if not SIGNATURE.startswith(octets[:12]):
        return "bad"
    if len(octets) < 16 or len(octets) < 16 + octets[14] * 256 + octets[15]:
        return "short"
    block = octets[16:]
    if octets[12] == 0x20:
        return (None,)
    sizes = {0x11: 12, 0x21: 36, 0x31: 216, 0x00: 0}
    if octets[12] != 0x21 or octets[13] not in sizes or len(block) < sizes[octets[13]]:
        return "bad"
    if octets[13] == 0x11:
        return (Client(str(ipaddress.IPv4Address(block[:4])), block[8] * 256 + block[9]),)
    if octets[13] == 0x21:
        return (Client(str(ipaddress.IPv6Address(block[:16])), block[32] * 256 + block[33]),)
    return (None,)


def obvious_line(line: bytes) -> object:
    words = line.split(b" ")
    if words[1:2] == [b"UNKNOWN"]:
        return (None,)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        return "bad"
    kind = ipaddress.IPv4Address if words[1] == b"TCP4" else ipaddress.IPv6Address
    ports = words[4:]
    if any(port != str(int(port)).encode() or int(port) > 65_535 for port in ports if port.isdigit()):
        return "bad"
    try:
        source, _ = kind(words[2].decode()), kind(words[3].decode())
    except ValueError:
        return "bad"
    return (Client(str(source), int(ports[0])),) if all(port.isdigit() for port in ports) else "bad"


TARGETS: dict[str, Callable[[Random], None]] = {"sasl": fuzz_sasl, "proxy": fuzz_proxy}


if __name__ == "__main__":
    longrun.run(__doc__, TARGETS, 100_000)
