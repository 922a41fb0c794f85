"""Tells the owners of domains what was seen of their mail, once a day, where their DMARC record asks for it (RFC 9990).

A domain's owner may name addresses elsewhere only if these have agreed in DNS.  Reports go the way of every message:
through the router into the queue.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_mail.content import Blocking, message_of
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.message.identifier import message_id
from twisted_mail.policy.aggregate import AggregateReport
from twisted_mail.policy.dmarc import accepts_reports
from twisted_mail.policy.dmarcrecord import DMARCRecord, parse_dmarc
from twisted_mail.policy.dns import LookupFailed, Lookups
from twisted_mail.policy.reportmail import compose_report
from twisted_mail.policy.resultstore import DAY, Day, ResultStore
from twisted_mail.smtp.address import Address, AddressError, parse_address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError

LOOK_EVERY = 3600.0
"""Seconds between looks at what is to be reported."""
KEPT = 3
"""Days after which what could not be reported is dropped."""


@dataclass(frozen=True, slots=True)
class ReportOptions:
    sender: Address
    hostname: str


class Reporting:
    """Sends the reports of all processes; in one of them."""

    _log = Logger()

    def __init__(
        self,
        store: ResultStore,
        lookups: Lookups,
        target: IDeliveryTarget,
        options: ReportOptions,
        disk: Blocking,
        clock: IReactorTime,
    ) -> None:
        """*clock* gives Unix time, as a reactor does."""
        self._store = store
        self._lookups = lookups
        self._target = target
        self._options = options
        self._disk = disk
        self._clock = clock
        self._timer = LoopingCall(self.report)
        self._timer.clock = clock

    def start(self) -> None:
        done = self._timer.start(LOOK_EVERY)
        done.addErrback(lambda failure: self._log.failure("no more reports are sent", failure))

    def stop(self) -> None:
        if self._timer.running:
            self._timer.stop()

    async def report(self) -> None:
        """About all days that are over."""
        today = int(self._clock.seconds()) // DAY
        due = cast("list[tuple[int, str]]", await self._disk(lambda: self._store.days_before(today)))
        for day, domain in due:
            try:
                await self._report(cast(Day, await self._disk(partial(self._store.read, day, domain))))
            except (LookupFailed, SMTPError) as error:
                if day > today - KEPT:
                    self._log.info("the report for {domain} waits: {error}", domain=domain, error=error)
                    continue
            except Exception:  # noqa: BLE001 (our bug, or the disk: other domains shall have theirs)
                self._log.failure("the report for {domain} could not be made", domain=domain)
            await self._disk(partial(self._store.remove, day, domain))

    async def _report(self, day: Day) -> None:
        """Raises LookupFailed or SMTPError: not just now."""
        texts = [*await self._lookups.txt(f"_dmarc.{day.domain}"), day.record.encode("latin-1")]
        record = next((each for each in map(parse_dmarc, texts) if each is not None), None)
        recipients = [] if record is None else await self._recipients(day.domain, record)
        if record is None or not recipients:
            return
        now = self._clock.seconds()
        identifier = message_id(int(now * 1000), os.urandom(10))
        report = self._compiled(day, record, identifier)
        text = compose_report(report, [str(each) for each in recipients], now)
        await self._send(identifier, text, recipients)
        self._log.info(
            "told {recipients} what was seen of {domain}",
            event="dmarc.reported",
            recipients=[str(each) for each in recipients],
            domain=day.domain,
            id=identifier,
        )

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

    def _compiled(self, day: Day, record: DMARCRecord, identifier: str) -> AggregateReport:
        published = [
            ("p", record.policy.value),
            ("sp", record.subdomains.value if record.subdomains else ""),
            ("np", record.missing.value if record.missing else ""),
            ("adkim", "s" if record.strict_dkim else "r"),
            ("aspf", "s" if record.strict_spf else "r"),
            ("testing", "y" if record.testing else "n"),
        ]
        begin = day.day * DAY
        hostname, sender = self._options.hostname, str(self._options.sender)
        return AggregateReport(hostname, sender, identifier, begin, begin + DAY - 1, day.domain, published, day.rows)

    async def _send(self, identifier: str, text: bytes, recipients: list[Address]) -> None:
        """Raises SMTPError: nobody could be sent it."""
        delivery = await self._target.begin(Origin(peer="", session="dmarc"), self._options.sender, MailOptions())
        refusal: SMTPError | None = None
        taken = 0
        try:
            for address in recipients:
                try:
                    await delivery.add_recipient(Recipient(address))
                    taken += 1
                except SMTPError as error:
                    refusal = error
            if taken:
                results = await delivery.deliver(message_of(identifier, text))
                refusal = next((error for error in results.values() if error is not None), None)
        except BaseException:
            delivery.abort()
            raise
        if not taken:
            delivery.abort()
        if refusal is not None:
            raise refusal
