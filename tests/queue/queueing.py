"""A queue in a temporary directory, with a clock, a committer that does its work at once, and targets on command."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from twisted.internet.defer import Deferred, execute, fail, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.durable import Entry, Job, Phase, run_batch
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, RemoteRefusal
from twisted_mail.message.header import header_size
from twisted_mail.message.identifier import message_id
from twisted_mail.queue.scheduler import Scheduler
from twisted_mail.queue.spool import Spool
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient, RecipientOptions
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.syncing import Syncing

T = TypeVar("T")

ORIGIN = Origin(peer="192.0.2.1", session="5e55", hello="client.example", extended=True, user="alice@example.org")
ALICE = parse_address("alice@example.org")
START = 1_800_000_000.0
"""When the clocks of these tests begin."""
SILENT = RemoteRefusal(Reply(451, "4.1", "No answer"), host="mx.example.net", by_remote=False)
BUSY = RemoteRefusal(Reply(450, "2.0", "Try again"), host="mx.example.net", dialogue="S: 450 4.2.0 Try again")
NO_USER = RemoteRefusal(Reply(550, "1.1", "Unknown"), host="mx.example.net", dialogue="S: 550 5.1.1 Unknown")


class NoSync(Syncing):
    """Leaves it to the page cache."""

    def sync_files(self, descriptors: object) -> dict[int, OSError]:  # type: ignore[override]
        return {}

    def sync_directories(self, paths: object) -> dict[str, OSError]:  # type: ignore[override]
        return {}


class InlineCommitter:
    """Does each job before `run` returns, with the real steps.  *syncing*: NoSync where only the outcome counts."""

    def __init__(self, syncing: Syncing | None = None) -> None:
        self._inline = syncing or Syncing()

    def run(self, job: Job, phase: Phase) -> Deferred[None]:
        entry = Entry(job, phase)
        run_batch([entry], self._inline)
        return succeed(None) if entry.error is None else fail(entry.error)

    def discard(self, job: Job) -> None:
        run_batch([Entry(job, Phase.DISCARD)], self._inline)


def new_spool(folder: str, clock: Clock, syncing: Syncing | None = None) -> Spool:
    return Spool(os.path.abspath(folder), InlineCommitter(syncing or NoSync()), execute, clock)


def clock_at(seconds: float = START) -> Clock:
    clock = Clock()
    clock.rightNow = seconds
    return clock


def kill(scheduler: Scheduler) -> None:
    """Its process ends without a word; only what is on disk is left."""
    tenure = scheduler._tenure
    assert tenure is not None
    tenure.rounds._settlement.is_closed = True
    scheduler._tenure = None
    scheduler._poll.stop()
    scheduler._lock.release()


def message(text: bytes = b"Subject: hello\nMessage-ID: <1@example.org>\n\nHello\n", at: float = START) -> Message:
    size = header_size(text)
    return Message(message_id(int(at * 1000), os.urandom(10)), text[:size], text[size:], text.count(b"\n"))


def recipient(text: str, **options: object) -> Recipient:
    return Recipient(parse_address(text), RecipientOptions(**options))  # type: ignore[arg-type]


def now(awaitable: Awaitable[T]) -> T:
    """The result of what is done already."""

    async def wait() -> T:
        return await awaitable

    results: list[T] = []
    failures: list[BaseException] = []
    Deferred.fromCoroutine(wait()).addCallbacks(results.append, lambda failure: failures.append(failure.value))
    if failures:
        raise failures[0]
    (result,) = results
    return result


async def put(
    target: IDeliveryTarget,
    *recipients: str | Recipient,
    sender: Address | None = ALICE,
    options: MailOptions | None = None,
    content: Message | None = None,
) -> Mapping[Recipient, SMTPError | None]:
    """Queue one message."""
    delivery = await target.begin(ORIGIN, sender, options or MailOptions())
    for each in recipients:
        await delivery.add_recipient(recipient(each) if isinstance(each, str) else each)
    return await delivery.deliver(content or message())


Answer = Callable[[Recipient], SMTPError | None]


@implementer(IDeliveryTarget)
@dataclass(eq=False)
class Remote:
    """The world outside: answers for each recipient as `answer` says, at once or when the test says so."""

    answer: Answer = lambda recipient: None
    attempts: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Queue id and recipients of each."""
    taken: list[tuple[str, str]] = field(default_factory=list)
    """Message id and recipient, in the order in which they came."""
    texts: list[bytes] = field(default_factory=list)
    options: list[MailOptions] = field(default_factory=list)
    senders: list[Address | None] = field(default_factory=list)
    waits: bool = False
    pending: list[Deferred[None]] = field(default_factory=list)
    """With `waits`: attempts that end when these fire."""
    forgets: set[str] = field(default_factory=set)
    """Recipients that it does not answer for."""

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        self.options.append(options)
        self.senders.append(sender)
        return _RemoteDelivery(self, origin.session)

    def finish(self) -> None:
        """Let what waits go on."""
        pending, self.pending = self.pending, []
        for each in pending:
            each.callback(None)


@implementer(IDelivery)
class _RemoteDelivery:
    def __init__(self, remote: Remote, session: str) -> None:
        self._remote = remote
        self._session = session
        self._recipients: list[Recipient] = []

    async def add_recipient(self, recipient: Recipient) -> None:
        self._recipients.append(recipient)

    async def deliver(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        remote = self._remote
        remote.attempts.append((self._session, tuple(str(each.address) for each in self._recipients)))
        if remote.waits:
            waiting: Deferred[None] = Deferred()
            remote.pending.append(waiting)
            await waiting
        answers = {each: remote.answer(each) for each in self._recipients}
        for each, answer in answers.items():
            if answer is None:
                remote.taken.append((message.id, str(each.address)))
        remote.texts.append(b"".join(message.pieces()))
        return {each: answer for each, answer in answers.items() if str(each.address) not in remote.forgets}

    async def prepare(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        raise NotImplementedError("the queue delivers in one step")

    async def commit(self) -> None:
        raise NotImplementedError("the queue delivers in one step")

    def abort(self) -> None:
        pass
