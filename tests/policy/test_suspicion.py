"""How findings become points: the rows of the table, and what they add up to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twisted_mail.message.evidence import ENOUGH, Evidence, is_junk, points_of
from twisted_mail.policy.client import ClientFindings, Reverse
from twisted_mail.policy.dmarc import DMARCResult, Verdict
from twisted_mail.policy.esteem import Esteem, Voice
from twisted_mail.policy.findings import Action, Findings
from twisted_mail.policy.hello import Hello
from twisted_mail.policy.lists import Standing
from twisted_mail.policy.spf import Outcome
from twisted_mail.policy.spfrecord import Result
from twisted_mail.policy.suspicion import TABLE, Known, evidence_of, wanted_fields
from twisted_mail.smtp.envelope import Origin

HERE = "192.0.2.1"
ALL_FIELDS = frozenset({"from", "date", "message-id"})


def known(
    *,
    spf: Result = Result.NONE,
    hello_spf: Result = Result.NONE,
    reverse: Reverse = Reverse.PASS,
    called: Hello = Hello.GOOD,
    dmarc: DMARCResult = DMARCResult.NONE,
    forwarder: str = "",
    **more: object,
) -> Known:
    """An honest server's message, but for what is named."""
    outcome, hello = Outcome(spf, "example.net"), Outcome(hello_spf, "mx.example.net")
    client = ClientFindings(HERE, outcome, "a@example.net", reverse, "mx.example.net", hello, called)
    findings = Findings(client, (), Verdict(dmarc, "example.net", policy_domain="example.net"), forwarder=forwarder)
    origin = Origin(HERE, "5e55", hello="mx.example.net", extended=True)
    honest = Known(origin, findings, Action.ACCEPT, Standing(HERE), (), ALL_FIELDS)
    return replace(honest, **more)  # type: ignore[arg-type]  # each field by its name


EARLY = Origin(HERE, "5e55", hello="mx.example.net", early=True)


@pytest.mark.parametrize(
    ("finding", "points", "reason"),
    [
        (known(wanted=Action.JUNK), ENOUGH, "not proven to be from example.net (DMARC p=quarantine of example.net)"),
        (known(lists=Standing(HERE, ("bl (127.0.0.2)",))), ENOUGH, "192.0.2.1 is on bl (127.0.0.2)"),
        (known(lists=Standing(HERE, ("bl",), ("wl (127.0.5.1)",))), -3, "192.0.2.1 is on wl (127.0.5.1)"),
        (known(origin=EARLY), 2.5, "192.0.2.1 spoke before it was greeted"),
        (known(reverse=Reverse.PERMERROR), 1.5, "192.0.2.1 has no name in DNS"),
        (known(reverse=Reverse.FAIL), 1, "192.0.2.1 has a name in DNS that is not its own"),
        (known(called=Hello.OURS), 3, "calls itself mx.example.net, which is this server"),
        (known(called=Hello.NO_NAME), 1.5, "calls itself mx.example.net, which is not the name of a server"),
        (known(called=Hello.BARE_ADDRESS), 1.5, "calls itself mx.example.net, which is no name"),
        (known(called=Hello.LITERAL), 0.5, "calls itself mx.example.net, which is no name"),
        (known(called=Hello.MISSING), 1, "calls itself mx.example.net, which does not exist"),
        (known(called=Hello.ELSEWHERE), 0.5, "calls itself mx.example.net, which is another address"),
        (known(hello_spf=Result.FAIL), 1, "calls itself mx.example.net, which SPF denies"),
        (known(spf=Result.FAIL), 2, "192.0.2.1 may not send for example.net (SPF)"),
        (known(spf=Result.SOFTFAIL), 1, "192.0.2.1 should not send for example.net (SPF)"),
        (known(dmarc=DMARCResult.PASS), -0.5, "proven to be from example.net (DMARC)"),
        (known(spf=Result.FAIL, dmarc=DMARCResult.PASS), -0.5, "proven to be from example.net (DMARC)"),
        (known(fields=ALL_FIELDS - {"from"}), 1, "has no author"),
        (known(fields=ALL_FIELDS - {"date"}), 0.5, "has no date"),
        (known(fields=ALL_FIELDS - {"message-id"}), 0.5, "has no Message-ID"),
        (known(esteem=[Esteem("192.0.2.0/24", [Voice(1, 0)])]), 0.5, "a user has called mail from 192.0.2.0/24 junk"),
    ],
)
def test_each_finding_has_its_points_and_a_reason(finding: Known, points: float, reason: str) -> None:
    assert evidence_of(finding) == (Evidence(points, reason),)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"From: a@example.net\nDATE : now\nMessage-Id:\n <1@x>\n\n", {"from", "date", "message-id"}),
        (b"X-From: a\nSubject: x\n Date: now\nno from: field\n\n", set()),
        (b"\n", set()),
    ],
)
def test_fields_that_each_message_should_have_are_found(header: bytes, found: set[str]) -> None:
    assert wanted_fields(header) == found


def test_every_row_is_in_that_table_of_cases() -> None:
    (mark,) = (m for m in test_each_finding_has_its_points_and_a_reason.pytestmark if m.name == "parametrize")  # type: ignore[attr-defined]
    findings = [case[0] for case in mark.args[1]]
    assert [row for row in TABLE if not any(row.holds(finding) for finding in findings)] == []


@pytest.mark.parametrize(
    "finding",
    [
        known(),
        known(spf=Result.PASS),
        known(spf=Result.TEMPERROR, hello_spf=Result.TEMPERROR, reverse=Reverse.TEMPERROR, called=Hello.UNKNOWN),
        known(spf=Result.PERMERROR),
        known(dmarc=DMARCResult.TEMPERROR),
        known(spf=Result.FAIL, dmarc=DMARCResult.FAIL, forwarder="lists.example"),
    ],
)
def test_what_is_good_or_cannot_be_known_counts_nothing(finding: Known) -> None:
    assert evidence_of(finding) == ()


def test_honest_server_that_nobody_looks_after_is_no_junk() -> None:
    neglected = known(
        reverse=Reverse.PERMERROR, called=Hello.MISSING, spf=Result.SOFTFAIL, fields=ALL_FIELDS - {"message-id"}
    )
    assert points_of(evidence_of(neglected)) == 4


def test_program_that_sends_junk_from_a_home_is() -> None:
    assert is_junk(evidence_of(known(reverse=Reverse.PERMERROR, called=Hello.NO_NAME, spf=Result.FAIL)))


def test_no_row_that_is_no_verdict_of_somebody_else_decides_alone() -> None:
    assert [row.reason for row in TABLE if row.points >= ENOUGH] == ["{k.findings.suspicion}", "{k.lists.reason}"]
    assert all(row.points <= 3 for row in TABLE if row.points < ENOUGH)


@pytest.mark.parametrize(
    "decided", [known(wanted=Action.JUNK), known(lists=Standing(HERE, ("bl",)), dmarc=DMARCResult.PASS)]
)
def test_nothing_speaks_in_favour_where_a_finding_is_enough(decided: Known) -> None:
    praised = replace(decided, esteem=[Esteem("192.0.2.0/24", [Voice(0, 20)] * 9)])
    assert points_of(evidence_of(praised)) == ENOUGH


def test_what_was_said_of_the_author_counts_before_what_was_said_of_the_network() -> None:
    bad, good = Esteem("192.0.2.0/24", [Voice(5, 0)] * 4), Esteem("example.net", [Voice(0, 1)])
    assert points_of(evidence_of(known(esteem=[bad, good]))) == -0.5
    assert points_of(evidence_of(known(esteem=[bad, Esteem("example.net")]))) == 3
