"""Fetches public keys from DNS, all that a message needs at once, each name once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from twisted.internet.defer import Deferred, FirstError, gatherResults

from twisted_mail.policy.dkim.algorithms import is_signed
from twisted_mail.policy.dkim.keyrecord import KeyRecord, RecordError, choose_record, record_name
from twisted_mail.policy.dkim.signature import Seal, SignatureError, Verdict
from twisted_mail.policy.dns import LookupFailed

TXT = Callable[[str], Awaitable[tuple[bytes, ...]]]
"""`Lookups.txt`: the records of a name, none if it has none.  Raises LookupFailed."""


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """What DNS said of some names; None: it did not answer."""

    records: Mapping[str, tuple[bytes, ...] | None]

    def check(self, seal: Seal, data: bytes) -> KeyRecord:
        """The key by which *seal* holds over *data*.  Raises SignatureError."""
        records = self.records[_name(seal)]
        if records is None:
            raise SignatureError("its key cannot be looked up just now", Verdict.TEMPERROR)
        try:
            record = choose_record(records, seal.algorithm)
        except RecordError as error:
            raise SignatureError(str(error)) from error
        if not is_signed(record.key, seal.signature, data):
            if record.testing:  # RFC 6376 §3.6.1: as if there were no signature
                raise SignatureError("the signature does not match, and its domain is testing", Verdict.NEUTRAL)
            raise SignatureError("the signature does not match the header", Verdict.FAIL)
        return record


async def fetch_keys(seals: Iterable[Seal], txt: TXT) -> PublishedKeys:
    """Ask for all keys of *seals*."""
    names = list(dict.fromkeys(map(_name, seals)))
    asked = [Deferred.fromCoroutine(_records(name, txt)) for name in names]
    try:
        found = await gatherResults(asked, consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()  # a cancellation, say
        raise
    return PublishedKeys(dict(zip(names, found, strict=True)))


async def _records(name: str, txt: TXT) -> tuple[bytes, ...] | None:
    try:
        return await txt(name)
    except LookupFailed:
        return None


def _name(seal: Seal) -> str:
    return record_name(seal.selector, seal.domain)
