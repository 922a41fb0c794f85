"""How the server is, and what it did in the last hour and day, for the page: from what monitoring.py has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from zope.interface import implementer

from twisted_mail.administration.own import Means
from twisted_mail.affairs import IOverview, Trend
from twisted_mail.monitoring import Monitoring
from twisted_mail.records.live import MINUTES, Minute

_GIB = 1024**3
_CALLED = version("twisted-mail")

_TRENDS: Sequence[tuple[str, str, bool, Callable[[Minute], float]]] = (
    ("Messages taken", "", False, lambda minute: minute.received),
    ("Sent to other servers, recipients", "", False, lambda minute: minute.sent),
    ("Fetched over POP3", "", False, lambda minute: minute.retrieved),
    ("Logins", "", False, lambda minute: minute.logins),
    ("Failed logins", "", False, lambda minute: minute.failed_logins),
    ("Refusals to SMTP clients", "", False, lambda minute: minute.refused),
    ("Waiting in the queue", "", True, lambda minute: minute.queue),
    ("From the end of a message to the reply", " ms", True, lambda minute: 1000 * (minute.latency or 0.0)),
)
_TOTALS = (
    ("Messages taken", "mailserver_messages_total", "accepted"),
    ("Logins", "mailserver_logins_total", "accepted"),
    ("Refusals", "mailserver_refusals_total", ""),
)


@implementer(IOverview)
class Overview:
    """One a server."""

    def __init__(self, means: Means, monitoring: Monitoring) -> None:
        self._means = means
        self._monitoring = monitoring
        self._started = means.clock.seconds()

    async def problems(self) -> Sequence[str]:
        return await self._monitoring.problems()

    async def facts(self) -> Sequence[tuple[str, str]]:
        config, situation = self._means.config, await self._monitoring.situation()
        domains = self._means.directory.domains()
        totals = [f"{what.lower()} {situation.numbers.total(name, outcome):.0f}" for what, name, outcome in _TOTALS]
        up_since = datetime.fromtimestamp(self._started, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return [
            ("Server", f"{config.hostname}, Twisted Mail {_CALLED}, processes: {config.workers}"),
            ("Up since (UTC)", up_since),
            ("Since then", ", ".join(totals)),
            ("Here", f"domains {len(domains)}, accounts {sum(each.accounts for each in domains)}"),
            ("In the queue", str(situation.queue.total)),
            ("Free disk", f"{situation.free_octets / _GIB:.1f} GiB"),
        ]

    def trends(self) -> Sequence[Trend]:
        minutes = self._monitoring.minutes
        before = [0.0] * (MINUTES - len(minutes))
        return [
            Trend(title, unit, [*before, *map(value, minutes)], is_level) for title, unit, is_level, value in _TRENDS
        ]
