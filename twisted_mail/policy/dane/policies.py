"""What signed DNS says of the servers of a domain (RFC 7672 §2.2).

Only where the MX records, the server's address and its TLSA records are all signed, and the signatures good.  What a
resolver cannot answer there may be an attack: such a server gets nothing for now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from zope.interface import implementer

from twisted_mail.interfaces import TLSA, Approach, Demand, ITransportPolicies, IWitness, MailHost
from twisted_mail.protocols.dane import is_usable
from twisted_mail.protocols.securedns import Answer, NoSecureAnswer
from twisted_mail.tlsoutcome import Flaw, Published, TLSFailure

MAX_RECORDS = 50
"""TLSA records of one server that are looked at."""


class SecureLookups(Protocol):
    async def ask(self, name: str, kind: str) -> Answer:
        """Raises NoSecureAnswer."""


@implementer(ITransportPolicies, IWitness)
class DanePolicies:
    def __init__(self, dns: SecureLookups) -> None:
        """*dns*: a resolver whose word is taken."""
        self._dns = dns

    async def approach(self, domain: str, host: MailHost) -> Approach:
        if domain.startswith("["):
            return Approach(Demand.NOTHING)
        try:
            if not await self.vouches_for(domain, host) or not await self._has_signed_address(host.name):
                return Approach(Demand.NOTHING)
            answer = await self._dns.ask(f"_{host.port}._tcp.{host.name}", "TLSA")
        except NoSecureAnswer as error:
            published = Published("tlsa", flaw=Flaw(TLSFailure.DNSSEC_INVALID, str(error)))
            return Approach(Demand.REFUSED, f"DNSSEC ({error})", published=published)
        if not answer.is_secure or not answer.records:
            return Approach(Demand.NOTHING)
        return _approach(host, tuple(_records(answer.records[:MAX_RECORDS])))

    async def vouches_for(self, domain: str, host: MailHost) -> bool:
        """Raises NoSecureAnswer."""
        answer = await self._dns.ask(domain, "MX")
        names = {record.exchange.to_text(omit_final_dot=True).lower() for record in answer.records} or {domain}
        return answer.is_secure and host.name in names

    async def _has_signed_address(self, name: str) -> bool:
        for kind in ("A", "AAAA"):
            answer = await self._dns.ask(name, kind)
            if answer.records and answer.is_secure:
                return True
        return False


@implementer(ITransportPolicies, IWitness)
class Strongest:
    """DANE where a server has it, else what else is said (RFC 8461 §2)."""

    def __init__(self, dane: DanePolicies, other: Any) -> None:
        """*other*: both interfaces, or None."""
        self._dane = dane
        self._other = other

    async def approach(self, domain: str, host: MailHost) -> Approach:
        approach = await self._dane.approach(domain, host)
        if approach.demand is not Demand.NOTHING or self._other is None:
            return approach
        found: Approach = await self._other.approach(domain, host)
        return found

    async def vouches_for(self, domain: str, host: MailHost) -> bool:
        try:
            if await self._dane.vouches_for(domain, host):
                return True
        except NoSecureAnswer:
            pass
        return self._other is not None and bool(await self._other.vouches_for(domain, host))


def _approach(host: MailHost, records: Sequence[TLSA]) -> Approach:
    usable = tuple(filter(is_usable, records))
    reason, flaw = f"DANE of {host.name}", None
    if not usable:
        reason += ": TLS with any certificate, as none of its records can be used"
        flaw = Flaw(TLSFailure.TLSA_INVALID, "no record can be used")
    return Approach(Demand.DANE, reason, usable, Published("tlsa", tuple(map(str, records)), flaw=flaw))


def _records(found: Iterable[Any]) -> Iterable[TLSA]:
    return (TLSA(record.usage, record.selector, record.mtype, record.cert) for record in found)
