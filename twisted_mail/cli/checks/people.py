"""Addresses that must be there whatever else is: others report problems to them."""

from __future__ import annotations

from collections.abc import Iterator

from twisted_mail.cli.checks.finding import Finding, Situation, advice, fault, ok

REQUIRED = ("postmaster",)
"""RFC 5321 §4.5.1."""
EXPECTED = ("abuse",)
"""RFC 2142 §4."""


def check_addresses(situation: Situation) -> Iterator[Finding]:
    if not situation.domains:
        yield fault("there is no domain yet, so all mail is refused", "mailserver domain add example.org")
    if situation.is_local_only and any(domain.missing for domain in situation.domains):
        yield ok("the server listens on this machine only, so nobody writes to its postmasters")
        return
    for domain in situation.domains:
        for address in domain.missing:
            local_part = address.partition("@")[0]
            remedy = f"mailserver alias add {address} ACCOUNT@{domain.name}"
            if local_part in REQUIRED:
                yield fault(f"there is no {address}, to whom other servers' owners write about problems", remedy)
            else:
                yield advice(f"there is no {address}, to whom people complain about spam", remedy)
        if not domain.missing:
            yield ok(f"mail for {' and '.join((*REQUIRED, *EXPECTED))} of {domain.name} arrives")
