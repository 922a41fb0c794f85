"""Addresses that do not exist are left alone: who writes to them again and again is taken for a sender of spam.

An address that another server refused for good three times in a week, because there is nobody of that name, is not
tried for a month, or until a person removes it from the list.  One small file an address lies in `suppression/` of the
queue, so that any process and any person can read and remove them.  They are no promise to anybody: nothing is synced.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, IRelayDelivery, RemoteRefusal, Results
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError

ENOUGH = 3
"""Failures."""
WITHIN = 7 * 86_400
"""Seconds in which they must lie."""
LASTS = 30 * 86_400
"""Seconds from the last of them."""

_NOBODY = ("1.", "2.1")
"""Details of enhanced status codes that speak of the address, not of the message or of us (RFC 3463 §3.2, §3.3)."""


@dataclass(frozen=True, slots=True)
class Failures:
    """What is known against one address."""

    address: str
    times: tuple[float, ...]
    """The last ENOUGH, Unix times, the oldest first."""
    reply: str
    """What was said the last time."""

    @property
    def until(self) -> float:
        """When it may be tried again; a time in the past where it never was too much."""
        if len(self.times) < ENOUGH or self.times[-1] - self.times[0] > WITHIN:
            return 0.0
        return self.times[-1] + LASTS

    @property
    def forgotten(self) -> float:
        """When nobody needs to know of it any more."""
        return max(self.until, self.times[-1] + WITHIN)


class Suppression:
    """The list, in the folder of the queue."""

    def __init__(self, queue_folder: str) -> None:
        self._folder = f"{queue_folder}/suppression"

    def find(self, address: Address) -> Failures | None:
        """What is known against *address*, whether it suffices or not.  Raises OSError."""
        return self._read(self._path(address))

    def failed(self, address: Address, reply: str, now: float) -> Failures:
        """Nobody of that name, said another server.  Raises OSError."""
        known = self.find(address)
        times = (*(known.times if known is not None else ()), now)[-ENOUGH:]
        failures = Failures(str(address), times, reply)
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        temporary = f"{self._folder}/.{os.urandom(8).hex()}"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"address": failures.address, "times": times, "reply": reply}, file)
        os.rename(temporary, self._path(address))
        return failures

    def remove(self, address: Address) -> bool:
        """Forget what is known against *address*; whether there was anything.  Raises OSError."""
        try:
            os.unlink(self._path(address))
        except FileNotFoundError:
            return False
        return True

    def suppressed(self, now: float) -> list[Failures]:
        """Those that are not tried, by address.  Raises OSError."""
        found = (self._read(path) for path in self._paths())
        return sorted((each for each in found if each is not None and now < each.until), key=lambda each: each.address)

    def sweep(self, now: float) -> None:
        """Remove what is of no use any more.  Raises OSError."""
        for path in self._paths():
            failures = self._read(path)
            if failures is None or now >= failures.forgotten:
                with suppress(FileNotFoundError):
                    os.unlink(path)

    def _paths(self) -> list[str]:
        try:
            return [f"{self._folder}/{name}" for name in os.listdir(self._folder)]
        except FileNotFoundError:
            return []

    def _path(self, address: Address) -> str:
        return f"{self._folder}/{hashlib.sha256(str(address.key).encode()).hexdigest()[:32]}"

    def _read(self, path: str) -> Failures | None:
        try:
            with open(path, "rb") as file:
                record = json.load(file)
            return Failures(record["address"], tuple(map(float, record["times"])), record["reply"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # half a file, after a power cut: nothing is known
            return None


@implementer(IDeliveryTarget)
class Suppressing:
    """In front of the relay: refuses addresses on the list, and puts others there."""

    log = Logger()

    def __init__(self, target: IDeliveryTarget, suppression: Suppression, clock: IReactorTime) -> None:
        """*clock* gives Unix time, as a reactor does."""
        self._target = target
        self._suppression = suppression
        self._clock = clock
        self._next_sweep = 0.0

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _SuppressingDelivery(self, await self._target.begin(origin, sender, options))

    def refusal(self, address: Address) -> SMTPError | None:
        """Why *address* is not tried; None: it is."""
        try:
            failures = self._suppression.find(address)
        except OSError:
            self.log.failure("the list of suppressed addresses cannot be read")
            return None
        if failures is None or self._clock.seconds() >= failures.until:
            return None
        until = datetime.fromtimestamp(failures.until, UTC)
        text = (
            f"{address} was refused {ENOUGH} times in a week and is not tried until {until:%Y-%m-%d}: {failures.reply}"
        )
        return SMTPError.of(550, "0.0", text)

    def note(self, results: Results) -> None:
        """What other servers have said."""
        for recipient, error in results.items():
            try:
                self._note_one(recipient.address, error)
                self._sweep()
            except OSError:
                self.log.failure("the list of suppressed addresses cannot be written")

    def _note_one(self, address: Address, error: SMTPError | None) -> None:
        if error is None:
            self._suppression.remove(address)
        elif speaks_of_the_address(error):
            now = self._clock.seconds()
            failures = self._suppression.failed(address, str(error.reply), now)
            if now < failures.until:
                self.log.info("<{address}> is suppressed: {reply!r}", address=address, reply=failures.reply)

    def _sweep(self) -> None:
        """Once a day."""
        now = self._clock.seconds()
        if now >= self._next_sweep:
            self._next_sweep = now + 86_400
            self._suppression.sweep(now)


def speaks_of_the_address(error: SMTPError) -> bool:
    """Another server said for good that there is nobody of that name."""
    if not isinstance(error, RemoteRefusal) or not error.by_remote or error.reply.is_temporary:
        return False
    return error.reply.detail.startswith(_NOBODY)


@implementer(IRelayDelivery)
class _SuppressingDelivery:
    def __init__(self, target: Suppressing, inner: IDelivery) -> None:
        self._target = target
        self._inner = inner

    @property
    def reports_success(self) -> Set[Recipient]:
        return self._inner.reports_success if IRelayDelivery.providedBy(self._inner) else frozenset()

    async def add_recipient(self, recipient: Recipient) -> None:
        if refusal := self._target.refusal(recipient.address):
            raise refusal
        await self._inner.add_recipient(recipient)

    async def deliver(self, message: Message) -> Results:
        results = await self._inner.deliver(message)
        self._target.note(results)
        return results

    async def prepare(self, message: Message) -> Results:
        return await self._inner.prepare(message)

    async def commit(self) -> None:
        await self._inner.commit()

    def abort(self) -> None:
        self._inner.abort()
