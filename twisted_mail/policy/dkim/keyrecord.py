"""The public key of a domain, as it stands in DNS at SELECTOR._domainkey.DOMAIN (RFC 6376 §3.6.1)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from twisted_mail.policy.dkim.algorithms import (
    Algorithm,
    PrivateKey,
    PublicKey,
    WrongKey,
    algorithm_of,
    decode_base64,
    load_public_key,
    public_octets,
)
from twisted_mail.policy.dkim.tags import TagError, colon_list, parse_tags, shown

MAX_RECORDS = 4
"""Of one name that are looked at: there should be one (RFC 6376 §3.6.2.2)."""


class RecordError(ValueError):
    """There is no key for the signature; the text says why."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A public key and what it may be used for."""

    key_type: str
    key: PublicKey
    testing: bool = False
    """t=y: the domain tries it out."""
    strict: bool = False
    """t=s: who signs is the domain itself, none below it."""


def record_name(selector: str, domain: str) -> str:
    """Where the key stands in DNS."""
    return f"{selector}._domainkey.{domain}"


def record_text(key: PrivateKey) -> str:
    """What is to stand there."""
    published = base64.b64encode(public_octets(key)).decode()
    return f"v=DKIM1; k={algorithm_of(key).key_type}; p={published}"


def choose_record(records: Sequence[bytes], algorithm: Algorithm) -> KeyRecord:
    """The first that is a key for *algorithm*.  Raises RecordError: why the first is none."""
    if not records:
        raise RecordError("there is no such key in DNS")
    errors: list[RecordError] = []
    for text in records[:MAX_RECORDS]:
        try:
            return parse_record(text, algorithm)
        except RecordError as error:
            errors.append(error)
    raise errors[0]


def parse_record(text: bytes, algorithm: Algorithm) -> KeyRecord:
    """A key for *algorithm*.  Raises RecordError."""
    try:
        tags = parse_tags(text)
    except TagError as error:
        raise RecordError(f"its key record cannot be read: {error}") from error
    _check_purpose(tags, algorithm)
    published = tags.get("p")
    if published is None:
        raise RecordError("its key record has no key")
    if not published:
        raise RecordError("its key was withdrawn")
    flags = colon_list(tags.get("t", ""))
    try:
        key = load_public_key(algorithm.key_type, decode_base64(published))
    except WrongKey as error:
        raise RecordError(str(error)) from error
    return KeyRecord(algorithm.key_type, key, "y" in flags, "s" in flags)


def _check_purpose(tags: dict[str, str], algorithm: Algorithm) -> None:
    """Raises RecordError."""
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise RecordError("its key record is of another version than DKIM1")
    if (key_type := tags.get("k", "rsa")) != algorithm.key_type:
        raise RecordError(f"its key is for {shown(key_type)}, the signature is {algorithm.value}")
    if "h" in tags and "sha256" not in colon_list(tags["h"]):
        raise RecordError("its key is not for sha256")
    if not {"*", "email"} & set(colon_list(tags.get("s", "*"))):
        raise RecordError("its key is not for mail")
