"""Reports about the mail of a domain, where its DMARC record asks for them (RFC 9990).

A domain's owner may name addresses elsewhere only if these have agreed in DNS.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_mail.policy.aggregate import AggregateReport, Row
from twisted_mail.policy.dmarc import accepts_reports
from twisted_mail.policy.dmarcrecord import DMARCRecord, parse_dmarc
from twisted_mail.policy.dns import Lookups
from twisted_mail.policy.reporting import ReportLetter
from twisted_mail.policy.reportmail import compose_report
from twisted_mail.policy.resultstore import DAY, Day
from twisted_mail.smtp.address import Address, AddressError, parse_address


class DMARCReports:
    """From *sender*, an address of *hostname*'s administrator."""

    def __init__(self, lookups: Lookups, sender: Address, hostname: str) -> None:
        self._lookups = lookups
        self._sender = sender
        self._hostname = hostname

    async def compose(self, day: Day[Row], identifier: str, now: float) -> Sequence[ReportLetter]:
        texts = [*await self._lookups.txt(f"_dmarc.{day.domain}"), day.record.encode("latin-1")]
        record = next((each for each in map(parse_dmarc, texts) if each is not None), None)
        recipients = [] if record is None else await self._recipients(day.domain, record)
        if record is None or not recipients:
            return []
        report = self._compiled(day, record, identifier)
        text = compose_report(report, [str(each) for each in recipients], now)
        return [ReportLetter(self._sender, recipients, text)]

    async def _recipients(self, domain: str, record: DMARCRecord) -> list[Address]:
        found = []
        for text in record.reports:
            try:
                address = parse_address(text)
            except AddressError:
                continue
            if await accepts_reports(self._lookups, domain, text):
                found.append(address)
        return found

    def _compiled(self, day: Day[Row], record: DMARCRecord, identifier: str) -> AggregateReport:
        published = [
            ("p", record.policy.value),
            ("sp", record.subdomains.value if record.subdomains else ""),
            ("np", record.missing.value if record.missing else ""),
            ("adkim", "s" if record.strict_dkim else "r"),
            ("aspf", "s" if record.strict_spf else "r"),
            ("testing", "y" if record.testing else "n"),
        ]
        begin = day.day * DAY
        hostname, sender = self._hostname, str(self._sender)
        return AggregateReport(hostname, sender, identifier, begin, begin + DAY - 1, day.domain, published, day.rows)
