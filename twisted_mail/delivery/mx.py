"""Which servers take mail for a domain: the choice (`choose`, pure), and the look-up in DNS around it (RFC 5321 §5.1).

What cannot be looked up just now is a 4yz, and the queue asks again; what does not exist is a 5yz.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime, IResolver
from twisted.names import dns
from twisted.names.error import AuthoritativeDomainError, DNSNameError, DomainError, ResolverError
from zope.interface import implementer

from twisted_mail.interfaces import IMXResolver, MailHost, RemoteRefusal
from twisted_mail.protocols.dnsanswers import host_name, reason
from twisted_mail.smtp.address import parse_address_literal
from twisted_mail.smtp.reply import Reply

SMTP_PORT = 25
MAX_EXCHANGES = 16
"""MX records of one domain that are looked at, the preferred ones."""
TIMEOUTS = (2, 5, 10)
"""Seconds before a question is asked again, and before it is given up."""
MAX_CACHED = 10_000
"""Domains in the cache."""
TTL_BOUNDS = (60, 3600)
"""Seconds: however short a record's own time, a queue run asks once; however long, a move is seen within the hour."""
NEGATIVE_TTL = 300
"""Seconds for "there is none"."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An MX record with its addresses, or the domain itself where it has none (preference 0)."""

    preference: int
    host: MailHost
    unknown: str = ""
    """Why its addresses are not known just now; empty: they are."""


# ---- the choice


def choose(
    domain: str, exchanges: Iterable[Exchange], is_own: Callable[[MailHost], bool], random: Random
) -> list[MailHost]:
    """Preferred ones first, equal ones shuffled; from this server itself on, the rest is cut off.

    Raises RemoteRefusal: none is left, 4yz where one may be once its addresses are known, else 5yz.  (A server that is
    itself in the list must not send the message to one that would send it back, RFC 5321 §5.1.)
    """
    chosen: list[MailHost] = []
    unknown = ""
    leads_here = False
    for _, group in groupby(sorted(exchanges, key=_preference), key=_preference):
        equals = list(group)
        if leads_here := any(is_own(exchange.host) for exchange in equals):
            break
        hosts = [exchange.host for exchange in equals if exchange.host.addresses]
        unknown = unknown or next((exchange.unknown for exchange in equals if exchange.unknown), "")
        random.shuffle(hosts)
        chosen += hosts
    if chosen:
        return chosen
    if unknown:
        raise _not_now(domain, unknown)
    if leads_here:
        text = f"{domain} leads to this server, which does not take its mail: ask the administrator of either"
        raise _refusal(554, "4.6", text)
    raise _refusal(550, "4.4", f"{domain} has no mail server")


def is_this_machine(address: str) -> bool:
    """Whether an IP address leads back to this machine, whatever else it is called."""
    ip = ipaddress.ip_address(address)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_loopback or ip.is_unspecified


def _preference(exchange: Exchange) -> int:
    return exchange.preference


def _refusal(code: int, detail: str, text: str) -> RemoteRefusal:
    return RemoteRefusal(Reply(code, detail, text), by_remote=False)


def _not_now(domain: str, why: str) -> RemoteRefusal:
    return _refusal(451, "4.3", f"The servers of {domain} cannot be looked up just now ({why})")


# ---- the look-up


class NoSuchName(Exception):
    """The name does not exist at all."""


class NoAnswer(Exception):
    """DNS does not answer just now; the text says how."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What DNS says of a domain: exchanges, or the refusal that follows from there being none."""

    exchanges: tuple[Exchange, ...]
    refusal: Reply | None
    expires: float


@implementer(IMXResolver)
class MXResolver:
    """Asks DNS, and remembers what it says for as long as the records say."""

    def __init__(
        self,
        dns: IResolver,
        clock: IReactorTime,
        hostname: str,
        random: Random,
        *,
        is_own_address: Callable[[str], bool] = is_this_machine,
        port: int = SMTP_PORT,
    ) -> None:
        """*hostname*: what this server is called in MX records; *is_own_address*: IP addresses at which it is."""
        self._dns: Any = dns  # the interface lacks most of the methods that its providers have
        self._clock = clock
        self._hostname = hostname
        self._random = random
        self._is_own_address = is_own_address
        self._port = port
        self._cache: OrderedDict[str, _Found] = OrderedDict()

    async def hosts(self, domain: str) -> Sequence[MailHost]:
        found = self._remembered(domain)
        if found is None:
            found = await (self._literal(domain) if domain.startswith("[") else self._ask(domain))
            self._remember(domain, found)
        if found.refusal is not None:
            raise RemoteRefusal(found.refusal, by_remote=False)
        return choose(domain, found.exchanges, self._is_own, self._random)

    def _is_own(self, host: MailHost) -> bool:
        return host.name == self._hostname or any(self._is_own_address(address) for address in host.addresses)

    # ---- the cache

    def _remembered(self, domain: str) -> _Found | None:
        found = self._cache.get(domain)
        if found is not None and found.expires <= self._clock.seconds():
            del self._cache[domain]
            return None
        return found

    def _remember(self, domain: str, found: _Found) -> None:
        self._cache[domain] = found
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)

    def _found(self, exchanges: Sequence[Exchange], ttl: int) -> _Found:
        least, most = TTL_BOUNDS
        return _Found(tuple(exchanges), None, self._clock.seconds() + min(max(ttl, least), most))

    def _none(self, code: int, detail: str, text: str) -> _Found:
        return _Found((), Reply(code, detail, text), self._clock.seconds() + NEGATIVE_TTL)

    # ---- questions

    async def _literal(self, domain: str) -> _Found:
        address = parse_address_literal(domain).strip("[]").removeprefix("IPv6:")
        return self._found([Exchange(0, MailHost(domain, (address,), self._port))], TTL_BOUNDS[1])

    async def _ask(self, domain: str) -> _Found:
        """Raises RemoteRefusal, 4yz."""
        try:
            records, ttl = await self._records(self._dns.lookupMailExchange, domain, dns.MX)
            names = sorted((record.preference, host_name(record.name)) for record in records)
            if names and not any(name for _, name in names):
                return self._none(556, "1.10", f"{domain} takes no mail (it says so in DNS)")  # RFC 7505 §3
            return await self._with_addresses(domain, [pair for pair in names if pair[1]] or [(0, domain)], ttl)
        except NoSuchName:
            return self._none(550, "1.2", f"The domain {domain} does not exist")
        except NoAnswer as error:
            raise _not_now(domain, str(error)) from error

    async def _with_addresses(self, domain: str, names: Sequence[tuple[int, str]], ttl: int) -> _Found:
        """Hosts that have no address are left out, but for this server's own.  Raises NoAnswer: none is known."""
        names = names[:MAX_EXCHANGES]
        answers = await _all(self._addresses(name) for _, name in names)
        exchanges = []
        for (preference, name), answer in zip(names, answers, strict=True):
            if isinstance(answer, NoAnswer):
                exchanges.append(Exchange(preference, MailHost(name, (), self._port), str(answer)))
                ttl = 0  # to be asked again as soon as that is allowed
            elif answer[0] or name == self._hostname:
                exchanges.append(Exchange(preference, MailHost(name, answer[0], self._port)))
                ttl = min(ttl, answer[1])
        if not exchanges:
            return self._none(550, "4.4", f"{domain} has no mail server")
        if all(exchange.unknown for exchange in exchanges):
            raise NoAnswer(exchanges[0].unknown)
        return self._found(exchanges, ttl)

    async def _addresses(self, name: str) -> tuple[tuple[str, ...], int] | NoAnswer:
        """IPv4 first: a server whose IPv6 address has no name in DNS is refused by many.  With their least TTL."""
        families = ((self._dns.lookupAddress, dns.A), (self._dns.lookupIPV6Address, dns.AAAA))
        answers = await _all(self._answer(lookup, name, kind) for lookup, kind in families)
        addresses: list[str] = []
        ttl = TTL_BOUNDS[1]
        for answer in answers:
            if not isinstance(answer, NoAnswer):
                addresses += [str(ipaddress.ip_address(record.address)) for record in answer[0]]
                ttl = min(ttl, answer[1])
        unknown = next((answer for answer in answers if isinstance(answer, NoAnswer)), None)
        return unknown if unknown is not None and not addresses else (tuple(addresses), ttl)

    async def _answer(self, lookup: _Lookup, name: str, kind: int) -> tuple[list[Any], int] | NoAnswer:
        """As `_records`, with NoAnswer as a value, and a name that does not exist as one without records."""
        try:
            return await self._records(lookup, name, kind)
        except NoSuchName:
            return [], NEGATIVE_TTL
        except NoAnswer as error:
            return error

    async def _records(self, lookup: _Lookup, name: str, kind: int) -> tuple[list[Any], int]:
        """The payloads of that *kind* and their least TTL.  Raises NoSuchName or NoAnswer."""
        try:
            answers, _, _ = await lookup(name, TIMEOUTS)
        except (DNSNameError, AuthoritativeDomainError) as error:
            raise NoSuchName from error
        except (DomainError, ResolverError, DeferredTimeout, OSError, ValueError) as error:
            raise NoAnswer(reason(error)) from error
        headers = [header for header in answers if header.type == kind]
        return [header.payload for header in headers], min((header.ttl for header in headers), default=TTL_BOUNDS[1])


_Lookup = Callable[[str, Sequence[int]], Awaitable[Any]]

T = TypeVar("T")


async def _all(questions: Iterable[Any]) -> list[Any]:
    """All answers; the questions are asked at the same time."""
    return await gatherResults([Deferred.fromCoroutine(question) for question in questions])
