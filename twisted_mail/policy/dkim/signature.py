"""Signature fields as values: what DKIM-Signature says (RFC 6376 §3.5), in parts that ARC's fields have too (RFC 8617).

A `Seal` is what each of them has: who signed, with which key, and the field itself as it was signed.  A `Coverage` is
what of the message is signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from twisted_mail.message.header import fields
from twisted_mail.policy.dkim.algorithms import Algorithm, WrongKey, decode_base64
from twisted_mail.policy.dkim.canonical import BodyPart, Form, canonical_field
from twisted_mail.policy.dkim.tags import TagError, colon_list, parse_tags, shown
from twisted_mail.smtp.address import MAX_DOMAIN, AddressError, parse_domain

MAX_FIELD = 16 * 1024
"""Octets of a signature field that is looked at."""
CLOCK_SKEW = 3600
"""Seconds by which a signer's clock may be ahead."""

_SIGNATURE_VALUE = re.compile(rb"((?:^|;)[ \t\n]*b[ \t\n]*=)[^;]*")


class Verdict(Enum):
    """What is said of a signature, or of a chain of them (RFC 8601 §2.7.1, RFC 8617 §4.4)."""

    NONE = "none"
    """There is none."""
    PASS = "pass"
    FAIL = "fail"
    """The signature does not belong to this message."""
    NEUTRAL = "neutral"
    """It must not count."""
    POLICY = "policy"
    """It is right and says too little."""
    TEMPERROR = "temperror"
    """Not known just now."""
    PERMERROR = "permerror"
    """It cannot be checked."""


class SignatureError(ValueError):
    """A signature does not hold; the text says why."""

    def __init__(self, reason: str, verdict: Verdict = Verdict.PERMERROR) -> None:
        super().__init__(reason)
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class Seal:
    """Who signed, and how."""

    domain: str
    """Lower-case A-labels."""
    selector: str
    algorithm: Algorithm
    signature: bytes
    unsigned: bytes
    """The field as it was signed: the value of b= is empty."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a message is signed."""

    names: tuple[str, ...]
    """Header fields, in lower case, each as often as it is covered."""
    header_form: Form
    body: BodyPart
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature."""

    seal: Seal
    coverage: Coverage
    identity: str
    """i=: on whose behalf; `@` and the domain where it is not said."""
    expires: int | None
    """Unix time."""


class HeaderFields:
    """The fields of a header block by name."""

    def __init__(self, header: bytes) -> None:
        self._all: dict[str, list[bytes]] = {}
        for name, field in fields(header):
            self._all.setdefault(name, []).append(field)

    def of(self, name: str) -> Sequence[bytes]:
        """All fields of that name (lower case) from top to bottom."""
        return self._all.get(name, ())

    def canonical(self, coverage: Coverage, but: bytes = b"") -> bytes:
        """Those that are covered, each name from the bottom up; those that are not there are nothing (§5.4.2).

        *but*: one of the fields that does not count: the signature itself.
        """
        left = {name: [field for field in self.of(name) if field is not but] for name in set(coverage.names)}
        return b"".join(
            canonical_field(left[name].pop(), coverage.header_form) for name in coverage.names if left[name]
        )


def signed_data(header: HeaderFields, coverage: Coverage, seal: Seal, field: bytes = b"") -> bytes:
    """What the signature *seal* in *field* is computed over (RFC 6376 §3.7)."""
    covered = header.canonical(coverage, field)
    return covered + canonical_field(seal.unsigned, coverage.header_form).removesuffix(b"\r\n")


def parse_signature(field: bytes, now: float) -> Signature:
    """A DKIM-Signature field.  Raises SignatureError."""
    tags = field_tags(field)
    if tags.get("v") != "1":
        raise SignatureError("the signature is of another version than 1")
    seal, coverage = parse_seal(tags, field), parse_coverage(tags)
    if "from" not in coverage.names:
        raise SignatureError("the signature does not cover From:")
    if "dns/txt" not in colon_list(tags.get("q", "dns/txt")):
        raise SignatureError("its key is not in DNS")
    return Signature(seal, coverage, _identity(tags, seal.domain), check_times(tags, now))


def field_tags(field: bytes) -> Mapping[str, str]:
    """Raises SignatureError."""
    if len(field) > MAX_FIELD:
        raise SignatureError(f"the signature is longer than {MAX_FIELD} octets")
    try:
        return parse_tags(field.partition(b":")[2])
    except TagError as error:
        raise SignatureError(f"the signature cannot be read: {error}") from error


def parse_seal(tags: Mapping[str, str], field: bytes) -> Seal:
    """Raises SignatureError."""
    algorithm = _required(tags, "a")
    if algorithm not in {known.value for known in Algorithm}:
        old = " any more (RFC 8301)" if algorithm == "rsa-sha1" else ""
        raise SignatureError(f"signatures by {shown(algorithm)} are not taken{old}")
    return Seal(
        domain=_domain(_required(tags, "d")),
        selector=_domain(_required(tags, "s")),
        algorithm=Algorithm(algorithm),
        signature=_octets(tags, "b"),
        unsigned=unsigned(field),
    )


def unsigned(field: bytes) -> bytes:
    """The field with an empty value of b= (RFC 6376 §3.5)."""
    name, colon, value = field.removesuffix(b"\n").partition(b":")
    return name + colon + _SIGNATURE_VALUE.sub(rb"\1", value, count=1) + b"\n"


def parse_coverage(tags: Mapping[str, str]) -> Coverage:
    """Raises SignatureError."""
    header_form, _, body_form = tags.get("c", "simple/simple").partition("/")
    names = tuple(name.lower() for name in colon_list(_required(tags, "h")))
    body = BodyPart(_form(body_form or "simple"), _number(tags, "l"))
    return Coverage(names, _form(header_form), body, _octets(tags, "bh"))


def check_times(tags: Mapping[str, str], now: float) -> int | None:
    """When the signature ends.  Raises SignatureError."""
    created, expires = _number(tags, "t"), _number(tags, "x")
    if created is not None and created > now + CLOCK_SKEW:
        raise SignatureError("the signature is from the future")
    if expires is not None and created is not None and expires < created:
        raise SignatureError("the signature ends before it was made")
    if expires is not None and expires < now:
        raise SignatureError("the signature is no longer valid", Verdict.FAIL)
    return expires


def _identity(tags: Mapping[str, str], domain: str) -> str:
    identity = tags.get("i", f"@{domain}")
    local, at, host = identity.rpartition("@")
    if not at:
        raise SignatureError("i= of the signature has no domain")
    host = _domain(host)
    if host != domain and not host.endswith(f".{domain}"):
        raise SignatureError("the signature speaks for a domain that is not its own")
    return f"{local}@{host}"


def _required(tags: Mapping[str, str], name: str) -> str:
    if not (value := tags.get(name)):
        raise SignatureError(f"the signature has no {name}=")
    return value


def _octets(tags: Mapping[str, str], name: str) -> bytes:
    try:
        return decode_base64(_required(tags, name))
    except WrongKey:
        raise SignatureError(f"{name}= of the signature is not base64") from None


def _number(tags: Mapping[str, str], name: str) -> int | None:
    if (text := tags.get(name)) is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise SignatureError(f"{name}= of the signature is not a number")
    return int(text)


def _form(text: str) -> Form:
    try:
        return Form(text)
    except ValueError:
        raise SignatureError(f"there is no canonical form {shown(text)}") from None


def _domain(text: str) -> str:
    try:
        return parse_domain(text[: MAX_DOMAIN + 1])
    except AddressError:
        raise SignatureError(f"{shown(text)} is not a domain name") from None
