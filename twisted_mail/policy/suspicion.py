"""What speaks for junk in a stranger's message, and what against it, before anybody has read it: a table.  Pure.

A single weak finding decides nothing, and an honest small server has several: without reverse DNS, with a wrong name in
HELO, a softfail of SPF and no Message-ID it is still below ENOUGH.  What DNS does not answer is in no row
(docs/decisions/0033).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted_mail.message.evidence import ENOUGH, Evidence
from twisted_mail.policy.client import ClientFindings, Reverse
from twisted_mail.policy.dmarc import DMARCResult
from twisted_mail.policy.esteem import Esteem
from twisted_mail.policy.findings import Action, Findings
from twisted_mail.policy.hello import Hello
from twisted_mail.policy.lists import Standing
from twisted_mail.policy.spfrecord import Result
from twisted_mail.smtp.envelope import Origin


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of a message when its points are counted."""

    origin: Origin
    findings: Findings
    wanted: Action
    """By the owner of the author's domain, as the recipient's domain wants it (`Findings.action`)."""
    lists: Standing
    esteem: Sequence[Esteem]
    """Of its network and, if it is proven, of the author's domain."""
    fields: frozenset[str]
    """As `wanted_fields` has them."""

    @property
    def client(self) -> ClientFindings:
        return self.findings.client

    @property
    def excuses_spf(self) -> bool:
        """A failure of SPF says nothing: the author is proven otherwise, or a trusted forwarder stands between."""
        return self.findings.dmarc.result is DMARCResult.PASS or bool(self.findings.forwarder)

    @property
    def denies_hello(self) -> bool:
        """The owner of the name in HELO says that the client is somebody else."""
        return self.client.hello is not None and self.client.hello.result is Result.FAIL


def wanted_fields(header: bytes) -> frozenset[str]:
    """Which of those are there that each message should have (RFC 5322 §3.6); in lower case."""
    return frozenset(name.decode().lower() for name in _WANTED.findall(header))


_WANTED = re.compile(rb"^(from|date|message-id)[ \t]*:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    points: float
    reason: str
    """A format, which has a Known as `k`."""
    holds: Callable[[Known], bool]


def _called(hello: Hello) -> Callable[[Known], bool]:
    return lambda k: k.client.called is hello


def _reverse(reverse: Reverse) -> Callable[[Known], bool]:
    return lambda k: k.client.reverse is reverse


def _spf(result: Result) -> Callable[[Known], bool]:
    return lambda k: k.client.spf.result is result and not k.excuses_spf


def _lacks(field: str) -> Callable[[Known], bool]:
    return lambda k: field not in k.fields


TABLE: Sequence[Row] = (
    Row(ENOUGH, "{k.findings.suspicion}", lambda k: k.wanted is Action.JUNK),
    Row(ENOUGH, "{k.lists.reason}", lambda k: k.lists.is_blocked),
    Row(-3.0, "{k.lists.praise}", lambda k: bool(k.lists.allowed_by)),
    Row(2.5, "{k.client.address} spoke before it was greeted", lambda k: k.origin.early),
    Row(1.5, "{k.client.address} has no name in DNS", _reverse(Reverse.PERMERROR)),
    Row(1.0, "{k.client.address} has a name in DNS that is not its own", _reverse(Reverse.FAIL)),
    Row(3.0, "calls itself {k.origin.hello}, which is this server", _called(Hello.OURS)),
    Row(1.5, "calls itself {k.origin.hello}, which is not the name of a server", _called(Hello.NO_NAME)),
    Row(1.5, "calls itself {k.origin.hello}, which is no name", _called(Hello.BARE_ADDRESS)),
    Row(0.5, "calls itself {k.origin.hello}, which is no name", _called(Hello.LITERAL)),
    Row(1.0, "calls itself {k.origin.hello}, which does not exist", _called(Hello.MISSING)),
    Row(0.5, "calls itself {k.origin.hello}, which is another address", _called(Hello.ELSEWHERE)),
    Row(1.0, "calls itself {k.origin.hello}, which SPF denies", lambda k: k.denies_hello),
    Row(2.0, "{k.client.address} may not send for {k.client.spf.domain} (SPF)", _spf(Result.FAIL)),
    Row(1.0, "{k.client.address} should not send for {k.client.spf.domain} (SPF)", _spf(Result.SOFTFAIL)),
    Row(-0.5, "proven to be from {k.findings.proven} (DMARC)", lambda k: bool(k.findings.proven)),
    Row(1.0, "has no author", _lacks("from")),
    Row(0.5, "has no date", _lacks("date")),
    Row(0.5, "has no Message-ID", _lacks("message-id")),
)


def evidence_of(known: Known) -> tuple[Evidence, ...]:
    """In the order of the table; what users have said comes last."""
    found = [Evidence(row.points, row.reason.format(k=known)) for row in TABLE if row.holds(known)]
    # of a domain, if anything was said of it: many senders share the networks of the large providers
    said = next((each for esteem in reversed(known.esteem) if (each := esteem.evidence())), None)
    return (*found, said) if said is not None else tuple(found)
