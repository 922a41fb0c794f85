"""What one line of the log costs, against Twisted's own format of the same event.

`python benchmarks/logline.py`: microseconds for one event that ends up as a line in /dev/null.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.logger import FileLogObserver, Logger, LogPublisher, formatEventAsClassicLogText

from twisted_mail.logline import as_json, as_text
from twisted_mail.records.logfile import Levels, LineFormat

ROUNDS = 5
EVENTS = 20_000


def main() -> None:
    formats = {
        "Twisted's text": formatEventAsClassicLogText,
        "ours": LineFormat(Levels(), as_text),
        "ours, JSON": LineFormat(Levels(), as_json),
        "ours, level not wanted": LineFormat(Levels("error"), as_text),
    }
    with open("/dev/null", "w") as file:
        for name, line_format in formats.items():
            log = Logger("twisted_mail.protocols.smtp", observer=LogPublisher(FileLogObserver(file, line_format)))
            print(f"{name:24}{min(_round(log.info) for _ in range(ROUNDS)):6.2f} us")


def _round(info: Callable[..., None]) -> float:
    """Microseconds an event."""
    start = time.perf_counter()
    for _ in range(EVENTS):
        info(
            "message from <{sender}> for {count}, {size} octets",
            event="message.accepted",
            session="abcdef123456",
            peer="192.0.2.1",
            user="",
            id="0198aabbccddeeff0011223344556677",
            sender="alice@example.org",
            count=1,
            size=1234,
        )
    return (time.perf_counter() - start) / EVENTS * 1e6


if __name__ == "__main__":
    main()
