"""Which MTA-STS policy a domain has now: its record in DNS, the policy over HTTPS, and what we have of it on disk.

Once we have a policy it holds until its time is over, whatever DNS says or does not say meanwhile (RFC 8461 §5.1): who
can forge DNS cannot take it away.  It is fetched again when its record changes, and at times, so that it does not end.
A policy that cannot be fetched holds nobody up.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar, cast
from weakref import WeakValueDictionary

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Blocking
from twisted_mail.interfaces import Approach, Demand, ITransportPolicies, IWitness, MailHost
from twisted_mail.periodic import Periodic
from twisted_mail.policy.dns import LookupFailed, Lookups
from twisted_mail.policy.sts.files import Held, PolicyFiles
from twisted_mail.policy.sts.text import MAX_SIZE, Mode, Policy, PolicyError, parse_policy, parse_record
from twisted_mail.protocols.httpsclient import Bounds, HTTPSClient, RequestFailed, ServerUntrusted
from twisted_mail.tlsoutcome import Flaw, Published, TLSFailure

BOUNDS = Bounds(MAX_SIZE, 30.0)
TRY_AGAIN = 300.0
"""Seconds after a policy could not be fetched (RFC 8461 §3.3)."""
FRESH = 86_400.0
"""Seconds after which a policy is fetched again, if half of its time is not over before."""
LOOK_EVERY = 3600.0
"""Seconds between looks for policies that are not fresh."""
MAX_REMEMBERED = 10_000


class _NoPolicy(Exception):
    """None can be had just now; the text says why."""

    def __init__(self, text: str, failure: TLSFailure = TLSFailure.POLICY_NOT_FETCHED) -> None:
        super().__init__(text)
        self.flaw = Flaw(failure, text)


@implementer(ITransportPolicies, IWitness)
class Policies:
    """As one process knows them; all share the files."""

    log = Logger()

    def __init__(
        self, lookups: Lookups, web: HTTPSClient, files: PolicyFiles, disk: Blocking, clock: IReactorTime
    ) -> None:
        """*disk*: how to wait for it; *clock* gives Unix time, as a reactor does."""
        self._lookups = lookups
        self._web = web
        self._files = files
        self._disk = disk
        self._clock = clock
        self._remembered: OrderedDict[str, Held | None] = OrderedDict()
        self._failed: OrderedDict[str, tuple[float, Flaw]] = OrderedDict()
        self._locks: WeakValueDictionary[str, DeferredLock] = WeakValueDictionary()
        self._timer = Periodic(self.refresh, LOOK_EVERY, clock, self.log, "MTA-STS policies are not refreshed now")

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    async def approach(self, domain: str, host: MailHost) -> Approach:
        policy = await self.of(domain)
        if policy is None and domain in self._failed:
            return Approach(Demand.NOTHING, published=Published("sts", flaw=self._failed[domain][1]))
        if policy is None or policy.mode is Mode.NONE:
            return Approach(Demand.NOTHING)
        reason = f"MTA-STS of {domain} ({policy.mode.value})"
        is_allowed = policy.allows(host.name)
        flaw = None if is_allowed else Flaw(TLSFailure.OTHER, f"the policy does not name {host.name}")
        published = Published("sts", policy.lines, policy.hosts, flaw)
        return Approach(_DEMANDS[policy.mode, is_allowed], reason, published=published)

    async def vouches_for(self, domain: str, host: MailHost) -> bool:
        policy = await self.of(domain)
        return policy is not None and policy.mode is not Mode.NONE and policy.allows(host.name)

    async def of(self, domain: str) -> Policy | None:
        """What holds for *domain* (lower-case A-labels, or an address literal, which has none)."""
        if domain.startswith("["):
            return None
        lock = self._locks.get(domain)
        if lock is None:
            lock = self._locks[domain] = DeferredLock()
        async with lock:  # many messages for a new domain fetch once
            held = await self._held(domain)
            if await self._is_due(domain, held):
                held = await self._fetched(domain, held)
            return None if held is None else held.policy

    async def refresh(self) -> None:
        """Fetch what is not fresh, where no other process has, and forget what has ended."""
        try:
            for domain in cast("list[str]", await self._disk(self._files.domains)):
                if await self.of(domain) is None:
                    await self._disk(_call(self._files.remove, domain))
        except OSError as error:
            self.log.warn("MTA-STS policies cannot be refreshed now: {error}", error=error)

    # ---- what we have

    async def _held(self, domain: str) -> Held | None:
        held = self._remembered.get(domain)
        if domain not in self._remembered or (held is not None and held.expires <= self._clock.seconds()):
            # another process may have more
            held = cast("Held | None", await self._disk(_call(self._files.read, domain)))
            if held is not None and held.expires <= self._clock.seconds():
                held = None
            self._remember(domain, held)
        return held

    def _remember(self, domain: str, held: Held | None) -> None:
        _put(self._remembered, domain, held)

    # ---- what there is

    async def _is_due(self, domain: str, held: Held | None) -> bool:
        """Whether the domain has a policy that we should fetch."""
        now = self._clock.seconds()
        if domain in self._failed and now < self._failed[domain][0] + TRY_AGAIN:
            return False
        try:
            identifier = parse_record(await self._lookups.txt(f"_mta-sts.{domain}"))
        except LookupFailed:
            return False
        if identifier is None:
            self._failed.pop(domain, None)
            return False
        if held is None or held.identifier != identifier:
            return True
        return now - held.fetched > min(FRESH, held.policy.max_age / 2)

    async def _fetched(self, domain: str, held: Held | None) -> Held | None:
        """The policy of now; *held*, where that cannot be had."""
        try:
            new = await self._fetch(domain)
        except _NoPolicy as error:
            _put(self._failed, domain, (self._clock.seconds(), error.flaw))
            self.log.info("the MTA-STS policy of {domain} cannot be had: {error}", domain=domain, error=error)
            return held
        self._remember(domain, new)
        self._failed.pop(domain, None)
        try:
            await self._disk(_call(self._files.write, domain, new))
        except OSError as error:
            self.log.warn("an MTA-STS policy cannot be kept: {error}", domain=domain, error=error)
        return new

    async def _fetch(self, domain: str) -> Held:
        """Raises _NoPolicy."""
        host = f"mta-sts.{domain}"
        try:
            identifier = parse_record(await self._lookups.txt(f"_mta-sts.{domain}"))
            addresses = [*await self._lookups.addresses(host, 4), *await self._lookups.addresses(host, 6)]
            response = await self._web.get(f"https://{host}/.well-known/mta-sts.txt", addresses, BOUNDS)
            if response.code != 200:  # a redirection must not be followed (RFC 8461 §3.3)
                raise _NoPolicy(f"{host} answered {response.code}")
            if response.kind != "text/plain":
                raise _NoPolicy(f"{host} says it is {response.kind!a} and not text/plain")
            return Held(identifier or "", self._clock.seconds(), parse_policy(response.body))
        except (LookupFailed, RequestFailed, PolicyError) as error:
            raise _NoPolicy(str(error), _FAILURES.get(type(error), TLSFailure.POLICY_NOT_FETCHED)) from error


_DEMANDS = {
    (Mode.ENFORCE, True): Demand.CERTIFICATE,
    (Mode.ENFORCE, False): Demand.REFUSED,
    (Mode.TESTING, True): Demand.TESTED,
    (Mode.TESTING, False): Demand.NOTHING,
}
"""Of a mode, for a server that the policy allows or does not."""


_FAILURES = {PolicyError: TLSFailure.POLICY_INVALID, ServerUntrusted: TLSFailure.POLICY_HOST_UNTRUSTED}


def _call(function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    return lambda: function(*arguments)


T = TypeVar("T")


def _put(table: OrderedDict[str, T], domain: str, value: T) -> None:
    """What was put there longest ago goes first."""
    table[domain] = value
    table.move_to_end(domain)
    if len(table) > MAX_REMEMBERED:
        table.popitem(last=False)
