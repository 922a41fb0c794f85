"""The lines of the log: what twistd or twist writes for each event, in our format and of the levels that are wanted.

twistd and twist make the observer that writes, with its file, its rotation and its daemon; only how an event is turned
into a line is ours.  8 us a line, where Twisted's own text takes 14 (benchmarks/logline.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogPublisher,
    formatEvent,
)
from zope.interface import implementer

from twisted_mail.logline import Head, LineWriter

SUBSYSTEMS = (
    *("smtp", "pop3", "proxy", "auth", "delivery", "mailbox", "queue", "policy", "web", "records", "relay", "server"),
    "twisted",
)
"""What a line's `system` may be: a room, a protocol, the server itself, and all that is not ours."""
_PROTOCOLS = {"smtp": "smtp", "pop3": "pop3", "proxy": "proxy", "smtpclient": "relay", "smtppool": "relay"}
_LEVELS = {level: number for number, level in enumerate(LogLevel.iterconstants())}
LEVEL_NAMES = tuple(level.name for level in _LEVELS)


@dataclass(frozen=True, slots=True)
class Levels:
    """From which level on an event is written."""

    level: str = "info"
    by_subsystem: Mapping[str, str] = field(default_factory=dict)

    def of(self, subsystem: str) -> int:
        return LEVEL_NAMES.index(self.by_subsystem.get(subsystem, self.level))


def subsystem_of(namespace: str) -> str:
    """*namespace*: that of a logger, as in `twisted_mail.queue.rounds.Rounds`."""
    package, _, rest = namespace.partition(".")
    if package != "twisted_mail":
        return "twisted"
    unit, _, inner = rest.partition(".")
    if unit == "protocols":
        return _PROTOCOLS.get(inner.partition(".")[0], "server")
    return unit if unit in SUBSYSTEMS else "server"


class LineFormat:
    """Turns an event into its line; "" where its level is not wanted.  One object a process."""

    def __init__(self, levels: Levels, write: LineWriter, more: Mapping[str, object] | None = None) -> None:
        """*more*: fields of every line."""
        self._levels = levels
        self._write = write
        self._more = more or {}
        self._systems: dict[str, tuple[str, int]] = {}
        self._second = 0
        self._prefix = ""

    def __call__(self, event: LogEvent) -> str:
        if (line := event.get("finished_line")) is not None:  # a worker has formatted it
            return f"{line}\n"
        namespace = event.get("log_namespace", "")
        known = self._systems.get(namespace)
        if known is None:
            system = subsystem_of(namespace)
            known = self._systems[namespace] = system, self._levels.of(system)
        system, threshold = known
        level = event.get("log_level", LogLevel.info)
        if _LEVELS[level] < threshold:
            return ""
        head = Head(self._time(event.get("log_time", 0.0)), level.name, system)
        failure = event.get("log_failure")
        traceback = failure.getTraceback() if failure is not None else ""
        if system == "twisted":  # foreign fields mean nothing to anybody; its words have them
            return self._write(head, "{words}", {"words": formatEvent(event), **self._more}, traceback)
        fields = {**event, **self._more} if self._more else event
        try:
            return self._write(head, event["log_format"] or "", fields, traceback)
        except Exception:  # noqa: BLE001 (a format that does not fit its fields: Twisted has words for that, too)
            return self._write(head, "{words}", {"words": formatEvent(event)}, traceback)

    def _time(self, seconds: float) -> str:
        second = int(seconds)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._prefix}.{int((seconds - second) * 1000):03d}Z"


@implementer(ILogObserver)
class Reformatting:
    """An observer that, with the first event that twistd's or twist's own observer gets, sets the format of that one.

    There is no public way to that observer: it does not exist yet when the service is made.
    """

    def __init__(self, publisher: LogPublisher, line_format: LineFormat) -> None:
        self._publisher = publisher
        self._format = line_format
        self._done = False
        publisher.addObserver(self)

    def __call__(self, event: LogEvent) -> None:
        if self._done:
            return
        for observer in self._publisher._observers:
            inner = observer._observer if isinstance(observer, FilteringLogObserver) else observer
            if isinstance(inner, FileLogObserver):
                inner.formatEvent = self._format
                self._done = True
