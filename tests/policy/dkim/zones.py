"""What the tests of signatures share: keys, a DNS that is a table, and coroutines that need no reactor."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.python.failure import Failure

from tests.targets import message
from twisted_mail.policy.dkim.algorithms import Algorithm, new_key
from twisted_mail.policy.dkim.canonical import body_hashes
from twisted_mail.policy.dkim.keyrecord import record_name, record_text
from twisted_mail.policy.dkim.sign import WHOLE_BODY, SigningKey, sign_message
from twisted_mail.policy.dkim.verify import Result, verify
from twisted_mail.policy.dns import LookupFailed

NOW = 1_795_239_875.0
T = TypeVar("T")


@dataclass
class Zone:
    """A DNS: name -> its TXT records."""

    records: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    down: bool = False
    asked: list[str] = field(default_factory=list)

    async def txt(self, name: str) -> tuple[bytes, ...]:
        self.asked.append(name)
        if self.down:
            raise LookupFailed("SERVFAIL")
        return tuple(self.records.get(name, ()))

    def dkimpy(self, name: bytes, timeout: int = 5) -> bytes | None:
        """As dkimpy asks."""
        return next(iter(self.records.get(name.decode().rstrip("."), ())), None)


def result_of(coroutine: Coroutine[Any, Any, T]) -> T:
    """Of one that waits for nothing."""
    outcome: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(outcome.append)
    assert outcome, "it waits for something"
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    found: T = outcome[0]
    return found


def verdicts(text: bytes, zone: Zone, now: float = NOW) -> Sequence[Result]:
    return result_of(verify(message(text), zone.txt, execute, now))


def shown(text: bytes, zone: Zone, now: float = NOW) -> list[str]:
    """The verdicts as words."""
    return [each.verdict.value for each in verdicts(text, zone, now)]


def keys(domain: str = "example.org") -> tuple[SigningKey, SigningKey]:
    """One of each kind, the same for the whole run."""
    return _keys(domain)


@cache
def _keys(domain: str) -> tuple[SigningKey, SigningKey]:
    return (
        SigningKey(domain, "ed", new_key(Algorithm.ED25519)),
        SigningKey(domain, "rsa", new_key(Algorithm.RSA)),
    )


def zone_of(*domains: str) -> Zone:
    found = [key for domain in domains or ("example.org",) for key in keys(domain)]
    return Zone({record_name(key.selector, key.domain): [record_text(key.key).encode()] for key in found})


def signed(text: bytes, *signing: SigningKey, now: float = NOW) -> bytes:
    """*text* with the signatures of *signing*, by default one of each kind."""
    whole = message(text)
    assert isinstance(whole.body, bytes)
    digest = body_hashes([whole.body], [WHOLE_BODY])[WHOLE_BODY].digest()
    return sign_message(whole.header, digest, signing or keys(), now) + text


def on_the_wire(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


def visible(text: bytes) -> list[int]:
    """Where a changed octet means something: no white space, nor the unused bits at the end of base64."""
    return [i for i in range(len(text)) if not text[i : i + 1].isspace() and text[i + 1 : i + 2] != b"="]
