"""The queue on disk: a body, written once, and a small envelope beside it, both synced before anybody hears 250.

    messages/ID.message     the octets, LF line ends; never written again
    messages/ID.envelope    JSON (envelope.py), replaced in one step when something changes; its modification time is
                            when the message is due, so that a start needs the names and times alone
    requests/ID.VERB        something to be done (requests.py)
    damaged/                envelopes that cannot be read, for a person to look at
    tmp/                    files that are being written
    scheduler.lock          held by the process that schedules

100,000 queued messages are listed in 0.45 s; one flat folder is as fast there as hashed ones.  Any process may put.
Promise: once `deliver` or `commit` returned, both files are there for good.  A crash before leaves a file in tmp/, or
a body without envelope, which `scan` sweeps when it is old.  The envelope goes first when a message leaves the queue,
so that a crash halfway leaves a body to be swept, never a message that is sent again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.committing.committer import Committer
from twisted_mail.content import Blocking, Message, disk_refusal
from twisted_mail.durable import (
    FilesInTurn,
    Job,
    NewFile,
    Phase,
    Removal,
    Replacement,
    make_directory,
    make_directory_of,
)
from twisted_mail.filecontents import Octets, SpilledBody
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, Results
from twisted_mail.queue import requests
from twisted_mail.queue.entry import QueuedRecipient, QueueEntry, release_time
from twisted_mail.queue.envelope import EnvelopeError, decode, encode
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError

SWEEP_AFTER = 3600.0
"""Seconds after which a file that belongs to no message was left by a crash: a put takes far less."""
SMALL = 64 * 1024
"""Octets up to which a message is read into memory at once: most are, and then nobody waits for the disk again."""

_ENVELOPE, _MESSAGE = ".envelope", ".message"


@dataclass(frozen=True, slots=True)
class SpoolFiles:
    """What lies where.  All of it blocks, and raises OSError."""

    folder: str

    @property
    def messages(self) -> str:
        return f"{self.folder}/messages"

    @property
    def damaged(self) -> str:
        return f"{self.folder}/damaged"

    def envelope(self, identifier: str) -> str:
        return f"{self.messages}/{identifier}{_ENVELOPE}"

    def message(self, identifier: str) -> str:
        return f"{self.messages}/{identifier}{_MESSAGE}"

    def temporary(self) -> str:
        return f"{self.folder}/tmp/{os.urandom(16).hex()}"

    def make(self) -> None:
        for name in ("messages", "requests", "damaged", "tmp"):
            make_directory(f"{self.folder}/{name}")

    def identifiers(self) -> list[str]:
        """Of all messages, the oldest first."""
        return sorted(name.removesuffix(_ENVELOPE) for name in os.listdir(self.messages) if name.endswith(_ENVELOPE))

    def read(self, identifier: str) -> QueueEntry:
        """Raises FileNotFoundError: it has left the queue.  Raises EnvelopeError."""
        with open(self.envelope(identifier), "rb") as file:
            return decode(file.read())

    def open(self, entry: QueueEntry) -> Message:
        """Raises FileNotFoundError: the body is missing."""
        # a large one's file is owned by the SpilledBody, closed with it
        file = open(self.message(entry.id), "rb", buffering=0)  # noqa: SIM115
        header = file.read(entry.header_size)
        if entry.size > SMALL:
            spilled = SpilledBody(file, entry.header_size, entry.size)
            return Message(entry.message_id, header, spilled, entry.lines)
        with file:
            return Message(entry.message_id, header, file.read(), entry.lines)

    def put_aside(self, identifier: str) -> None:
        for path in (self.envelope(identifier), self.message(identifier)):
            with suppress(FileNotFoundError):
                os.rename(path, f"{self.damaged}/{os.path.basename(path)}")

    def scan(self, now: float) -> dict[str, float]:
        """The due time of each message.  Removes what a crash left long ago."""
        due: dict[str, float] = {}
        bodies: list[str] = []
        with os.scandir(self.messages) as found:
            for file in found:
                name = file.name
                if not name.endswith(_ENVELOPE):
                    bodies.append(name.removesuffix(_MESSAGE))
                    continue
                with suppress(FileNotFoundError):  # it has left the queue in this moment
                    due[name.removesuffix(_ENVELOPE)] = file.stat().st_mtime
        for identifier in bodies:
            # looked for again by its name: a scan may miss an envelope that is being replaced
            if identifier not in due and not os.path.exists(self.envelope(identifier)):
                _sweep(self.message(identifier), now)
        for name in os.listdir(f"{self.folder}/tmp"):
            _sweep(f"{self.folder}/tmp/{name}", now)
        return due


@implementer(IDeliveryTarget)
class Spool:
    """Takes messages for any address, and keeps them until the scheduler has no more use for them."""

    _log = Logger()

    def __init__(self, folder: str, committer: Committer, blocking: Blocking, clock: IReactorTime) -> None:
        """*clock* gives Unix time, as a reactor does.  Makes *folder* where it is missing: raises OSError."""
        self.files = SpoolFiles(folder)
        self.files.make()
        self._committer = committer
        self._blocking = blocking
        self._clock = clock
        self.on_arrival: Callable[[QueueEntry], None] | None = None
        """The scheduler, where it is in this process; else it is told by a request."""

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _SpoolDelivery(self, self._committer, Envelope(origin, sender, options))

    def addition(
        self, envelope: Envelope, recipients: Iterable[Recipient], message: Message
    ) -> tuple[QueueEntry, FilesInTurn]:
        """A new entry, and what puts it on disk."""
        entry = new_entry(envelope, recipients, message, self._clock.seconds())
        return entry, addition(self.files, entry, message)

    def arrived(self, entry: QueueEntry) -> None:
        """*entry* is on disk."""
        self._log.info(
            "queued, from <{sender}>, {count} recipients, {size} octets",
            event="message.queued",
            session=entry.origin.session,
            id=entry.id,
            sender=entry.sender or "",
            recipients=[str(each.recipient.address) for each in entry.recipients],
            count=len(entry.recipients),
            size=entry.size,
        )
        if self.on_arrival is not None:
            self.on_arrival(entry)
            return
        with suppress(OSError):  # the scheduler's next look at the whole folder will find it
            requests.ask(self.files.folder, entry.id, requests.Verb.NEW)

    # ---- for the scheduler

    async def scan(self) -> dict[str, float]:
        """As SpoolFiles.scan, in a thread."""
        now = self._clock.seconds()
        due = await self._blocking(lambda: self.files.scan(now))
        assert isinstance(due, dict)
        return due

    async def read(self, identifiers: Sequence[str]) -> Sequence[QueueEntry]:
        """The entries of those that are still there; damaged ones are put aside.  Raises OSError."""
        entries: list[QueueEntry] = []
        damaged: list[tuple[str, EnvelopeError]] = []

        def read() -> None:
            for identifier in identifiers:
                try:
                    entries.append(self.files.read(identifier))
                except FileNotFoundError:
                    continue
                except EnvelopeError as error:
                    damaged.append((identifier, error))

        await self._blocking(read)
        for identifier, error in damaged:
            await self.put_aside(identifier, error)
        return entries

    async def open(self, entry: QueueEntry) -> Message:
        """Raises FileNotFoundError: the body is missing; OSError."""
        message = await self._blocking(lambda: self.files.open(entry))
        assert isinstance(message, Message)
        return message

    async def rewrite(self, entry: QueueEntry) -> None:
        """Have *entry* on disk in place of what was there.  Raises OSError."""
        envelope = Replacement(_envelope_of(entry), self.files.temporary(), self.files.envelope(entry.id))
        await self._committer.run(envelope, Phase.BOTH)

    async def remove(self, identifier: str) -> None:
        """It has left the queue, for good.  Raises OSError."""
        removal = Removal([self.files.envelope(identifier), self.files.message(identifier)])
        await self._committer.run(removal, Phase.PUBLISH)
        if removal.outcome.failed:
            raise removal.outcome.failed[0][1]

    async def put_aside(self, identifier: str, why: Exception) -> None:
        """The message cannot be read: a person must look at it.  Raises OSError."""
        self._log.error(
            "damaged, put aside in {folder}: {why}",
            event="queue.damaged",
            id=identifier,
            folder=self.files.damaged,
            why=why,
        )
        await self._blocking(lambda: self.files.put_aside(identifier))


@dataclass(frozen=True, slots=True)
class Envelope:
    """What `begin` was told."""

    origin: Origin
    sender: Address | None
    options: MailOptions


@implementer(IDelivery)
class _SpoolDelivery:
    _log = Logger()

    def __init__(self, spool: Spool, committer: Committer, envelope: Envelope) -> None:
        self._spool = spool
        self._committer = committer
        self._envelope = envelope
        self._recipients: dict[Address, list[Recipient]] = {}
        self._prepared: tuple[QueueEntry, Job] | None = None

    async def add_recipient(self, recipient: Recipient) -> None:
        self._recipients.setdefault(recipient.address, []).append(recipient)

    async def prepare(self, message: Message) -> Results:
        self._prepared = self._new(message)
        return self._for_each(await self._run(self._prepared[1], Phase.PREPARE))

    async def commit(self) -> None:
        assert self._prepared is not None
        (entry, job), self._prepared = self._prepared, None
        if refusal := await self._run(job, Phase.PUBLISH):
            raise refusal
        self._spool.arrived(entry)

    async def deliver(self, message: Message) -> Results:
        entry, job = self._new(message)
        refusal = await self._run(job, Phase.BOTH)
        if refusal is None:
            self._spool.arrived(entry)
        return self._for_each(refusal)

    def abort(self) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            self._committer.discard(prepared[1])

    def _new(self, message: Message) -> tuple[QueueEntry, Job]:
        # an address that was named twice gets one copy, with the options of the first
        recipients = (several[0] for several in self._recipients.values())
        return self._spool.addition(self._envelope, recipients, message)

    def _for_each(self, refusal: SMTPError | None) -> Results:
        return {recipient: refusal for several in self._recipients.values() for recipient in several}

    async def _run(self, job: Job, phase: Phase) -> SMTPError | None:
        try:
            await self._committer.run(job, phase)
        except OSError as error:
            self._log.failure("a message could not be queued")
            return disk_refusal(error)
        return None


def new_entry(envelope: Envelope, recipients: Iterable[Recipient], message: Message, now: float) -> QueueEntry:
    """*message*, to be put into a queue at Unix time *now*."""
    due = release_time(envelope.options, now)
    return QueueEntry(
        id=f"{message.id}-{os.urandom(3).hex()}",
        created=now,
        origin=envelope.origin,
        sender=envelope.sender,
        options=envelope.options,
        recipients=tuple(QueuedRecipient(recipient, due) for recipient in recipients),
        header_size=len(message.header),
        size=message.size,
        lines=message.lines,
    )


def addition(files: SpoolFiles, entry: QueueEntry, message: Message) -> FilesInTurn:
    """The job that puts *entry* into the queue, for a committer or `run_now`."""
    body = NewFile(message.contents, files.temporary(), [files.message(entry.id)], make_directory_of)
    envelope = NewFile(_envelope_of(entry), files.temporary(), [files.envelope(entry.id)], make_directory_of)
    return FilesInTurn(body, envelope)  # the envelope alone makes the message queued


def _envelope_of(entry: QueueEntry) -> Octets:
    """The envelope file, with the due time of *entry*."""
    return Octets(encode(entry), entry.due)


def _sweep(path: str, now: float) -> None:
    with suppress(FileNotFoundError):
        if os.stat(path).st_mtime < now - SWEEP_AFTER:
            os.unlink(path)
