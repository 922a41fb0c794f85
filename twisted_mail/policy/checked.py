"""A target around the router, for strangers: says of each message who sent it, and refuses or marks what is forged.

SPF and the client's names are looked up from the first recipient on, while the message is on its way; signatures and
DMARC when it is here.  DNS that does not answer never refuses a message for good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_mail.content import Blocking, Message, disk_refusal
from twisted_mail.eventlog import EventLog
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.message.evidence import counted, points_of, without_junk_fields
from twisted_mail.message.header import message_id_of
from twisted_mail.networks import Networks
from twisted_mail.policy.arc.verify import verify as verify_chain
from twisted_mail.policy.authors import author_domains
from twisted_mail.policy.authresults import authentication_results, without_results_of
from twisted_mail.policy.client import TIME_LIMIT, ClientChecks, ClientFindings
from twisted_mail.policy.dkim.verify import Result, verify
from twisted_mail.policy.dmarc import DMARCResult, Identifiers, Verdict, evaluate_all
from twisted_mail.policy.dns import Lookups, give_up, within
from twisted_mail.policy.findings import NO_CHAIN, Action, Findings, Handling, identifiers_of, trusted_forwarder
from twisted_mail.policy.judging import MEMORYLESS, Judge, Judgement
from twisted_mail.policy.lists import AddressLists, Standing
from twisted_mail.policy.suspicion import Known
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import FilterDelivery


def forget(findings: Findings, action: Action) -> None:
    """Where nobody is told."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    hostname: str
    """By which our fields are known."""
    trusted: Networks
    """Clients that are not checked."""
    handling: Callable[[str], Handling]
    """Of a domain of ours."""
    sealers: frozenset[str] = frozenset()
    """Domains of forwarders whose ARC seals are believed."""
    lists: AddressLists | None = None
    """Of clients; None: nobody is asked."""
    judge: Judge = MEMORYLESS
    """What becomes of the messages."""
    note: Callable[[Findings, Action], None] = forget
    """Told of each message."""


@implementer(IDeliveryTarget)
class Checked:
    """*target* for strangers, each message with what is to be thought of it."""

    log = EventLog()

    def __init__(
        self,
        target: IDeliveryTarget,
        options: CheckOptions,
        lookups: Lookups,
        disk: Blocking,
        clock: IReactorTime,
        random: Random,
    ) -> None:
        """*clock* gives Unix time, as a reactor does; *disk*: how to wait for it."""
        self.options = options
        self._target = target
        self._clients = ClientChecks(lookups, options.hostname, clock)
        self._lookups = lookups
        self._disk = disk
        self._clock = clock
        self._random = random

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        inner = await self._target.begin(origin, sender, options)
        if not origin.peer or origin.peer in self.options.trusted:
            return inner
        return _CheckedDelivery(inner, self, origin, sender)

    async def client(self, origin: Origin, sender: Address | None) -> ClientFindings:
        return await self._clients.find(origin, sender)

    async def findings(self, client: ClientFindings, message: Message) -> Findings:
        """Raises SMTPError: the disk is at fault."""
        signatures: Sequence[Result] = ()
        chain = NO_CHAIN
        names = message.header.lower()  # most messages have neither, and parsing the header costs more
        try:
            if b"dkim-signature" in names:
                signatures = await verify(message, self._lookups.txt, self._disk, self._clock.seconds())
            if b"arc-seal" in names or b"arc-message-signature" in names or b"arc-authentication-results" in names:
                chain = await verify_chain(message, self._lookups.txt, self._disk)
        except OSError as error:
            raise disk_refusal(error) from error
        authors = author_domains(message.header)
        if not authors:
            nobody = Verdict(DMARCResult.PERMERROR, reason="From: names no domain")
            return Findings(client, signatures, nobody, chain)
        verdict = await self._verdict(authors, identifiers_of(client, signatures))
        forwarder = trusted_forwarder(chain, self.options.sealers, verdict.domain)
        return Findings(client, signatures, verdict, chain, forwarder)

    async def _verdict(self, authors: Sequence[str], identifiers: Identifiers) -> Verdict:
        late = Verdict(DMARCResult.TEMPERROR, authors[0], reason="its look-ups take too long")
        work = evaluate_all(self._lookups, authors, identifiers, self._random.uniform(0.0, 99.999))
        return await within(TIME_LIMIT, work, self._clock, late)


class _CheckedDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, checked: Checked, origin: Origin, sender: Address | None) -> None:
        super().__init__(inner)
        self._checked = checked
        self._origin = origin
        self._sender = sender
        self._domains: set[str] = set()
        self._client: Deferred[ClientFindings] | None = None
        self._standing: Deferred[Standing] | None = None

    async def add_recipient(self, recipient: Recipient) -> None:
        await self._inner.add_recipient(recipient)
        self._domains.add(recipient.address.domain)
        if self._client is None:
            self._client = Deferred.fromCoroutine(self._checked.client(self._origin, self._sender))
            if (lists := self._checked.options.lists) is not None:
                self._standing = Deferred.fromCoroutine(lists.standing(self._origin.peer))

    async def rewrite(self, message: Message) -> Message:
        assert self._client is not None, "no recipient"
        options = self._checked.options
        findings = await self._checked.findings(await self._client, message)
        results = findings.results()
        wanted = findings.action(self._handling())
        options.note(findings, wanted)
        standing = Standing(self._origin.peer) if self._standing is None else await self._standing
        known = await options.judge.known(self._origin, findings, wanted, standing, message.header)
        judgement = await options.judge.judge(known, str(self._sender or ""), self._domains)
        self._note(message, " ".join(f"{each.method}={each.result}" for each in results), known, judgement)
        if judgement.refusal is not None:
            raise SMTPError(judgement.refusal)
        others = without_junk_fields(without_results_of(options.hostname, message.header))
        if others != b"\n" and not others.endswith(b"\n\n"):
            others += b"\n"  # else our field would make a header of what is none, forged results and all
        message = message.with_header(others).with_fields(authentication_results(options.hostname, results))
        return message.with_evidence(*judgement.evidence)

    def _note(self, message: Message, findings: str, known: Known, judgement: Judgement) -> None:
        texts = {"lists": str(known.lists), "greylisting": str(judgement.wait or "")}
        self._checked.log.info(
            "{findings} for the message from {sender}: {action}, {points:g} points",
            event="message.checked",
            findings=findings,
            sender=str(self._sender or ""),
            session=self._origin.session,
            id=message.id,
            message_id=message_id_of(message.header),
            peer=self._origin.peer,
            author=known.findings.dmarc.domain,
            action=judgement.action.value,
            points=points_of(judgement.evidence),
            evidence="; ".join(map(str, counted(judgement.evidence))),
            **{name: text for name, text in texts.items() if text},
        )

    def _handling(self) -> Handling:
        """The mildest of the recipients' domains: there is one answer for all."""
        handlings = {self._checked.options.handling(domain) for domain in self._domains}
        return Handling.TAG if Handling.TAG in handlings else Handling.REJECT

    def abort(self) -> None:
        self._inner.abort()
        for work in (self._client, self._standing):
            if work is not None and not work.called:
                give_up(work)
