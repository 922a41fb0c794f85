"""All that was found out about one message, what to do with it, and how its sender is told.  Pure."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import Enum

from twisted_mail.policy.arc.verify import Chain
from twisted_mail.policy.authresults import MethodResult, read_results
from twisted_mail.policy.client import ClientFindings
from twisted_mail.policy.dkim.signature import Verdict as SignatureVerdict
from twisted_mail.policy.dkim.verify import Result as SignatureResult
from twisted_mail.policy.dmarc import DMARCResult, Identifiers, Verdict
from twisted_mail.policy.dmarcrecord import Policy
from twisted_mail.policy.spfrecord import Result
from twisted_mail.smtp.reply import Reply

LONGEST_NAME = 70
"""Characters of a domain in a reply, whose lines are short (RFC 5321 §4.5.3.1.5)."""
NO_CHAIN = Chain(SignatureVerdict.NONE)


class Handling(Enum):
    """What a domain of ours does with mail that fails the owner's policy."""

    REJECT = "reject"
    """What the owner says: refuse it, or keep it apart (`quarantine`)."""
    TAG = "tag"
    """Nothing: Authentication-Results tell."""


class Action(Enum):
    ACCEPT = "accept"
    JUNK = "junk"
    """Accept it, and keep it apart."""
    GREYLIST = "greylist"
    """Not now: who sends it shall come again."""
    DEFER = "defer"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Findings:
    client: ClientFindings
    signatures: Sequence[SignatureResult]
    dmarc: Verdict
    chain: Chain = NO_CHAIN
    """Of those that have forwarded the message (ARC)."""
    forwarder: str = ""
    """The trusted one that says that DMARC was good when it came there; empty: nobody."""

    def results(self) -> list[MethodResult]:
        """As in Authentication-Results."""
        signatures = [
            MethodResult(
                "dkim",
                each.verdict.value,
                {"header.d": each.domain, "header.s": each.selector, "header.a": each.algorithm, "header.b": each.mark},
                each.reason,
            )
            for each in self.signatures
        ]
        dkim = signatures or [MethodResult("dkim", "none")]
        return [*self.client.results(), *dkim, *self._arc_results(), self._dmarc_result()]

    def _arc_results(self) -> list[MethodResult]:
        chain = self.chain
        if chain.verdict is SignatureVerdict.NONE:
            return []
        path = f"sealed by {', '.join(chain.sealers)}" if chain.sealers else ""
        comment = "; ".join(text for text in (chain.reason, path) if text)
        return [MethodResult("arc", chain.verdict.value, {"smtp.remote-ip": self.client.address}, comment)]

    def _dmarc_result(self) -> MethodResult:
        verdict = self.dmarc
        comment = f"p={verdict.record.policy.value}" if verdict.record is not None else verdict.reason
        if self.forwarder and verdict.result is DMARCResult.FAIL:
            comment += f", was good at {self.forwarder}"
        properties = {"header.from": verdict.domain}
        if verdict.policy_domain != verdict.domain:
            properties["polrec.domain"] = verdict.policy_domain
        return MethodResult("dmarc", verdict.result.value, properties, comment)

    def action(self, handling: Handling) -> Action:
        if handling is Handling.TAG or self.forwarder:
            return Action.ACCEPT
        return _ACTIONS.get((self.dmarc.policy, self.dmarc.result), Action.ACCEPT)

    @property
    def proven(self) -> str:
        """The author's domain, where it is that; empty: nobody knows."""
        return self.dmarc.domain if self.dmarc.result is DMARCResult.PASS else ""

    @property
    def suspicion(self) -> str:
        """Why the message is junk, where `action` says so: for the user."""
        owner = self.dmarc.policy_domain
        return f"not proven to be from {self.dmarc.domain} (DMARC p=quarantine of {owner})"

    def refusal(self) -> Reply:
        """Which check failed, and what the sender's administrator should do."""
        domain, client = _shown(self.dmarc.domain), self.client
        if self.dmarc.result is DMARCResult.TEMPERROR:
            text = f"Whether this mail is from {domain} cannot be looked up just now; try again later"
            return Reply(451, "7.26", text)
        asks = f"{domain} asks others to refuse mail that is not proven to be its own (DMARC p=reject of "
        asks += _shown(self.dmarc.policy_domain)
        spf = f"SPF says {client.spf.result.value} for {_shown(client.spf.domain) or 'a sender without domain'}"
        todo = f"The administrator of {domain} can list {client.address} in its SPF record and send with its domain in"
        return Reply(
            550,
            "7.26",
            f"{asks})\n{spf} from {client.address}; DKIM: {self._signatures_in_words()}\n"
            f"{todo}\nthe envelope, or sign with DKIM as {domain}; a forwarder must not change what is signed",
        )

    def _signatures_in_words(self) -> str:
        if not self.signatures:
            return "there is no signature"
        return ", ".join(f"{each.verdict.value} for {_shown(each.domain) or '?'}" for each in self.signatures[:3])


def trusted_forwarder(chain: Chain, trusted: Container[str], author: str) -> str:
    """The sealer that says that a message of *author* was good, if it and all after it are trusted; else empty."""
    if chain.verdict is not SignatureVerdict.PASS:
        return ""
    found = ""
    for sealer, field in zip(reversed(chain.sealers), reversed(chain.results), strict=True):
        if sealer not in trusted:
            break
        if any(_is_good(result, author) for result in read_results(field.partition(b";")[2])):
            found = sealer
    return found


def _is_good(result: MethodResult, author: str) -> bool:
    return (
        result.method == "dmarc"
        and result.result == DMARCResult.PASS.value
        and result.properties.get("header.from", author).lower() == author
    )


def _shown(domain: str) -> str:
    return domain if len(domain) <= LONGEST_NAME else f"...{domain[-LONGEST_NAME:]}"


_ACTIONS = {
    (Policy.REJECT, DMARCResult.FAIL): Action.REJECT,
    (Policy.REJECT, DMARCResult.TEMPERROR): Action.DEFER,
    (Policy.QUARANTINE, DMARCResult.FAIL): Action.JUNK,
}


def identifiers_of(client: ClientFindings, signatures: Sequence[SignatureResult]) -> Identifiers:
    """What DMARC may count on."""
    passed = tuple(each.domain for each in signatures if each.verdict is SignatureVerdict.PASS)
    uncertain = client.spf.result is Result.TEMPERROR or any(
        each.verdict is SignatureVerdict.TEMPERROR for each in signatures
    )
    return Identifiers((client.spf.domain,) if client.spf.result is Result.PASS else (), passed, uncertain)
