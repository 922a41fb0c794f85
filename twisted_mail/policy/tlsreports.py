"""Reports about TLS on the way to a domain, where its TLSRPT record asks for them (RFC 8460).

Whoever opens connections to other servers counts them: `Counting.add(domain, "", TLSSession(...))`.  `Reporting` with
this kind sends what was counted.
"""

from __future__ import annotations

import re

from twisted_mail.policy.dns import Lookups
from twisted_mail.policy.reporting import ReportLetter
from twisted_mail.policy.reportmail import compose_tls_report
from twisted_mail.policy.resultstore import DAY, Day
from twisted_mail.policy.tlsreport import TLSReport, TLSSession
from twisted_mail.smtp.address import Address, AddressError, parse_address

LONGEST_RECORD = 10_000
MAX_ADDRESSES = 10


class TLSReports:
    """From *sender*, an address of *hostname*'s administrator."""

    def __init__(self, lookups: Lookups, sender: Address, hostname: str) -> None:
        self._lookups = lookups
        self._sender = sender
        self._hostname = hostname

    async def compose(self, day: Day[TLSSession], identifier: str, now: float) -> ReportLetter | None:
        texts = [text for text in await self._lookups.txt(f"_smtp._tls.{day.domain}") if is_tlsrpt(text)]
        recipients = addresses_in(texts[0]) if len(texts) == 1 else []  # several count as none (RFC 8460 §3)
        if not recipients:
            return None
        begin = day.day * DAY
        contact = str(self._sender)
        report = TLSReport(self._hostname, contact, identifier, begin, begin + DAY - 1, day.domain, day.rows)
        text = compose_tls_report(report, [str(each) for each in recipients], now)
        return ReportLetter(self._sender, recipients, text)


def is_tlsrpt(text: bytes) -> bool:
    return re.match(rb"v=TLSRPTv1[ \t]*;", text) is not None


def addresses_in(record: bytes) -> list[Address]:
    """Those of `rua` that are mail addresses."""
    match = re.search(rb";[ \t]*rua[ \t]*=([^;]*)", record[:LONGEST_RECORD])
    found = []
    for uri in match.group(1).decode("latin-1").split(",")[:MAX_ADDRESSES] if match else ():
        scheme, _, address = uri.strip().partition(":")
        try:
            if scheme.lower() == "mailto":
                found.append(parse_address(address))
        except AddressError:
            continue
    return found
