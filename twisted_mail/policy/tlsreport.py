"""Reports about TLS on the way to a domain, as JSON (RFC 8460 §4), written and read.  What is read is from anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from twisted_mail.policy.aggregate import LONGEST_TEXT, ReportError
from twisted_mail.printable import printable

MAX_POLICIES = 10_000


@dataclass(frozen=True, slots=True)
class TLSSession:
    """Connections to servers of a domain that were alike, in the words of the report."""

    policy_type: str
    """`sts`, `tlsa` or `no-policy-found`."""
    policy: tuple[str, ...] = ()
    """Its lines, or TLSA records."""
    hosts: tuple[str, ...] = ()
    """`mx` of an MTA-STS policy."""
    failure: str = ""
    """A result type of RFC 8460 §4.3; empty: TLS was as the policy wants it."""
    sending_address: str = ""
    receiving_host: str = ""
    receiving_address: str = ""
    reason: str = ""
    """In words, for a failure."""


@dataclass(frozen=True, slots=True)
class TLSReport:
    organization: str
    contact: str
    """An address."""
    id: str
    begin: int
    """Seconds since 1970; also `end`, which is the last second."""
    end: int
    domain: str
    sessions: Sequence[tuple[TLSSession, int]]


@dataclass(frozen=True, slots=True)
class TLSResult:
    """What one sender met under one policy in a day."""

    organization: str
    begin: str
    """As it is written, `2026-11-20T00:00:00Z`."""
    domain: str
    policy: str
    """`sts`, `tlsa` or `no-policy-found`."""
    successes: int
    failures: int
    reasons: tuple[str, ...]
    """The result types of what failed, each with its number."""


def write_tls_report(report: TLSReport) -> bytes:
    """The JSON document."""
    policies: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[tuple[TLSSession, int]]] = {}
    for session, count in report.sessions:
        policies.setdefault((session.policy_type, session.policy, session.hosts), []).append((session, count))
    document = {
        "organization-name": report.organization,
        "date-range": {"start-datetime": _moment(report.begin), "end-datetime": _moment(report.end)},
        "contact-info": report.contact,
        "report-id": report.id,
        "policies": [_policy(report.domain, sessions) for sessions in policies.values()],
    }
    return json.dumps(document, indent=1).encode()


def _policy(domain: str, sessions: Sequence[tuple[TLSSession, int]]) -> dict[str, Any]:
    """What was met under one policy."""
    one = sessions[0][0]
    about = {"policy-type": one.policy_type, "policy-string": one.policy, "policy-domain": domain, "mx-host": one.hosts}
    failures = [(session, count) for session, count in sessions if session.failure]
    failed = sum(count for _, count in failures)
    return {
        "policy": {name: value for name, value in about.items() if value},
        "summary": {
            "total-successful-session-count": sum(count for _, count in sessions) - failed,
            "total-failure-session-count": failed,
        },
        "failure-details": [_failure(session, count) for session, count in failures],
    }


def _failure(session: TLSSession, count: int) -> dict[str, Any]:
    details = {
        "result-type": session.failure,
        "sending-mta-ip": session.sending_address,
        "receiving-mx-hostname": session.receiving_host,
        "receiving-ip": session.receiving_address,
        "failed-session-count": count,
        "failure-reason-code": session.reason,
    }
    return {name: value for name, value in details.items() if value != ""}


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_tls_report(document: bytes) -> list[TLSResult]:
    """Raises ReportError."""
    try:
        report = json.loads(document)
        return list(_results(report))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ReportError("it is not a report of RFC 8460") from error


def _results(report: Mapping[str, Any]) -> Iterator[TLSResult]:
    for each in report["policies"][:MAX_POLICIES]:
        summary, policy = each["summary"], each["policy"]
        details = each.get("failure-details") or []
        yield TLSResult(
            _line(report["organization-name"]),
            _line(report["date-range"]["start-datetime"]),
            _line(policy["policy-domain"]),
            _line(policy["policy-type"]),
            int(summary["total-successful-session-count"]),
            int(summary["total-failure-session-count"]),
            tuple(f"{_line(one['result-type'])} {int(one['failed-session-count'])}" for one in details[:100]),
        )


def _line(value: object) -> str:
    return printable(str(value))[:LONGEST_TEXT]
