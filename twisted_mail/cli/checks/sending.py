"""Whether others let this server send for its domains: their SPF records, evaluated as others do."""

from __future__ import annotations

import ipaddress
from collections.abc import Coroutine, Iterator
from typing import TypeVar

from twisted_mail.cli.checks.finding import Finding, Situation, fault, ok
from twisted_mail.cli.checks.resolver import NoAnswer, Resolver
from twisted_mail.policy.dns import LookupFailed
from twisted_mail.policy.spf import Client, Outcome, check_host
from twisted_mail.policy.spfrecord import Result

T = TypeVar("T")

_TOLD_ELSEWHERE = (Result.NONE,)
"""Results that the check of DNS tells about."""


def check_spf(situation: Situation) -> Iterator[Finding]:
    config = situation.config
    if situation.is_local_only or not config.relay.enabled:
        yield ok("no mail goes to other servers from here")
        return
    if config.relay.smarthost:
        yield ok("mail goes out by a smarthost, whose owner says what the SPF records must have")
        return
    try:
        addresses = [address for kind in ("A", "AAAA") for address in situation.dns.records(config.hostname, kind)]
        for domain in situation.domains:
            for address in addresses:
                yield from _judged(_evaluated(situation.dns, domain.name, address, config.hostname), address)
    except NoAnswer:
        return  # the check of DNS tells it


def _evaluated(dns: Resolver, domain: str, address: str, hostname: str) -> Outcome:
    client = Client(address, f"postmaster@{domain}", hostname)
    return _now(check_host(_BlockingLookups(dns), client, domain))


def _judged(outcome: Outcome, address: str) -> Iterator[Finding]:
    if outcome.result is Result.PASS:
        yield ok(f"SPF lets {address} send for {outcome.domain}")
    elif outcome.result not in _TOLD_ELSEWHERE:
        version = ipaddress.ip_address(address).version
        yield fault(
            f"SPF does not let {address} send for {outcome.domain} ({outcome.result.value}: {outcome.reason}), so "
            "others will refuse its mail or put it aside",
            f'{outcome.domain}. IN TXT "v=spf1 mx -all"   (or put ip{version}:{address} into the one that is there)',
        )


class _BlockingLookups:
    """`Lookups` (policy/dns.py) that have their answer at once."""

    def __init__(self, dns: Resolver) -> None:
        self._dns = dns

    async def txt(self, name: str) -> tuple[bytes, ...]:
        return tuple(text.encode() for text in self._records(name, "TXT"))

    async def addresses(self, name: str, family: int) -> tuple[str, ...]:
        return tuple(self._records(name, "A" if family == 4 else "AAAA"))

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        pairs = (record.split() for record in self._records(name, "MX"))
        return tuple(sorted((int(preference), host.rstrip(".")) for preference, host in pairs))

    async def ptr(self, address: str) -> tuple[str, ...]:
        return tuple(name.rstrip(".") for name in self._dns.names_of(address))

    def _records(self, name: str, kind: str) -> list[str]:
        try:
            return self._dns.records(name, kind)
        except NoAnswer as error:
            raise LookupFailed(str(error)) from error


def _now(work: Coroutine[object, object, T]) -> T:
    """What a coroutine gives that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits for something")
