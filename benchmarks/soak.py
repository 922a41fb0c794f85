"""Mail in and out for half an hour: nothing lost, nothing twice, nothing that grows.

    python -m benchmarks.soak [--messages 1000000] [--seconds 1800] [--workers 2] [--folder /var/tmp]

Starts a server of its own, sends it messages of 1 to 8 KiB by SMTP at an even pace over several connections, and
fetches and deletes them by POP3 all the while.  A message that got its 250 must come back once and whole.  Once a
minute a line says what that took; the last lines are the verdict, and the exit status is 0 if all of it is good.

Deleting is part of the work.  On ext4 it slows down the creation of files for some minutes (an inode just deleted is
stepped over), which a benchmark that keeps its files does not see and a server that people fetch from does.
"""

from __future__ import annotations

import argparse
import json
import mmap
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event
from pathlib import Path

from benchmarks.processes import Usage, usage
from benchmarks.wire import Reader, Refused, Sender

DOMAIN = "example.test"
USERS = 24
SENDERS, READERS = 12, 4
"""Connections at a time."""
SENT_OVER_ONE_CONNECTION = 200
WINDOW = 20
"""RETR commands in flight."""
MOST_WAITING = 30_000
"""Messages in the maildrops: when readers fall behind this far, senders wait for them."""
GROWTH = 1.10
"""The server's memory in the last quarter of the time may be this many times that of the second quarter."""
LATEST = 1.4
"""When this many times the planned seconds are over, no more is sent: the machine cannot keep the pace."""
DRAIN = 120.0
"""Seconds after that in which all must be fetched."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, and where."""

    messages: int
    seconds: float
    smtp_port: int
    pop3_port: int
    password: str
    interval: float
    """Seconds between two lines of the table."""


class Book:
    """What became of each message, in memory that all processes share: an octet a message, each with one writer."""

    def __init__(self, messages: int) -> None:
        self.acknowledged = mmap.mmap(-1, messages)
        """1: got its 250.  2: its connection broke before the reply: it may be there or not."""
        self.fetched = mmap.mmap(-1, messages)
        """How often it came back whole and was deleted."""

    def counts(self) -> tuple[int, int]:
        """Sent and fetched so far."""
        return len(self.acknowledged) - _zeros(self.acknowledged), len(self.fetched) - _zeros(self.fetched)

    def lost(self) -> int:
        return sum(a == 1 and not f for a, f in zip(self.acknowledged[:], self.fetched[:], strict=True))

    def doubled(self) -> int:
        return sum(fetched > 1 for fetched in self.fetched[:])


def _zeros(memory: mmap.mmap) -> int:
    return memory[:].count(0)


class Times:
    """Latencies of one process since it last told of them."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._seconds: list[float] = []
        self.failures: list[str] = []

    def add(self, seconds: float) -> None:
        self._seconds.append(seconds)

    def tell(self) -> None:
        """To the parent: milliseconds at the 50th and 99th percentile, and what went wrong."""
        seconds, self._seconds = sorted(self._seconds), []
        failures, self.failures = self.failures, []
        p50, p99 = (seconds[int(len(seconds) * share)] * 1000 if seconds else 0.0 for share in (0.5, 0.99))
        self._pipe.send((p50, p99, failures))


# ---- the messages


def _body(number: int) -> bytes:
    """Lines of message *number*, the same whenever it is asked for; some begin with a dot."""
    line = b"%08d %s\r\n" % (number, b"abcdefghijklmnopqrstuvwxyz" * 2)
    return (line + b"." + line) * (8 + number % 50) + b"end %d\r\n" % number


def _stuffed(number: int) -> bytes:
    header = b"From: <s@client.example.test>\r\nSubject: soak %d\r\nX-Soak: %d\r\n\r\n" % (number, number)
    return header + _body(number).replace(b"\r\n.", b"\r\n..")


def _number(text: bytes) -> int:
    """Which message *text*, as RETR gives it, is.  Raises Refused: it did not come whole."""
    try:
        number = int(text.partition(b"\r\nX-Soak: ")[2].partition(b"\r\n")[0])
    except ValueError:
        raise Refused(f"a message without its number: {text[:200]!r}") from None
    if not text.endswith(b"\r\nX-Soak: %d\r\n\r\n%s" % (number, _body(number).replace(b"\r\n.", b"\r\n.."))):
        raise Refused(f"message {number} is not what was sent")
    return number


# ---- the two client processes


class Numbers:
    """Which message is next: given out one by one to all connections, held back while the readers are behind."""

    def __init__(self, plan: Plan, book: Book) -> None:
        self._plan = plan
        self._book = book
        self._left = iter(range(plan.messages))
        self._lock = threading.Lock()
        self._started = self._looked = time.monotonic()

    def next(self) -> int | None:
        """Returns when the message is due; None: there is no next one."""
        with self._lock:
            while time.monotonic() - self._looked > 1:
                sent, fetched = self._book.counts()
                if sent - fetched > MOST_WAITING:
                    time.sleep(0.5)
                else:
                    self._looked = time.monotonic()
            if time.monotonic() - self._started > LATEST * self._plan.seconds:
                return None
            number = next(self._left, None)
        if number is not None:
            due = self._started + number * self._plan.seconds / self._plan.messages
            time.sleep(max(0.0, due - time.monotonic()))
        return number


def _send_all(plan: Plan, book: Book, times: Times) -> None:
    """Send all messages, over SENDERS connections at a time."""
    numbers = Numbers(plan, book)

    def over_connections() -> None:
        number = numbers.next()
        while number is not None:
            number = _send_some(plan, book, times, numbers, number)

    _run_threads([over_connections] * SENDERS, times, plan.interval)


def _send_some(plan: Plan, book: Book, times: Times, numbers: Numbers, number: int | None) -> int | None:
    """Over one connection.  Returns the number to go on with."""
    try:
        with Sender(plan.smtp_port) as sender:
            for _ in range(SENT_OVER_ONE_CONNECTION):
                if number is None:
                    break
                begun = time.monotonic()
                sender.deliver([f"u{number % USERS}@{DOMAIN}".encode()], _stuffed(number))
                times.add(time.monotonic() - begun)
                book.acknowledged[number] = 1
                number = numbers.next()
            sender.quit()
    except (OSError, Refused) as error:
        times.failures.append(f"sending: {error}")
        time.sleep(0.1)
        if number is None:
            return None
        book.acknowledged[number] = 2
        return numbers.next()
    return number


def _fetch_all(plan: Plan, book: Book, times: Times, finished: Event) -> None:
    """Fetch and delete what there is, over and over, until nothing comes any more."""

    def some_users(users: range) -> None:
        last_round = False
        while True:
            begun, last_round = time.monotonic(), finished.is_set()
            found = sum(_fetch(plan, book, times, user) for user in users)
            if last_round and not found:
                return
            time.sleep(max(0.0, begun + 2 - time.monotonic()))

    _run_threads([partial(some_users, range(n, USERS, READERS)) for n in range(READERS)], times, plan.interval)


def _fetch(plan: Plan, book: Book, times: Times, user: int) -> int:
    """One session: fetch all, delete all.  The number of messages."""
    try:
        with Reader(plan.pop3_port, f"u{user}@{DOMAIN}", plan.password) as reader:
            numbers = []
            count = reader.count()
            for first in range(1, count + 1, WINDOW):
                window = range(first, min(first + WINDOW, count + 1))
                begun = time.monotonic()
                reader.send(b"".join(b"RETR %d\r\n" % n for n in window))
                numbers += [_number(reader.expect_text()) for _ in window]
                times.add(time.monotonic() - begun)
                reader.send(b"".join(b"DELE %d\r\n" % n for n in window))
                for _ in window:
                    reader.expect(b"+OK")
            reader.quit()
    except (OSError, Refused) as error:
        times.failures.append(f"fetching: {error}")
        return 1
    for number in numbers:
        book.fetched[number] = min(book.fetched[number] + 1, 255)
    return len(numbers)


def _run_threads(works: list[Callable[[], None]], times: Times, interval: float) -> None:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    told = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        if time.monotonic() - told >= interval:
            times.tell()
            told = time.monotonic()
    times.tell()


# ---- the server


@contextmanager
def _server(folder: str, workers: int) -> Iterator[dict[str, object]]:
    """Runs one with all its state in *folder*; what `server start` says of it."""
    program = [sys.executable, str(Path(__file__).with_name("server"))]
    environment = {**os.environ, "BENCH_USERS": str(USERS), "BENCH_WORKERS": str(workers)}
    started = subprocess.run(
        [*program, "start", folder], env=environment, stdout=subprocess.PIPE, check=True, timeout=120
    )
    try:
        yield json.loads(started.stdout)
    finally:
        subprocess.run([*program, "stop", folder], env=environment, check=True, timeout=120)


# ---- the run


@dataclass(frozen=True, slots=True)
class Row:
    """One interval."""

    seconds: float
    sent: int
    fetched: int
    usage: Usage
    latencies: tuple[float, float, float, float]
    """Milliseconds: SMTP p50 and p99 of a message, POP3 p50 and p99 of a window of RETRs."""

    def line(self, before: Row | None) -> str:
        cpu = self.usage.cpu - (before.usage.cpu if before else 0.0)
        sent = self.sent - (before.sent if before else 0)
        latencies = "".join(f"{each:9.1f}" for each in self.latencies)
        return (
            f"{self.seconds:7.0f} {self.sent:9} {self.fetched:9} {latencies} {self.usage.memory / 2**20:8.1f}"
            f" {self.usage.descriptors:6} {cpu * 1000 / max(sent, 1):11.3f}"
        )


HEAD = """\
                            SMTP ms a message    POP3 ms a window
seconds      sent   fetched      p50      p99      p50      p99  PSS MiB  files  CPU-s/1000"""


def main() -> None:
    """Exit status 0: nothing lost, nothing doubled, memory flat."""
    options = _options()
    folder = tempfile.mkdtemp(prefix="mailserver-soak-", dir=options.folder)
    try:
        with _server(folder, options.workers) as server:
            plan = Plan(
                options.messages,
                options.seconds,
                int(str(server["smtp_port"])),
                int(str(server["pop3_port"])),
                str(server["password"]),
                options.interval,
            )
            book = Book(plan.messages)
            print(
                f"{plan.messages} messages in {plan.seconds:.0f} s, {options.workers} worker(s), {time.ctime()}",
                flush=True,
            )
            rows, failures = _run(plan, book, int(str(server["pid"])))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(0 if _verdict(plan, book, rows, failures) else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=1800, help="over how long they are spread")
    parser.add_argument("--workers", type=int, default=1, help="processes of the server")
    parser.add_argument("--folder", default="/var/tmp", help="where the server keeps its mail; removed at the end")
    parser.add_argument("--interval", type=float, default=60, help="seconds between two lines of the table")
    return parser.parse_args()


def _run(plan: Plan, book: Book, pid: int) -> tuple[list[Row], list[str]]:
    """Have it done; the table, and what went wrong."""
    finished = multiprocessing.Event()
    told_of_sending, telling_of_sending = multiprocessing.Pipe(duplex=False)
    told_of_fetching, telling_of_fetching = multiprocessing.Pipe(duplex=False)
    senders = multiprocessing.Process(target=_send_all, args=(plan, book, Times(telling_of_sending)), daemon=True)
    readers = multiprocessing.Process(
        target=_fetch_all, args=(plan, book, Times(telling_of_fetching), finished), daemon=True
    )
    rows: list[Row] = []
    failures: list[str] = []
    started = time.monotonic()
    last = started + LATEST * plan.seconds + DRAIN
    print(HEAD, flush=True)
    for process in (senders, readers):
        process.start()
    while readers.is_alive() and time.monotonic() < last:
        row = started + (len(rows) + 1) * plan.interval + 1
        while readers.is_alive() and time.monotonic() < min(row, last):
            time.sleep(0.1)
            if not senders.is_alive():
                finished.set()
        latencies, wrong = _latest(told_of_sending, told_of_fetching)
        rows.append(Row(time.monotonic() - started, *book.counts(), usage(pid), latencies))
        failures += wrong
        print(rows[-1].line(rows[-2] if len(rows) > 1 else None), *wrong[:5], sep="\n  ", flush=True)
    for process in (senders, readers):
        if process.is_alive():
            failures.append("the time is over and not all is done")
            process.terminate()
        process.join()
    return rows, failures


def _latest(sending: Pipe, fetching: Pipe) -> tuple[tuple[float, float, float, float], list[str]]:
    """What the client processes told last, and all that went wrong since the call before."""
    failures: list[str] = []
    latencies = []
    for pipe in (sending, fetching):
        p50 = p99 = 0.0
        while pipe.poll():
            p50, p99, wrong = pipe.recv()
            failures += wrong
        latencies.append((p50, p99))
    return (*latencies[0], *latencies[1]), failures


def _verdict(plan: Plan, book: Book, rows: list[Row], failures: list[str]) -> bool:
    sent, fetched = book.counts()
    lost, doubled, unsure = book.lost(), book.doubled(), book.acknowledged[:].count(2)
    quarter = max(1, len(rows) // 4)
    early = statistics.median(row.usage.memory for row in rows[quarter : 2 * quarter] or rows)
    late = statistics.median(row.usage.memory for row in rows[-quarter:])
    good = sent == plan.messages and not lost and not doubled and not failures and late <= early * GROWTH
    print(f"sent {sent}, fetched {fetched}, lost {lost}, twice {doubled}, without a reply {unsure}")
    print(f"failures {len(failures)}")
    print(f"memory: {early / 2**20:.1f} MiB in the second quarter, {late / 2**20:.1f} MiB in the last")
    for end, p99s in (("SMTP", [row.latencies[1] for row in rows]), ("POP3", [row.latencies[3] for row in rows])):
        p99s = [p99 for p99 in p99s if p99] or [0.0]  # the last line may be about nothing
        print(f"{end} p99: median {statistics.median(p99s):.1f} ms, worst interval {max(p99s):.1f} ms")
    print("good" if good else "NOT good")
    return good


if __name__ == "__main__":
    main()
