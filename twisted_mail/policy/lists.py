"""Lists of addresses in DNS: who is blocked, and who is allowed whatever the others say (RFC 5782).

A list can do no more than list: one that does not answer, that does not want our questions, or whose domain belongs to
somebody else by now, says nothing.  One that fails again and again is not asked for a while, so that nobody waits.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail.networks import Networks, parse_network
from twisted_mail.policy.dns import LookupFailed, Lookups, give_up
from twisted_mail.smtp.reply import Reply

PATIENCE = 3
"""Failures in a row."""
REST = 300.0
"""Seconds for which a list is not asked after that."""
ANSWERS = Networks((parse_network("127.0.0.0/8"),))
"""That mean something (RFC 5782 §2.3)."""
REFUSALS = Networks(tuple(map(parse_network, ("127.255.255.0/24", "127.0.0.1"))))
"""By which lists say that they do not want to be asked: too often, or through a public resolver."""
ALLOWING_REFUSALS = Networks((parse_network("127.0.0.255"),))
"""The same, of allow lists."""


@dataclass(frozen=True, slots=True)
class DNSList:
    zone: str
    codes: Networks | None = None
    """Answers that count; None: all that mean something."""

    def says(self, answer: str) -> bool:
        """Whether *answer*, an address, means that somebody is on the list."""
        return answer in ANSWERS and (self.codes is None or answer in self.codes)

    def question(self, address: str) -> str:
        """The name to look up for an IP address (RFC 5782 §2.1, §2.4)."""
        ip = ipaddress.ip_address(address.partition("%")[0])
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        return f"{(mapped or ip).reverse_pointer.removesuffix('.arpa').rpartition('.')[0]}.{self.zone}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the lists say of one address."""

    address: str
    blocked_by: tuple[str, ...] = ()
    """As `bl.example.net (127.0.0.2)`."""
    allowed_by: tuple[str, ...] = ()

    @property
    def is_blocked(self) -> bool:
        return bool(self.blocked_by) and not self.allowed_by

    @property
    def reason(self) -> str:
        """Why mail from there is junk."""
        return f"{self.address} is on {', '.join(self.blocked_by)}"

    @property
    def praise(self) -> str:
        """Why it is not."""
        return f"{self.address} is on {', '.join(self.allowed_by)}"

    def refusal(self) -> Reply:
        text = f"{self.address} is on the list {self.blocked_by[0]}\nAsk those who keep that list to take it off"
        return Reply(550, "7.1", text)

    def __str__(self) -> str:
        parts = (("blocked by ", self.blocked_by), ("allowed by ", self.allowed_by))
        return "; ".join(f"{what}{', '.join(lists)}" for what, lists in parts if lists)


class AddressLists:
    """Asks them all at the same time."""

    log = Logger()

    def __init__(
        self, lookups: Lookups, blocking: Sequence[DNSList], allowing: Sequence[DNSList], clock: IReactorTime
    ) -> None:
        self._lookups = lookups
        self._blocking = blocking
        self._allowing = allowing
        self._clock = clock
        self._failures: dict[str, int] = {}
        """Zone -> in a row."""
        self._resting: dict[str, float] = {}
        """Zone -> until when."""
        self._refused: set[str] = set()
        """Zones of which that was logged."""

    async def standing(self, address: str) -> Standing:
        blocking = self._begin(self._blocking, address, None)
        allowing = self._begin(self._allowing, address, ALLOWING_REFUSALS)
        try:
            blocked_by = [await each for each in blocking]
            allowed_by = [await each for each in allowing]
        finally:
            for work in (*blocking, *allowing):
                give_up(work)
        return Standing(address, tuple(filter(None, blocked_by)), tuple(filter(None, allowed_by)))

    def _begin(self, lists: Sequence[DNSList], address: str, refusals: Networks | None) -> list[Deferred[str]]:
        now = self._clock.seconds()
        asked = [each for each in lists if self._resting.get(each.zone, 0.0) <= now]
        return [Deferred.fromCoroutine(self._ask(each, address, refusals)) for each in asked]

    async def _ask(self, each: DNSList, address: str, refusals: Networks | None) -> str:
        """The list and its answer; empty: it says nothing."""
        try:
            answers = await self._lookups.addresses(each.question(address), 4)
        except LookupFailed as error:
            self._note_failure(each.zone, error)
            return ""
        self._failures.pop(each.zone, None)
        for answer in answers:
            chosen = each.codes is not None and each.says(answer) and not answer.startswith("127.255.255.")
            if not chosen and (answer not in ANSWERS or answer in REFUSALS or (refusals and answer in refusals)):
                self._note_refusal(each.zone, answer)
            elif each.says(answer):
                return f"{each.zone} ({answer})"
        return ""

    def _note_failure(self, zone: str, error: LookupFailed) -> None:
        self._failures[zone] = self._failures.get(zone, 0) + 1
        if self._failures[zone] < PATIENCE:
            return
        del self._failures[zone]
        self._resting[zone] = self._clock.seconds() + REST
        self.log.warn(
            "the list {zone} does not answer ({error}) and is not asked for {rest} seconds; mail comes without it",
            zone=zone,
            error=str(error),
            rest=int(REST),
        )

    def _note_refusal(self, zone: str, answer: str) -> None:
        if zone in self._refused:
            return
        self._refused.add(zone)
        self.log.warn(
            "the list {zone} answers {answer}, which lists nobody: it does not want our questions, or is no list any"
            " more; ask it through a resolver of your own, or take it out of [junk]",
            zone=zone,
            answer=answer,
        )
