"""Reports about TLS on the way to a domain, as JSON (RFC 8460 §4), read.  What is read comes from anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twisted_mail.policy.aggregate import LONGEST_TEXT, ReportError

MAX_POLICIES = 10_000


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


def read_tls_report(document: bytes) -> list[TLSResult]:
    """Raises ReportError."""
    try:
        report = json.loads(document)
        return list(_results(report))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
    return "".join(c if c.isprintable() else "?" for c in str(value))[:LONGEST_TEXT]
