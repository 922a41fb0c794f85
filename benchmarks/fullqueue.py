"""What a full queue costs: the start of the server with it, the memory of each message, and sending all of it.

`python benchmarks/fullqueue.py [FOLDER]`: FOLDER is on the file system to measure. Nothing is synced, and the other
server takes every message at once: what is left is the queue's own work.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.message.identifier import message_id
from twisted_mail.queue.entry import QueuedRecipient, QueueEntry
from twisted_mail.queue.envelope import encode
from twisted_mail.queue.rounds import QueueOptions, Rounds
from twisted_mail.queue.spool import Spool, SpoolFiles
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError

WAITING = 100_000
SENT = 10_000
DOMAINS = [f"d{number}.example" for number in range(1000)]
TEXT = b"Subject: benchmark\n\n" + b"x" * 2000 + b"\n"


class Unsynced:
    """In the committer's place: files are removed and written, and nobody waits for the disk."""

    def run(self, job: object, phase: object) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        list(job.publish())  # type: ignore[attr-defined]  # a Removal: nothing else happens to what is delivered
        done.callback(None)
        return done


@implementer(IDeliveryTarget)
class World:
    """Takes everything."""

    def __init__(self) -> None:
        self.taken = 0

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _Taking(self)


@implementer(IDelivery)
class _Taking:
    def __init__(self, world: World) -> None:
        self._world = world
        self._recipients: list[Recipient] = []

    async def add_recipient(self, recipient: Recipient) -> None:
        self._recipients.append(recipient)

    async def deliver(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        self._world.taken += 1
        return dict.fromkeys(self._recipients)

    async def prepare(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        return dict.fromkeys(self._recipients)

    async def commit(self) -> None:
        pass

    def abort(self) -> None:
        pass


def fill(files: SpoolFiles, count: int, due: float, domains: Sequence[str]) -> None:
    """Queue *count* messages, one recipient each, in one of *domains* after the other."""
    files.make()
    sender = Address("alice", "example.org")
    for number in range(count):
        recipient = Recipient(Address(f"user{number}", domains[number % len(domains)]))
        entry = QueueEntry(
            id=f"{message_id(int(due * 1000), os.urandom(10))}-{os.urandom(3).hex()}",
            created=due,
            origin=Origin(peer="192.0.2.1", session="5e55"),
            sender=sender,
            options=MailOptions(),
            recipients=(QueuedRecipient(recipient, due),),
            header_size=20,
            size=len(TEXT),
            lines=3,
        )
        for path, text in ((files.envelope(entry.id), encode(entry)), (files.message(entry.id), TEXT)):
            with open(path, "xb") as file:
                file.write(text)
        os.utime(files.envelope(entry.id), (due, due))


def new_rounds(folder: str, clock: Clock, world: World) -> tuple[Spool, Rounds]:
    spool = Spool(folder, Unsynced(), execute, clock)  # type: ignore[arg-type]
    return spool, Rounds(spool, (world, world), QueueOptions("mx.example.org"), clock, lambda: 0.0)


def resident() -> int:
    """Octets of memory that the process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure_start(folder: str) -> None:
    clock = Clock()
    clock.rightNow = time.time()
    fill(SpoolFiles(folder), WAITING, clock.rightNow + 3600, DOMAINS)
    spool, rounds = new_rounds(folder, clock, World())
    before, started = resident(), time.perf_counter()
    rounds.add(spool.files.scan(clock.rightNow))
    seconds = time.perf_counter() - started
    print(f"start with {len(rounds)} messages: {seconds:.2f} s, {(resident() - before) / WAITING:.0f} octets a message")


def measure_sending(folder: str) -> None:
    clock = Clock()
    clock.rightNow = time.time()
    fill(SpoolFiles(folder), SENT, clock.rightNow, DOMAINS)
    world = World()
    spool, rounds = new_rounds(folder, clock, world)
    started = time.perf_counter()
    rounds.add(spool.files.scan(clock.rightNow))
    while world.taken < SENT:
        clock.advance(0)
    each = (time.perf_counter() - started) / SENT
    print(f"{SENT} messages to {len(DOMAINS)} domains: {each * 1e6:.0f} microseconds each")


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else ".") as folder:
        measure_start(f"{os.path.abspath(folder)}/waiting")
        measure_sending(f"{os.path.abspath(folder)}/sent")


if __name__ == "__main__":
    main()
