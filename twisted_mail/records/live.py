"""The last day, minute by minute, for a page that shows it: in memory, from the sums of all processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from twisted_mail.records.counters import Numbers

MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Minute:
    """What happened in one."""

    time: float
    """Its end, Unix time."""
    received: int
    """Messages accepted from clients."""
    sent: int
    """Recipients elsewhere that got a message."""
    refused: int
    """Refusals to SMTP clients."""
    logins: int
    failed_logins: int
    retrieved: int
    """Messages sent to POP3 clients."""
    queue: int
    """Messages in the queue at its end."""
    latency: float | None
    """Seconds from the end of a message to its reply, on average; None: there was none."""


class LastDay:
    """Take a `sample` each minute, then read `minutes`."""

    def __init__(self) -> None:
        self._before: Numbers | None = None
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)

    @property
    def minutes(self) -> Sequence[Minute]:
        """The oldest first."""
        return list(self._minutes)

    def sample(self, now: float, numbers: Numbers, queue: int) -> None:
        """*numbers*: of all processes since the start; the first sample is what the others are compared with."""
        before, self._before = self._before, numbers
        if before is None:
            return

        def more(name: str, outcome: str = "") -> int:
            return max(0, int(numbers.total(name, outcome) - before.total(name, outcome)))

        self._minutes.append(
            Minute(
                time=now,
                received=more("mailserver_messages_total", "accepted"),
                sent=more("mailserver_attempts_total", "relayed"),
                refused=more("mailserver_refusals_total"),
                logins=more("mailserver_logins_total", "accepted"),
                failed_logins=more("mailserver_logins_total", "refused"),
                retrieved=more("mailserver_pop3_retrieved_total"),
                queue=queue,
                latency=_latency(before, numbers),
            )
        )


def _latency(before: Numbers, after: Numbers) -> float | None:
    count, seconds = (a - b for a, b in zip(_end_of_data(after), _end_of_data(before), strict=True))
    return seconds / count if count > 0 else None


def _end_of_data(numbers: Numbers) -> tuple[float, float]:
    """Messages, and seconds of all of them."""
    found = [value for key, value in numbers.histograms.items() if key[0] == "mailserver_end_of_data_seconds"]
    return sum(sum(value[:-1]) for value in found), sum(value[-1] for value in found)
