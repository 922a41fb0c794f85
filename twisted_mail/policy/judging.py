"""What becomes of a stranger's message, by all that is known of it when it is here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from twisted_mail.message.evidence import Evidence, is_junk, points_of
from twisted_mail.policy.acquaintances import Acquaintances
from twisted_mail.policy.findings import Action, Findings
from twisted_mail.policy.greylist import Greylisting, Wait
from twisted_mail.policy.lists import Standing
from twisted_mail.policy.reputation import subjects
from twisted_mail.policy.suspicion import Known, evidence_of, wanted_fields
from twisted_mail.smtp.envelope import Origin
from twisted_mail.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Judgement:
    action: Action
    evidence: tuple[Evidence, ...]
    refusal: Reply | None = None
    """For those actions with which it is not taken."""
    wait: Wait | None = None
    """None: it was not asked whether it has to wait."""


@dataclass(frozen=True, slots=True)
class Judge:
    rejects_listed: bool = False
    """Mail from a blocked client is refused, not junk."""
    acquaintances: Acquaintances | None = None
    """None: nobody is known."""
    greylisting: Greylisting | None = None
    """None: nobody has to wait."""

    async def known(self, origin: Origin, findings: Findings, wanted: Action, lists: Standing, header: bytes) -> Known:
        """With what is thought of the sender."""
        about = subjects(origin.peer, findings.proven)
        esteem = await self.acquaintances.esteem(about) if self.acquaintances is not None else ()
        return Known(origin, findings, wanted, lists, esteem, wanted_fields(header))

    async def judge(self, known: Known, sender: str, domains: Iterable[str]) -> Judgement:
        """*sender*: of the envelope, may be empty; *domains*: the recipients'."""
        evidence = evidence_of(known)
        if known.wanted in (Action.REJECT, Action.DEFER):
            return Judgement(known.wanted, evidence, known.findings.refusal())
        if known.lists.is_blocked and self.rejects_listed:
            return Judgement(Action.REJECT, evidence, known.lists.refusal())
        wait = None
        if self.greylisting is not None and self._may_have_to_wait(known, evidence, self.greylisting.terms.points):
            wait = await self.greylisting.ask(known.origin.peer, sender, domains)
            if wait.seconds:
                return Judgement(Action.GREYLIST, evidence, wait.refusal(), wait)
        if is_junk(evidence):
            return Judgement(Action.JUNK, evidence, wait=wait)
        if self.acquaintances is not None:
            self.acquaintances.note(esteem.subject for esteem in known.esteem)
        return Judgement(Action.ACCEPT, evidence, wait=wait)

    def _may_have_to_wait(self, known: Known, evidence: tuple[Evidence, ...], enough: float) -> bool:
        """Nobody whom users or this server know well, or an allow list does."""
        is_known = known.lists.allowed_by or any(esteem.is_good for esteem in known.esteem)
        return not is_known and points_of(evidence) >= enough


MEMORYLESS = Judge()
"""It knows nobody, and lets nobody wait."""
