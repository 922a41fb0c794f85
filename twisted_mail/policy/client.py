"""What is known of a client before its message is here: SPF of sender and HELO, the names of its address (iprev), and
whether it is what it calls itself.

All are looked up while the message is on its way, and remembered for the client's next one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from twisted_mail.forgetful import Forgetful
from twisted_mail.policy.authresults import MethodResult
from twisted_mail.policy.dns import LookupFailed, Lookups, give_up, within
from twisted_mail.policy.hello import Hello, judge_hello
from twisted_mail.policy.spf import MAX_NAMES, Client, Outcome, check_host
from twisted_mail.policy.spfrecord import Result
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

TIME_LIMIT = 20.0
"""Seconds for all questions of one check (RFC 7208 §4.6.4)."""
REMEMBERED_FOR = 120.0
"""Seconds."""
MAX_REMEMBERED = 10_000

T = TypeVar("T")


class Reverse(Enum):
    """RFC 8601 §3."""

    PASS = "pass"
    """The address has a name, and the name this address."""
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    """The address has no name."""


@dataclass(frozen=True, slots=True)
class ClientFindings:
    address: str
    """IP address."""
    spf: Outcome
    sender: str
    """The address that SPF is about; empty: the name that HELO gave."""
    reverse: Reverse
    name: str = ""
    """Where `reverse` is PASS."""
    hello: Outcome | None = None
    """SPF of the name that HELO gave, beside that of a sender; None: not known."""
    called: Hello = Hello.UNKNOWN
    """How good that name is."""

    def results(self) -> list[MethodResult]:
        whose = {"smtp.mailfrom": self.sender} if self.sender else {"smtp.helo": self.spf.domain}
        results = [
            MethodResult("iprev", self.reverse.value, {"policy.iprev": self.address}, self.name),
            MethodResult("spf", self.spf.result.value, whose, self.spf.reason),
        ]
        if self.hello is not None and self.hello.result is not Result.NONE:
            whose = {"smtp.helo": self.hello.domain}
            results.append(MethodResult("spf", self.hello.result.value, whose, self.hello.reason))
        return results


class ClientChecks:
    """Asks, and remembers."""

    def __init__(self, lookups: Lookups, hostname: str, clock: IReactorTime) -> None:
        self._lookups = lookups
        self._hostname = hostname
        self._clock = clock
        self._remembered: Forgetful[tuple[str, str, str], ClientFindings] = Forgetful(MAX_REMEMBERED, clock.seconds)

    async def find(self, origin: Origin, sender: Address | None) -> ClientFindings:
        """*origin* must have an address."""
        key = (origin.peer, str(sender or ""), origin.hello)
        if (found := self._remembered.get(key)) is not None:
            return found
        findings = await self._ask(origin, sender)
        if findings.spf.result is not Result.TEMPERROR:
            self._remembered.put(key, findings, REMEMBERED_FOR)
        return findings

    async def _ask(self, origin: Origin, sender: Address | None) -> ClientFindings:
        address = origin.peer.partition("%")[0]
        postmaster = Address("postmaster", origin.hello)
        # under way while SPF of the sender is
        reverse = self._begin(find_reverse(self._lookups, address), (Reverse.TEMPERROR, ""))
        hello = self._begin(self._spf(address, origin.hello, postmaster), None) if sender is not None else None
        called = self._begin(judge_hello(self._lookups, origin.hello, address, self._hostname), Hello.UNKNOWN)
        try:
            late = Outcome(Result.TEMPERROR, (sender or postmaster).domain, "its look-ups take too long")
            spf = await within(TIME_LIMIT, self._spf(address, origin.hello, sender or postmaster), self._clock, late)
            result, name = await reverse
            by_hello = None if hello is None else await hello
            return ClientFindings(address, spf, str(sender or ""), result, name, by_hello, await called)
        finally:
            for work in (reverse, hello, called):
                give_up(work)

    async def _spf(self, address: str, hello: str, sender: Address) -> Outcome:
        whole = f"{sender.local_part}@{sender.domain}"
        client = Client(address, whole, hello, self._hostname, int(self._clock.seconds()))
        return await check_host(self._lookups, client, sender.domain)

    def _begin(self, work: Coroutine[Any, Any, T], otherwise: T) -> Deferred[T]:
        return Deferred.fromCoroutine(within(TIME_LIMIT, work, self._clock, otherwise))


async def find_reverse(lookups: Lookups, address: str) -> tuple[Reverse, str]:
    """With the name, where there is a true one."""
    wanted = ipaddress.ip_address(address)
    unknown = False
    try:
        names = await lookups.ptr(address)
    except LookupFailed:
        return Reverse.TEMPERROR, ""
    for name in names[:MAX_NAMES]:
        try:
            if any(ipaddress.ip_address(text) == wanted for text in await lookups.addresses(name, wanted.version)):
                return Reverse.PASS, name
        except LookupFailed:
            unknown = True
    if not names:
        return Reverse.PERMERROR, ""
    return (Reverse.TEMPERROR if unknown else Reverse.FAIL), ""
