"""Makes DKIM-Signature fields (RFC 6376 §5, RFC 8463): relaxed/relaxed, the whole body, one for each key of a domain.

The usual fields are over-signed: named once more than they are there, so that nobody can add a second From or Subject
under the signature.  Sender and the List fields are signed where they are there; mailing lists may add their own.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from twisted_mail.policy.dkim.algorithms import PrivateKey, algorithm_of, sign
from twisted_mail.policy.dkim.canonical import BodyPart, Form, canonical_field
from twisted_mail.policy.dkim.signature import Coverage, HeaderFields

WHOLE_BODY = BodyPart(Form.RELAXED)
"""What our signatures cover."""

OVER_SIGNED = (
    *("from", "to", "cc", "subject", "date", "message-id", "reply-to", "in-reply-to", "references"),
    *("mime-version", "content-type", "content-transfer-encoding"),
)
SIGNED = (
    *("sender", "content-disposition", "content-language", "content-id", "content-description"),
    *("resent-from", "resent-sender", "resent-to", "resent-cc", "resent-date", "resent-message-id"),
    *("list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post", "list-subscribe", "list-post"),
    *("list-owner", "list-archive", "auto-submitted", "autocrypt", "feedback-id", "tls-required"),
)

_WIDTH = 74
_NAME_WIDTH = 24


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and where its other half is published."""

    domain: str
    selector: str
    key: PrivateKey


def covered_names(header: HeaderFields, more: Iterable[str] = ()) -> tuple[str, ...]:
    """What is signed of *header*; *more*: names that are signed where they are there."""
    names = [name for name in OVER_SIGNED for _ in range(len(header.of(name)) + 1)]
    names += [name for name in (*SIGNED, *more) for _ in header.of(name)]
    return tuple(names)


def sign_message(header: bytes, body_hash: bytes, keys: Sequence[SigningKey], now: float) -> bytes:
    """The fields to put in front of a message, LF line ends.  *body_hash*: SHA-256 of WHOLE_BODY."""
    found = HeaderFields(header)
    names = covered_names(found)
    covered = found.canonical(Coverage(names, Form.RELAXED, WHOLE_BODY, body_hash))
    signed = b""
    for key in keys:
        parts = ["v=1", *key_tags(key, now), "c=relaxed/relaxed", *coverage_tags(names, body_hash)]
        signed += sealed_field("DKIM-Signature", parts, key, covered)
    return signed


def key_tags(key: SigningKey, now: float) -> list[str]:
    """Who signs, and when."""
    return [f"a={algorithm_of(key.key).value}", f"d={key.domain}", f"s={key.selector}", f"t={int(now)}"]


def coverage_tags(names: Sequence[str], body_hash: bytes) -> list[str]:
    """What is signed."""
    return [f"h={':'.join(names)}", f"bh={b64encode(body_hash).decode()}"]


def sealed_field(name: str, tags: Sequence[str], key: SigningKey, covered: bytes) -> bytes:
    """The field *name* with *tags* and its signature over *covered* and itself."""
    unsigned = f"{name}: {_folded(tags)}\n\tb=".encode()
    data = covered + canonical_field(unsigned + b"\n", Form.RELAXED).removesuffix(b"\r\n")
    signature = b64encode(sign(key.key, data)).decode()
    lines = [signature[start : start + _WIDTH] for start in range(0, len(signature), _WIDTH)]
    return unsigned + "\n\t".join(lines).encode() + b"\n"


def _folded(tags: Sequence[str]) -> str:
    """Lines of less than 78 characters; lists are folded after a colon, where white space means nothing (§3.5)."""
    text, room = "", _WIDTH - _NAME_WIDTH
    for tag in tags:
        for piece in [f"{part}:" for part in tag.split(":")[:-1]] + [f"{tag.split(':')[-1]};"]:
            if len(piece) > room:
                text, room = text.rstrip(" ") + "\n\t", _WIDTH
            text, room = text + piece, room - len(piece)
        text, room = f"{text} ", room - 1
    return text.rstrip(" ")
