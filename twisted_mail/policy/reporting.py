"""Tells the owners of domains once a day what was seen of them, where they ask for it.

What there is to be told is in a `ResultStore`; the kinds of reports say in which words.  Reports go the way of every
message: through the router into the queue.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, cast

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail.content import Blocking, message_of
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.message.identifier import message_id
from twisted_mail.periodic import Periodic
from twisted_mail.policy.dns import LookupFailed
from twisted_mail.policy.resultstore import DAY, Day, R, ResultStore
from twisted_mail.protocols.httpsclient import RequestFailed
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError

LOOK_EVERY = 3600.0
"""Seconds between looks at what is to be reported."""
KEPT = 3
"""Days after which what could not be reported is dropped."""


_NOT_NOW = (LookupFailed, SMTPError, RequestFailed)


@dataclass(frozen=True, slots=True)
class ReportLetter:
    sender: Address
    recipients: Sequence[Address]
    text: bytes
    """The message, LF line ends."""


@dataclass(frozen=True, slots=True)
class ReportUpload:
    url: str
    """https: of a host that has a name."""
    content_type: str
    document: bytes


Upload = Callable[[ReportUpload], Awaitable[None]]
"""Raises LookupFailed or RequestFailed."""


class ReportKind(Protocol[R]):
    """One kind of reports."""

    async def compose(self, day: Day[R], identifier: str, now: float) -> Sequence[ReportLetter | ReportUpload]:
        """Empty: nobody wants to know.  Raises LookupFailed."""


class Reporting(Generic[R]):
    """Sends the reports of all processes; in one of them."""

    _log = Logger()

    def __init__(
        self,
        store: ResultStore[R],
        reports: ReportKind[R],
        target: IDeliveryTarget,
        upload: Upload,
        disk: Blocking,
        clock: IReactorTime,
    ) -> None:
        """*clock* gives Unix time, as a reactor does."""
        self._store = store
        self._reports = reports
        self._target = target
        self._upload = upload
        self._disk = disk
        self._clock = clock
        self._timer = Periodic(self.report, LOOK_EVERY, clock, self._log, "reports are left for later")

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    async def report(self) -> None:
        """About all days that are over."""
        today = int(self._clock.seconds()) // DAY
        due = cast("list[tuple[int, str]]", await self._disk(lambda: self._store.days_before(today)))
        for day, domain in due:
            try:
                await self._report(cast("Day[R]", await self._disk(partial(self._store.read, day, domain))))
            except _NOT_NOW as error:
                if day > today - KEPT:
                    self._log.info("the report for {domain} waits: {error}", domain=domain, error=error)
                    continue
            except Exception:  # noqa: BLE001 (our bug, or the disk: other domains shall have theirs)
                self._log.failure("the report for {domain} could not be made", domain=domain)
            await self._disk(partial(self._store.remove, day, domain))

    async def _report(self, day: Day[R]) -> None:
        """One way is enough: where another one fails meanwhile, nobody is told twice.

        Raises LookupFailed, SMTPError or RequestFailed: not just now.
        """
        now = self._clock.seconds()
        identifier = message_id(int(now * 1000), os.urandom(10))
        told: list[str] = []
        failure: Exception | None = None
        for way in await self._reports.compose(day, identifier, now):
            try:
                told += await self._tell(identifier, way)
            except _NOT_NOW as error:
                failure = error
        if failure is not None:
            self._log.info("not all hear what was seen of {domain}: {error}", domain=day.domain, error=failure)
            if not told:
                raise failure
        if told:
            self._log.info(
                "told {recipients} what was seen of {domain}",
                event="domain.reported",
                recipients=told,
                domain=day.domain,
                id=identifier,
            )

    async def _tell(self, identifier: str, way: ReportLetter | ReportUpload) -> list[str]:
        """Whom."""
        if isinstance(way, ReportUpload):
            await self._upload(way)
            return [way.url]
        await self._send(identifier, way)
        return [str(each) for each in way.recipients]

    async def _send(self, identifier: str, letter: ReportLetter) -> None:
        """Raises SMTPError: nobody could be sent it."""
        delivery = await self._target.begin(Origin(peer="", session="reports"), letter.sender, MailOptions())
        refusal: SMTPError | None = None
        taken = 0
        try:
            for address in letter.recipients:
                try:
                    await delivery.add_recipient(Recipient(address))
                    taken += 1
                except SMTPError as error:
                    refusal = error
            if taken:
                results = await delivery.deliver(message_of(identifier, letter.text))
                refusal = next((error for error in results.values() if error is not None), None)
        except BaseException:
            delivery.abort()
            raise
        if not taken:
            delivery.abort()
        if refusal is not None:
            raise refusal
