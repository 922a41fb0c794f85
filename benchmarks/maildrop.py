"""What a POP3 login costs.  `python benchmarks/maildrop.py [MESSAGES]`

Makes a Maildir of empty files in a temporary directory, with sizes in their names, and lists it: cold, then again.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable

from twisted.internet.defer import Deferred, execute

from twisted_mail.committing.committer import CommitterThread
from twisted_mail.interfaces import IMaildrop
from twisted_mail.mailbox import maildir
from twisted_mail.mailbox.maildrop import MaildirReader
from twisted_mail.mailbox.settling import COARSE
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin


def make_maildir(path: str, count: int) -> None:
    for folder in ("tmp", "cur", "new"):
        os.makedirs(f"{path}/{folder}")
    for number in range(count):
        name = maildir.unique_name(1_700_000_000 + number // 10, os.urandom(16).hex(), "mail.example.org")
        with open(f"{path}/new/{maildir.final_name(name, 4000, 4100)}", "xb"):
            pass


def log_in(reader: MaildirReader, path: str) -> IMaildrop:
    opened: list[IMaildrop] = []
    opening = Deferred.fromCoroutine(
        reader.open_maildrop(path, Address("alice", "example.org"), Origin("127.0.0.1", "benchmark"))
    )
    opening.addCallback(opened.append)
    [maildrop] = opened
    maildrop.release()
    return maildrop


def milliseconds(work: Callable[[], object], times: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) * 1000 / times


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    reader = MaildirReader(CommitterThread(None), execute)  # type: ignore[arg-type]  # nothing is deleted here
    with tempfile.TemporaryDirectory() as path:
        make_maildir(path, count)
        time.sleep(COARSE / 1e9 + 0.1)  # a listing is not trusted again before
        print(f"{count} messages, first login: {milliseconds(lambda: log_in(reader, path)):.1f} ms")
        listing = log_in(reader, path).listing
        print(f"LIST and UIDL, first time: {milliseconds(lambda: (listing.scan_lines, listing.uid_lines)):.1f} ms")
        print(f"login again: {milliseconds(lambda: log_in(reader, path), 1000):.4f} ms")


if __name__ == "__main__":
    main()
