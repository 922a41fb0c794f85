"""What the checks ask DNS, as plain values: `Lookups`, and `CachedLookups`, which asks twisted.names and remembers.

A record that is not there is an empty answer, whether the name exists or not; what cannot be known just now is a
`LookupFailed`.  Every question ends within TIME_LIMIT.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, maybeDeferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import CannotListenError, ConnectError, ConnectionClosed
from twisted.internet.interfaces import IReactorTime, IResolver
from twisted.names import dns
from twisted.names.error import AuthoritativeDomainError, DNSNameError, DomainError, ResolverError

from twisted_mail.forgetful import Forgetful
from twisted_mail.protocols.dnsanswers import host_name, reason

TIMEOUTS = (1, 3)
"""Seconds before a question is asked again, and before it is given up."""
TIME_LIMIT = 5.0
"""Seconds for one question in all, also where a long answer needs TCP."""
MAX_CACHED = 10_000
"""Answers in the cache."""
LARGEST_CACHED = 4096
"""Octets of all records of an answer, as they came: a hostile zone cannot fill the memory with long ones."""
MAX_QUESTIONS = 200
"""Under way at the same time: each has a socket of its own."""
TTL_BOUNDS = (5, 3600)
"""Seconds for which an answer is remembered, whatever its records say."""
NEGATIVE_TTL = 60
"""Seconds for "there is none": who has just published a record does not wait long."""

# any octet may stand in a name, but nobody has others than these; at most 63 a label (RFC 1035 §2.3.4)
_LABEL = re.compile(r"[!-~]{1,63}")

T = TypeVar("T")


class LookupFailed(Exception):
    """DNS does not answer just now; the text says how."""


class Lookups(Protocol):
    """DNS.  Names are A-labels with or without the last dot; what cannot be a name has no records.

    All of them raise LookupFailed.
    """

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """Each record with its strings joined."""

    async def addresses(self, name: str, family: int) -> tuple[str, ...]:
        """*family*: 4 or 6."""

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        """Preference and host name (lower case, no last dot; empty for the root), the preferred ones first."""

    async def ptr(self, address: str) -> tuple[str, ...]:
        """The names that *address* says it has, in lower case, without the last dot."""


class CachedLookups:
    """`Lookups` by a resolver of twisted.names, each answer remembered for as long as its records say."""

    def __init__(self, resolver: IResolver, clock: IReactorTime) -> None:
        self._dns: Any = resolver  # the interface lacks most of the methods that its providers have
        self._clock = clock
        self._places = DeferredSemaphore(MAX_QUESTIONS)
        self._cache: Forgetful[tuple[int, str], tuple[Any, ...]] = Forgetful(MAX_CACHED, clock.seconds)

    async def txt(self, name: str) -> tuple[bytes, ...]:
        return tuple(b"".join(record.data) for record in await self._records(dns.TXT, name))

    async def addresses(self, name: str, family: int) -> tuple[str, ...]:
        records = await self._records(dns.A if family == 4 else dns.AAAA, name)
        return tuple(str(ipaddress.ip_address(record.address)) for record in records)

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        records = await self._records(dns.MX, name)
        return tuple(sorted((record.preference, host_name(record.name)) for record in records))

    async def ptr(self, address: str) -> tuple[str, ...]:
        records = await self._records(dns.PTR, ipaddress.ip_address(address).reverse_pointer)
        return tuple(host_name(record.name) for record in records)

    async def _records(self, kind: int, name: str) -> tuple[Any, ...]:
        name = name.lower().removesuffix(".")
        if not is_name(name):
            return ()
        if (remembered := self._cache.get((kind, name))) is not None:
            return remembered
        async with self._places:
            records, ttl = await self._ask(kind, name)
        if sum(map(_size, records)) > LARGEST_CACHED:
            return records
        self._cache.put((kind, name), records, ttl)
        return records

    async def _ask(self, kind: int, name: str) -> tuple[tuple[Any, ...], float]:
        """The payloads of that *kind*, and for how long they may be remembered."""
        look_up: Callable[..., Any] = getattr(self._dns, _METHODS[kind])
        question: Deferred[Any] = maybeDeferred(look_up, name, TIMEOUTS)
        try:
            answers, _, _ = await question.addTimeout(TIME_LIMIT, self._clock)
        except (DNSNameError, AuthoritativeDomainError):
            return (), NEGATIVE_TTL
        except _FAILURES as error:
            raise LookupFailed(f"{name}: {reason(error)}") from error
        headers = [header for header in answers if header.type == kind]
        least, most = TTL_BOUNDS
        ttl = min((header.ttl for header in headers), default=NEGATIVE_TTL)
        return tuple(header.payload for header in headers), min(max(ttl, least), most)


async def within(seconds: float, work: Coroutine[Any, Any, T], clock: IReactorTime, otherwise: T) -> T:
    """What *work* gives; *otherwise*, where that takes longer: hostile zones may answer slowly, again and again."""
    try:
        return await Deferred.fromCoroutine(work).addTimeout(seconds, clock)
    except DeferredTimeout:
        return otherwise


def give_up(work: Deferred[Any] | None) -> None:
    """Nobody waits for it any more; nothing where it is done."""
    if work is not None:
        work.addErrback(lambda failure: failure.trap(CancelledError))
        work.cancel()


def is_name(name: str) -> bool:
    """Whether DNS can be asked for *name* (no last dot) at all: 253 octets, labels of 63."""
    return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.split("."))


_METHODS = {
    dns.TXT: "lookupText",
    dns.A: "lookupAddress",
    dns.AAAA: "lookupIPV6Address",
    dns.MX: "lookupMailExchange",
    dns.PTR: "lookupPointer",
}

_FAILURES = (
    *(DomainError, ResolverError, DeferredTimeout, OSError, ValueError),
    *(CannotListenError, ConnectError, ConnectionClosed),  # no descriptor is left; TCP for a long answer
)


def _size(record: Any) -> int:
    """Octets, roughly; every record has some besides its own."""
    return 32 + sum(map(len, record.data)) if record.TYPE == dns.TXT else 64
