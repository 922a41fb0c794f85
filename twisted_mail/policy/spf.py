"""Whether a server may send mail in the name of a domain: check_host() of RFC 7208, over `Lookups`.

Bounded, whatever a record says: MAX_TERMS terms that ask DNS, MAX_VOID of them without an answer, ten names each.
Nothing is raised: what DNS does not answer is `temperror`, a record that is wrong is `permerror`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from twisted_mail.networks import IPAddress
from twisted_mail.policy.dns import LookupFailed, Lookups, is_name
from twisted_mail.policy.spfrecord import (
    Mechanism,
    Record,
    Result,
    SPFSyntaxError,
    expand,
    expand_domain,
    is_spf,
    letters_in,
    parse,
)

MAX_TERMS = 10
"""Mechanisms and modifiers that ask DNS, in all records together (§4.6.4)."""
MAX_VOID = 2
"""Of their questions, those that may find nothing (§4.6.4)."""
MAX_NAMES = 10
"""MX hosts, and names of an address, that are looked at (§4.6.4)."""
LONGEST_EXPLANATION = 500


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks to deliver, and for whom."""

    address: str
    """IP address."""
    sender: str
    """`local@domain`: the reverse-path, or postmaster@HELO."""
    hello: str
    receiver: str = "unknown"
    """What this server is called, for explanations."""
    now: int = 0
    """Unix time, for explanations."""


@dataclass(frozen=True, slots=True)
class Outcome:
    result: Result
    domain: str
    """The one that was asked about."""
    reason: str = ""
    """The mechanism that matched, or what is wrong, for people."""
    explanation: str = ""
    """What the domain itself says to those that fail; hostile, one line of ASCII."""


class _Ended(Exception):
    """A temperror or permerror: no term may change that any more."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


async def check_host(lookups: Lookups, client: Client, domain: str) -> Outcome:
    """*domain*: that of the sender, or what HELO said."""
    domain = domain.removesuffix(".").lower()
    if not is_name(domain) or "." not in domain or domain.startswith("["):
        return Outcome(Result.NONE, domain, "not a domain of the Internet")
    address = ipaddress.ip_address(client.address)
    address = getattr(address, "ipv4_mapped", None) or address
    try:
        return await _Check(lookups, client, address).check(domain)
    except _Ended as end:
        return Outcome(end.result, domain, end.reason)


class _Check:
    """One evaluation, with what it has used up of its limits."""

    def __init__(self, lookups: Lookups, client: Client, address: IPAddress) -> None:
        self._lookups = lookups
        self._client = client
        self._address = address
        self._terms = 0
        self._void = 0

    async def check(self, domain: str, *, explain: bool = True) -> Outcome:
        """Raises _Ended."""
        record = await self._record(domain)
        if record is None:
            return Outcome(Result.NONE, domain, f"{domain} has no SPF record")
        for mechanism in record.mechanisms:
            if await self._matches(mechanism, domain):
                outcome = Outcome(mechanism.result, domain, _line(mechanism.text))
                wanted = explain and record.explanation and mechanism.result is Result.FAIL
                return await self._explained(outcome, record.explanation) if wanted else outcome
        if not record.redirect:
            return Outcome(Result.NEUTRAL, domain, "nothing in the record matches")
        self._count_term()
        outcome = await self.check(await self._expand(record.redirect, domain), explain=explain)
        if outcome.result is Result.NONE:
            raise _Ended(Result.PERMERROR, f"redirect={record.redirect} leads to no record")
        return outcome

    async def _record(self, domain: str) -> Record | None:
        found = [text for text in await self._ask(self._lookups.txt(domain)) if is_spf(text)]
        if len(found) > 1:
            raise _Ended(Result.PERMERROR, f"{domain} has {len(found)} SPF records")
        try:
            return parse(found[0]) if found else None
        except SPFSyntaxError as error:
            raise _Ended(Result.PERMERROR, f"the record of {domain} is wrong at {_line(str(error))}") from error

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        match mechanism.name:
            case "all":
                return True
            case "ip4" | "ip6":
                network = mechanism.network
                assert network is not None
                return self._address.version == network.version and self._address in network
            case name:
                self._count_term()
                target = await self._expand(mechanism.domain, domain) if mechanism.domain else domain
                return await _QUESTIONS[name](self, mechanism, target)

    # ---- mechanisms that ask DNS (§5.2 to §5.7)

    async def _include(self, mechanism: Mechanism, target: str) -> bool:
        outcome = await self.check(target, explain=False) if is_name(target) else None
        if outcome is None or outcome.result is Result.NONE:
            raise _Ended(Result.PERMERROR, f"{mechanism.text} leads to no record")
        return outcome.result is Result.PASS

    async def _a(self, mechanism: Mechanism, target: str) -> bool:
        addresses = await self._ask(self._lookups.addresses(target, self._address.version), counts=True)
        return self._is_one_of(addresses, mechanism)

    async def _mx(self, mechanism: Mechanism, target: str) -> bool:
        exchanges = await self._ask(self._lookups.mx(target), counts=True)
        if len(exchanges) > MAX_NAMES:
            raise _Ended(Result.PERMERROR, f"{target} has more than {MAX_NAMES} MX records")
        for _, host in exchanges:
            if self._is_one_of(await self._ask(self._lookups.addresses(host, self._address.version)), mechanism):
                return True
        return False

    async def _ptr(self, mechanism: Mechanism, target: str) -> bool:
        return any(_is_within(name, target) for name in await self._validated_names(counts=True))

    async def _exists(self, mechanism: Mechanism, target: str) -> bool:
        return bool(await self._ask(self._lookups.addresses(target, 4), counts=True))

    def _is_one_of(self, addresses: tuple[str, ...], mechanism: Mechanism) -> bool:
        four, six = mechanism.prefixes
        prefix = four if self._address.version == 4 else six
        return any(self._address in ipaddress.ip_network((address, prefix), strict=False) for address in addresses)

    async def _validated_names(self, *, counts: bool = False) -> list[str]:
        """The client's names that lead back to it (§5.5); what DNS does not answer is none of them."""
        return await confirmed_names(self._lookups, self._address, self._count_void if counts else None)

    # ---- limits

    async def _ask(self, question: Coroutine[Any, Any, tuple[Any, ...]], *, counts: bool = False) -> tuple[Any, ...]:
        """*counts*: an empty answer counts against MAX_VOID."""
        try:
            answer = await question
        except LookupFailed as error:
            raise _Ended(Result.TEMPERROR, str(error)) from error
        if counts and not answer:
            self._count_void()
        return answer

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise _Ended(Result.PERMERROR, f"the record needs more than {MAX_TERMS} look-ups")

    def _count_void(self) -> None:
        self._void += 1
        if self._void > MAX_VOID:
            raise _Ended(Result.PERMERROR, f"more than {MAX_VOID} look-ups of the record find nothing")

    # ---- macros (§7)

    async def _expand(self, text: str, domain: str) -> str:
        return expand_domain(text, await self._values(text, domain))

    async def _values(self, text: str, domain: str) -> dict[str, str]:
        local, _, sender_domain = self._client.sender.rpartition("@")
        dotted = str(self._address)
        if self._address.version == 6:
            dotted = ".".join(f"{int(self._address):032x}").upper()
        values = {
            "s": f"{local or 'postmaster'}@{sender_domain}",
            "l": local or "postmaster",
            "o": sender_domain,
            "d": domain,
            "i": dotted,
            "h": self._client.hello,
            "v": "in-addr" if self._address.version == 4 else "ip6",
            "c": str(self._address),
            "r": self._client.receiver,
            "t": str(self._client.now),
        }
        if "p" in letters_in(text):
            values["p"] = _preferred(await self._validated_names(), domain)
        return values

    async def _explained(self, outcome: Outcome, spec: str) -> Outcome:
        """With the domain's own text; without, if anything is wrong with that (§6.2)."""
        try:
            texts = await self._lookups.txt(await self._expand(spec, outcome.domain))
            text = texts[0].decode("ascii") if len(texts) == 1 else ""
            values = await self._values(text, outcome.domain)
            explanation = expand(text, values, explaining=True)
        except (LookupFailed, SPFSyntaxError, UnicodeDecodeError):
            return outcome
        return replace(outcome, explanation=_line(explanation))


_QUESTIONS: dict[str, Callable[[_Check, Mechanism, str], Coroutine[Any, Any, bool]]] = {
    "include": _Check._include,
    "a": _Check._a,
    "mx": _Check._mx,
    "ptr": _Check._ptr,
    "exists": _Check._exists,
}


async def confirmed_names(
    lookups: Lookups, address: IPAddress, none_found: Callable[[], None] | None = None
) -> list[str]:
    """The names that *address* says it has and that have this address: RFC 7208 §5.5, and iprev of RFC 8601 §3.

    Those that cannot be looked up just now are left out.  *none_found* is called where the address says nothing.
    """
    try:
        names = await lookups.ptr(str(address))
    except LookupFailed:
        return []
    if not names and none_found is not None:
        none_found()
    found = []
    for name in names[:MAX_NAMES]:
        try:
            addresses = await lookups.addresses(name, address.version)
        except LookupFailed:
            continue
        if any(ipaddress.ip_address(text) == address for text in addresses):
            found.append(name)
    return found


def _preferred(names: list[str], domain: str) -> str:
    """The value of `p`: the domain itself, else a name in it, else any (§7.3)."""
    return next(
        (name for fits in (_is, _is_within, _is_any) for name in names if fits(name, domain)),
        "unknown",
    )


def _is(name: str, domain: str) -> bool:
    return name == domain.lower()


def _is_within(name: str, domain: str) -> bool:
    return name == domain.lower() or name.endswith("." + domain.lower())


def _is_any(name: str, domain: str) -> bool:
    return True


def _line(text: str) -> str:
    return re.sub(r"[^ -~]", "?", text)[:LONGEST_EXPLANATION]
