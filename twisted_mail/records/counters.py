"""What is counted of what happens: an observer that adds to numbers, and nothing else; a table says what it adds.

Each process counts for itself and leaves its numbers in a file, `.server/run/numbers-PROCESS.json`; who wants to know
adds the files up.  The file of a process that has ended stays until the server starts again, so that a sum never falls.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import implementer

from twisted_mail.durable import make_directory
from twisted_mail.exposition import Kind, Metric
from twisted_mail.records.logfile import subsystem_of

Key = tuple[str, ...]
"""The name of a metric, and the values of its labels."""

_PREFIX, _SUFFIX = "numbers-", ".json"
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 86_400.0, 3 * 86_400.0)
_COUNTER, _HISTOGRAM = Kind.COUNTER, Kind.HISTOGRAM

COUNTED: tuple[Metric, ...] = (
    Metric(
        "mailserver_messages_total",
        _COUNTER,
        "Messages that clients wanted to deliver, by what became of it: accepted, refused or failed (a fault of ours).",
        ("service", "outcome"),
    ),
    Metric("mailserver_message_octets_total", _COUNTER, "Octets of accepted messages.", ("service",)),
    Metric(
        "mailserver_refusals_total",
        _COUNTER,
        "Refusals to SMTP clients, by command and enhanced status code.",
        ("service", "stage", "status"),
    ),
    Metric(
        "mailserver_checked_total",
        _COUNTER,
        "Messages of strangers, by what their checks led to: accept, junk, greylist (to come again), defer or reject.",
        ("action",),
    ),
    Metric(
        "mailserver_filtered_total",
        _COUNTER,
        "Messages of which a filter said something: refused, changed or thrown away.",
        ("filter", "action"),
    ),
    Metric("mailserver_filter_failures_total", _COUNTER, "Filters that did not answer or raised.", ("filter",)),
    Metric("mailserver_logins_total", _COUNTER, "Attempts to log in.", ("service", "outcome")),
    Metric("mailserver_connections_refused_total", _COUNTER, "Clients that were turned away.", ("service",)),
    Metric("mailserver_stored_total", _COUNTER, "Messages put into mailboxes, once for each mailbox."),
    Metric("mailserver_pop3_retrieved_total", _COUNTER, "Messages sent to POP3 clients by RETR or TOP."),
    Metric("mailserver_pop3_octets_total", _COUNTER, "Octets of messages sent to POP3 clients by RETR."),
    Metric("mailserver_pop3_deleted_total", _COUNTER, "Messages deleted by POP3 clients."),
    Metric("mailserver_queued_total", _COUNTER, "Messages put into the queue."),
    Metric(
        "mailserver_attempts_total",
        _COUNTER,
        "Attempts to deliver to one recipient elsewhere: relayed, waiting (to be tried again) or failed (for good).",
        ("outcome",),
    ),
    Metric("mailserver_reports_total", _COUNTER, "Reports to senders.", ("outcome",)),
    Metric("mailserver_faults_total", _COUNTER, "Errors of this server's own, by subsystem.", ("system",)),
    Metric("mailserver_worker_restarts_total", _COUNTER, "Processes of the server that died and were replaced."),
    Metric(
        "mailserver_end_of_data_seconds",
        _HISTOGRAM,
        "From the end of a message to its reply: until it is on disk.",
        ("service",),
        _QUICK,
    ),
    Metric(
        "mailserver_delivery_seconds",
        _HISTOGRAM,
        "From taking a message to another server having it, for each recipient.",
        (),
        _SLOW,
    ),
)
_BUCKETS = {metric.name: metric.buckets for metric in COUNTED if metric.buckets}
_FAULTS = (LogLevel.error, LogLevel.critical)


@dataclass(slots=True)
class Numbers:
    """Counts of one process, or of all of them."""

    counts: defaultdict[Key, float] = field(default_factory=lambda: defaultdict(float))
    histograms: dict[Key, list[float]] = field(default_factory=dict)
    """As in exposition.Values."""

    def add(self, *key: str, amount: float = 1.0) -> None:
        self.counts[key] += amount

    def observe(self, name: str, value: float, *labels: str) -> None:
        buckets = _BUCKETS[name]
        histogram = self.histograms.get((name, *labels))
        if histogram is None:
            histogram = self.histograms[(name, *labels)] = [0.0] * (len(buckets) + 2)
        histogram[bisect_left(buckets, value)] += 1
        histogram[-1] += value

    def add_all(self, others: Numbers) -> None:
        for key, value in others.counts.items():
            self.counts[key] += value
        for key, theirs in others.histograms.items():
            ours = self.histograms.get(key, [0.0] * len(theirs))
            self.histograms[key] = [a + b for a, b in zip(ours, theirs, strict=True)]

    def total(self, name: str, outcome: str = "") -> float:
        """Of all with that name; *outcome*: the value of its last label."""
        found = list(self.counts.items())
        return sum(value for key, value in found if key[0] == name and (not outcome or key[-1] == outcome))

    def encode(self) -> bytes:
        counts = [[*key, value] for key, value in self.counts.copy().items()]
        histograms = [[*key, list(value)] for key, value in self.histograms.copy().items()]
        return json.dumps({"counts": counts, "histograms": histograms}).encode()

    @staticmethod
    def decode(text: bytes) -> Numbers:
        """Raises ValueError."""
        found = json.loads(text)
        numbers = Numbers()
        for *key, value in found["counts"]:
            numbers.counts[tuple(key)] = float(value)
        for *key, value in found["histograms"]:
            if len(value) == len(_BUCKETS.get(key[0], ())) + 2:  # else of another version
                numbers.histograms[tuple(key)] = [float(each) for each in value]
        return numbers


@implementer(ILogObserver)
class Counters:
    """The observer of one process."""

    def __init__(self, folder: str, process: str) -> None:
        """*process*: ends the name of its file; that of no other process since the server's start."""
        self._path = f"{folder}/{_PREFIX}{process}{_SUFFIX}"
        self._written = b""
        self.numbers = Numbers()

    def __call__(self, event: LogEvent) -> None:
        if (rule := _RULES.get(event.get("event", ""))) is not None:
            rule(self.numbers, event)
        if event.get("log_level") in _FAULTS:
            self.numbers.add("mailserver_faults_total", subsystem_of(event.get("log_namespace", "")))

    def write(self) -> None:
        """Leave the numbers in the file, if there are new ones.  Blocks; raises OSError."""
        text = self.numbers.encode()
        if text == self._written:
            return
        make_directory(os.path.dirname(self._path))
        temporary = f"{self._path}.new"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text)
        os.replace(temporary, self._path)
        self._written = text


def forget(folder: str) -> None:
    """What an earlier run of the server has left."""
    for path in _files(folder):
        with suppress(FileNotFoundError):
            os.unlink(path)


def total(folder: str) -> Numbers:
    """The numbers of all processes.  Blocks."""
    numbers = Numbers()
    for path in _files(folder):
        with suppress(OSError, ValueError, KeyError, TypeError), open(path, "rb") as file:
            numbers.add_all(Numbers.decode(file.read()))
    return numbers


def _files(folder: str) -> Iterable[str]:
    with suppress(FileNotFoundError):
        names = os.listdir(folder)
        return [f"{folder}/{name}" for name in names if name.startswith(_PREFIX) and name.endswith(_SUFFIX)]
    return []


# ---- what an event adds


def _service(event: LogEvent) -> str:
    return str(event.get("service", ""))


def _status_of(reply: object) -> str:
    """The enhanced status code, else the code, of a reply as text."""
    code, _, rest = str(reply).partition(" ")
    status = rest.partition(" ")[0]
    return status if status[:2] == f"{code[:1]}." else code if code.isdigit() else "none"


def _accepted(numbers: Numbers, event: LogEvent) -> None:
    service = _service(event)
    numbers.add("mailserver_messages_total", service, "accepted")
    numbers.add("mailserver_message_octets_total", service, amount=event["size"])
    numbers.observe("mailserver_end_of_data_seconds", event["seconds"], service)


def _refused(numbers: Numbers, event: LogEvent) -> None:
    service, stage, reply = _service(event), event["stage"], str(event["reply"])
    status = _status_of(reply)
    if stage == "DATA":
        is_fault = reply.startswith("4") and not status.startswith("4.7.")  # those are a policy's, as greylisting
        numbers.add("mailserver_messages_total", service, "failed" if is_fault else "refused")
    numbers.add("mailserver_refusals_total", service, stage, status)


def _command_refused(numbers: Numbers, event: LogEvent) -> None:
    if not _service(event).startswith("pop3"):
        command = str(event.get("command", "")).partition(" ")[0]
        stage = command if command in ("MAIL", "RCPT", "DATA", "BDAT", "AUTH", "STARTTLS") else "other"
        numbers.add("mailserver_refusals_total", _service(event), stage, _status_of(event["reply"]))


def _retrieved(numbers: Numbers, event: LogEvent) -> None:
    numbers.add("mailserver_pop3_retrieved_total", amount=event["count"])
    if event.get("lines") is None:
        numbers.add("mailserver_pop3_octets_total", amount=event["octets"])


def _attempted(numbers: Numbers, event: LogEvent) -> None:
    numbers.add("mailserver_attempts_total", event["state"])
    if event["state"] == "relayed":
        numbers.observe("mailserver_delivery_seconds", event["seconds"])


_RULES: Mapping[str, Callable[[Numbers, LogEvent], None]] = {
    "connection.refused": lambda n, e: n.add("mailserver_connections_refused_total", _service(e)),
    "command.refused": _command_refused,
    "login.accepted": lambda n, e: n.add("mailserver_logins_total", _service(e), "accepted"),
    "login.refused": lambda n, e: n.add("mailserver_logins_total", _service(e), "refused"),
    "message.accepted": _accepted,
    "message.refused": _refused,
    "message.checked": lambda n, e: n.add("mailserver_checked_total", e["action"]),
    "message.filtered": lambda n, e: n.add("mailserver_filtered_total", e["filter"], e["action"]),
    "filter.failed": lambda n, e: n.add("mailserver_filter_failures_total", e["filter"]),
    "message.stored": lambda n, e: n.add("mailserver_stored_total", amount=len(e["mailboxes"])),
    "message.queued": lambda n, e: n.add("mailserver_queued_total"),
    "message.retrieved": _retrieved,
    "messages.deleted": lambda n, e: n.add("mailserver_pop3_deleted_total", amount=e["count"]),
    "attempt.ended": _attempted,
    "report.sent": lambda n, e: n.add("mailserver_reports_total", "sent"),
    "report.failed": lambda n, e: n.add("mailserver_reports_total", "failed"),
    "worker.ended": lambda n, e: n.add("mailserver_worker_restarts_total"),
}
