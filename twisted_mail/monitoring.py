"""What can be asked about the server while it runs: numbers, health, the last day, recent messages and sessions.

Numbers that grow are those of all processes, from the files that they leave (records/counters.py); the others are
looked up when somebody asks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail.config import Config
from twisted_mail.content import Blocking
from twisted_mail.exposition import Kind, Metric, Values, exposition
from twisted_mail.periodic import Periodic
from twisted_mail.queue.census import Census, census
from twisted_mail.queue.spool import SpoolFiles
from twisted_mail.records.counters import COUNTED, Numbers, total
from twisted_mail.records.journal import Record
from twisted_mail.records.live import LastDay, Minute
from twisted_mail.records.recent import recent_messages, recent_sessions
from twisted_mail.records.story import Story, stories

T = TypeVar("T")

SAMPLED_EVERY = 60.0
"""Seconds."""
LITTLE_SPACE = 64 * 1024 * 1024
"""Octets free on the disk, below which the server is not well."""

GAUGES: tuple[Metric, ...] = (
    Metric("mailserver_connections", Kind.GAUGE, "Open connections, of all services."),
    Metric("mailserver_queue_messages", Kind.GAUGE, "Messages in the queue: due, waiting or held.", ("state",)),
    Metric("mailserver_queue_oldest_seconds", Kind.GAUGE, "Age of the oldest message in the queue; 0: it is empty."),
    Metric("mailserver_disk_free_octets", Kind.GAUGE, "Free space where the mail lies."),
    Metric("mailserver_disk_free_inodes", Kind.GAUGE, "Files that can still be made there."),
    Metric("mailserver_certificate_remaining_seconds", Kind.GAUGE, "Time until the certificate of [tls] ends."),
    Metric("mailserver_start_time_seconds", Kind.GAUGE, "When this process began to serve, Unix time."),
)
METRICS = (*COUNTED, *GAUGES)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is known at one moment."""

    numbers: Numbers
    queue: Census
    free_octets: int
    free_inodes: int
    certificate_left: float | None
    """Seconds."""


class Monitoring:
    """One object a server, in the process that has the web."""

    log = Logger()

    def __init__(self, config: Config, connections: Callable[[], int], blocking: Blocking, clock: IReactorTime) -> None:
        """*connections*: how many are open, in all processes.  *clock* gives Unix time, as a reactor does."""
        self._config = config
        self._connections = connections
        self._blocking = blocking
        self._clock = clock
        self._started = clock.seconds()
        self._day = LastDay()
        trouble = "the numbers of the last minute are not taken"
        self._sampling = Periodic(self._sample, SAMPLED_EVERY, clock, self.log, trouble)

    def start(self) -> None:
        self._sampling.start()

    def stop(self) -> None:
        self._sampling.stop()

    # ---- questions

    async def metrics(self) -> str:
        """For Prometheus."""
        return exposition(self._values(await self.situation()))

    async def problems(self) -> list[str]:
        """Why the server cannot do its work, a sentence each; none: it is well."""
        try:
            return list(_problems(await self.situation()))
        except OSError as error:
            return [f"{self._config.data} cannot be used: {error.strerror}"]

    async def situation(self) -> Situation:
        """Raises OSError: the data directory is not there."""
        now = self._clock.seconds()
        return await self._wait(lambda: _situation(self._config, now))

    @property
    def minutes(self) -> Sequence[Minute]:
        """The last day since the start, the oldest minute first."""
        return self._day.minutes

    async def messages(self, limit: int = 50, search: str = "") -> list[Record]:
        """See records/recent.py."""
        folder = self._config.journal_folder
        return await self._wait(lambda: recent_messages(folder, limit, search))

    async def sessions(self, limit: int = 50, search: str = "", user: str = "") -> list[Record]:
        """See records/recent.py."""
        folder = self._config.journal_folder
        return await self._wait(lambda: recent_sessions(folder, limit, search, user))

    async def stories(self, question: str, limit: int = 10) -> list[Story]:
        """What became of messages: records/story.py, and records/telling.py for the words."""
        folder = self._config.journal_folder
        return await self._wait(lambda: stories(folder, question, limit))

    # ---- answers

    async def _sample(self) -> None:
        try:
            situation = await self.situation()
        except OSError:
            return  # `problems` tells it
        self._day.sample(self._clock.seconds(), situation.numbers, situation.queue.total)

    async def _wait(self, ask: Callable[[], T]) -> T:
        answers: list[T] = []
        await self._blocking(lambda: answers.append(ask()))
        return answers[0]

    def _values(self, situation: Situation) -> Iterator[tuple[Metric, Values]]:
        numbers = situation.numbers
        for metric in COUNTED:
            found = numbers.histograms if metric.buckets else numbers.counts
            yield metric, {key[1:]: value for key, value in found.items() if key[0] == metric.name}
        gauges = self._gauges(situation)
        for metric in GAUGES:
            yield metric, gauges.get(metric.name, {})

    def _gauges(self, situation: Situation) -> dict[str, Values]:
        queue = situation.queue
        age = 0.0 if queue.oldest is None else max(0.0, self._clock.seconds() - queue.oldest)
        left = situation.certificate_left
        return {
            "mailserver_connections": {(): self._connections()},
            "mailserver_queue_messages": {("due",): queue.due, ("waiting",): queue.waiting, ("held",): queue.held},
            "mailserver_queue_oldest_seconds": {(): age},
            "mailserver_disk_free_octets": {(): situation.free_octets},
            "mailserver_disk_free_inodes": {(): situation.free_inodes},
            "mailserver_certificate_remaining_seconds": {} if left is None else {(): left},
            "mailserver_start_time_seconds": {(): self._started},
        }


def _problems(situation: Situation) -> Iterator[str]:
    if situation.free_octets < LITTLE_SPACE:
        yield "the disk is full: mail is refused for now; make room"
    if not situation.free_inodes:
        yield "no more files can be made on the disk: mail is refused for now; remove some"
    if situation.certificate_left is not None and situation.certificate_left <= 0:
        yield "the certificate has ended: mail programs refuse to connect; renew it"


def _situation(config: Config, now: float) -> Situation:
    """Blocks; raises OSError."""
    disk = os.statvfs(config.data)
    return Situation(
        total(config.run_folder),
        census(SpoolFiles(config.queue_folder), now),
        disk.f_bavail * disk.f_frsize,
        disk.f_favail if disk.f_files else 1,  # some file systems do not count them
        _certificate_left(config.tls.certificate, now),
    )


def _certificate_left(path: str | None, now: float) -> float | None:
    """None: there is none, or it cannot be read."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            until = x509.load_pem_x509_certificates(file.read())[0].not_valid_after_utc
    except (OSError, ValueError):
        return None
    return round(until.timestamp() - now)
