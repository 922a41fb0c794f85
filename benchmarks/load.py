"""Many connections at a time: client processes of several threads each, so that the client is not the limit."""

from __future__ import annotations

import math
import multiprocessing
import os
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier

PROCESSES = 4
"""Of the client; each connection is a thread of one of them."""

Work = Callable[[int, list[float]], None]
"""What one connection does: takes its number, adds the seconds that each step took."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """What came of it."""

    seconds: float
    """From the start of the first connection to the end of the last."""
    steps: list[float]
    """Sorted."""

    def percentile(self, percent: float) -> float:
        """Milliseconds."""
        return self.steps[math.ceil(len(self.steps) * percent / 100) - 1] * 1000 if self.steps else 0.0


def at_once(connections: int, work: Work) -> Latencies:
    """Run *work* over so many connections.  Raises RuntimeError with what went wrong first."""
    count = min(PROCESSES, connections)
    barrier = multiprocessing.Barrier(count + 1)
    pipes, processes = [], []
    for number in range(count):
        ours, theirs = multiprocessing.Pipe(duplex=False)
        numbers = range(number, connections, count)
        processes.append(multiprocessing.Process(target=_one_process, args=(numbers, work, barrier, theirs)))
        pipes.append(ours)
        processes[-1].start()
        theirs.close()
    barrier.wait(60)
    started = time.monotonic()
    steps: list[float] = []
    ended, wrong = started, ""
    for pipe, process in zip(pipes, processes, strict=True):
        their_end, their_steps, failure = pipe.recv()
        ended, wrong = max(ended, their_end), wrong or failure
        steps += their_steps
        process.join()
    if wrong:
        raise RuntimeError(wrong)
    return Latencies(ended - started, sorted(steps))


def _one_process(numbers: range, work: Work, barrier: Barrier, pipe: Pipe) -> None:
    steps: list[float] = []
    failures: list[str] = []

    def guarded(number: int) -> None:
        try:
            work(number, steps)
        except Exception as error:  # noqa: BLE001 (the parent tells it, whatever it is)
            failures.append(f"connection {number}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=guarded, args=(number,)) for number in numbers]
    barrier.wait(60)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send((time.monotonic(), steps, failures[0] if failures else ""))


def trusting() -> ssl.SSLContext:
    """A client that does not look at certificates: that costs the same for all servers, and is not what is measured.

    It knows no authorities either, which it would look through all the same: half a millisecond a handshake.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def machine() -> str:
    """One line about where this runs."""
    model = "processor unknown"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    kernel = os.uname()
    return f"{os.cpu_count()} x {model}, {kernel.sysname} {kernel.release}, load {os.getloadavg()[0]:.1f} at the start"
