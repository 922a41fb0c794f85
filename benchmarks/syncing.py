"""What it costs to have a batch of messages on disk: shared syncs against one by one.

`python benchmarks/syncing.py [FOLDER]`: FOLDER is on the file system to measure; a tmpfs has nothing to sync.
Each message is one small file for a mailbox of its own: written in tmp/, synced, renamed into new/, the folder synced.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time

from twisted_mail import syncing
from twisted_mail.syncing import Syncing

MESSAGES = (1, 4, 20, 100)
"""In one batch."""
ROUNDS = 60
TEXT = b"Subject: benchmark\n\n" + b"x" * 2000 + b"\n"


def main() -> None:
    """Print milliseconds a batch and microseconds of CPU a message."""
    shared_from = syncing.SHARED_FROM
    print(f"{'messages':>8}  {'shared':>21}  {'one by one':>21}")
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else ".") as folder:
        mailboxes = [f"{folder}/{number}" for number in range(max(MESSAGES))]
        for mailbox in mailboxes:
            os.makedirs(f"{mailbox}/tmp")
            os.mkdir(f"{mailbox}/new")
        for count in MESSAGES:
            syncing.SHARED_FROM = 1
            shared = _measured(mailboxes[:count])
            syncing.SHARED_FROM = sys.maxsize
            one_by_one = _measured(mailboxes[:count])
            print(f"{count:8}  {shared}  {one_by_one}{'  <- shared from here on' * (count == shared_from)}")


def _measured(mailboxes: list[str]) -> str:
    """The median of some rounds."""
    how, wall, cpu = Syncing(), [], []
    for number in range(ROUNDS):
        started, busy = time.perf_counter(), time.process_time()
        _deliver(how, mailboxes, f"{number}")
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - busy)
        for mailbox in mailboxes:
            os.unlink(f"{mailbox}/new/{number}")
    return f"{statistics.median(wall) * 1e3:7.2f} ms {statistics.median(cpu) / len(mailboxes) * 1e6:7.0f} us"


def _deliver(how: Syncing, mailboxes: list[str], name: str) -> None:
    descriptors = []
    for mailbox in mailboxes:
        descriptor = os.open(f"{mailbox}/tmp/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, TEXT)
        descriptors.append(descriptor)
    failures = how.sync_files(descriptors)
    for descriptor, mailbox in zip(descriptors, mailboxes, strict=True):
        os.close(descriptor)
        os.rename(f"{mailbox}/tmp/{name}", f"{mailbox}/new/{name}")
    assert not failures
    assert not how.sync_directories([f"{mailbox}/new" for mailbox in mailboxes])


if __name__ == "__main__":
    main()
