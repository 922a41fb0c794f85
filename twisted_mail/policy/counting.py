"""Counts what is seen of other domains, for the reports to their owners: DMARC of the messages that come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail.content import Blocking
from twisted_mail.periodic import Periodic
from twisted_mail.policy.aggregate import Row
from twisted_mail.policy.dmarc import DMARCResult
from twisted_mail.policy.dmarcrecord import Policy
from twisted_mail.policy.findings import Action, Findings
from twisted_mail.policy.resultstore import R, ResultStore

WRITE_EVERY = 60.0
"""Seconds between what is counted in memory and on disk."""


class Counting(Generic[R]):
    """What this process has seen, on its way into the store that all share."""

    _log = Logger()

    def __init__(self, store: ResultStore[R], disk: Blocking, clock: IReactorTime) -> None:
        """*clock* gives Unix time, as a reactor does."""
        self._store = store
        self._disk = disk
        self._clock = clock
        trouble = "a minute of what is seen of other domains is not counted"
        self._timer = Periodic(self._write, WRITE_EVERY, clock, self._log, trouble)

    def add(self, domain: str, record: str, row: R) -> None:
        """One more of that kind.  *record*: by which the owner of *domain* asks for reports.  Does not block."""
        self._store.count(self._clock.seconds(), domain, record, row)

    def start(self) -> None:
        self._timer.start(at_once=False)

    def stop(self) -> None:
        """Blocks for the disk."""
        self._timer.stop()
        self._store.write(self._store.take())
        self._store.close()

    def _write(self) -> Deferred[object]:
        counts = self._store.take()
        return self._disk(lambda: self._store.write(counts))


def noting(counting: Counting[Row]) -> Callable[[Findings, Action], None]:
    """What is told of each message that was checked."""

    def note(findings: Findings, action: Action) -> None:
        verdict = findings.dmarc
        if verdict.record is not None and verdict.record.reports and verdict.result in _COUNTED:
            counting.add(verdict.policy_domain, verdict.record.text, row_of(findings, action))

    return note


_DISPOSITIONS = {Action.REJECT: Policy.REJECT.value, Action.JUNK: Policy.QUARANTINE.value}
_COUNTED = (DMARCResult.PASS, DMARCResult.FAIL)


def row_of(findings: Findings, action: Action) -> Row:
    """In the words of a report."""
    verdict, client = findings.dmarc, findings.client
    has_passed = verdict.result is DMARCResult.PASS
    disposition = "pass" if has_passed else _DISPOSITIONS.get(action, "none")
    signatures = tuple((each.domain, each.selector, each.verdict.value) for each in findings.signatures if each.domain)
    reason, comment = ("", "") if has_passed else _reason(findings, action)
    return Row(
        source=client.address,
        disposition=disposition,
        dkim="pass" if verdict.dkim_aligned else "fail",
        spf="pass" if verdict.spf_aligned else "fail",
        header_from=verdict.domain,
        envelope_from=client.sender.rpartition("@")[2],
        spf_domain=client.spf.domain,
        spf_result=client.spf.result.value,
        signatures=signatures,
        reason=reason,
        comment=comment,
    )


def _reason(findings: Findings, action: Action) -> tuple[str, str]:
    """Why a message that failed was not treated as its owner wants."""
    verdict = findings.dmarc
    if findings.forwarder:
        return "trusted_forwarder", f"arc=pass, was good at {findings.forwarder}"
    if verdict.sampled_out:
        return "policy_test_mode", ""
    is_milder = verdict.policy is not Policy.NONE and _DISPOSITIONS.get(action) != verdict.policy.value
    return ("local_policy", "") if is_milder else ("", "")
