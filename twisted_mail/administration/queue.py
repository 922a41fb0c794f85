"""The queue, as the page shows and changes it: the spool's files are read, and what is to be done is asked for.

As with `mailserver queue`, nobody but the scheduler writes an envelope (queue/requests.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice

from twisted.internet.task import deferLater
from zope.interface import implementer

from twisted_mail.administration.own import Means
from twisted_mail.affairs import IQueue, QueueChange, QueuedFacts, QueuedMessage, RecipientFacts, RefusedChange
from twisted_mail.queue import requests
from twisted_mail.queue.entry import NEVER, QueuedRecipient, QueueEntry
from twisted_mail.queue.envelope import EnvelopeError
from twisted_mail.queue.requests import Verb
from twisted_mail.queue.spool import SpoolFiles

PATIENCE = 5.0
"""Seconds to wait for the scheduler to do what was asked: it looks each second."""
INTERVAL = 0.2

_DONE = {
    QueueChange.RETRY: "is tried again",
    QueueChange.HOLD: "is held until it is released",
    QueueChange.RELEASE: "is released",
    QueueChange.DROP: "is dropped; nobody is told",
    QueueChange.BOUNCE: "is returned to its sender",
}


@implementer(IQueue)
class Queue:
    """That in one folder."""

    def __init__(self, folder: str, means: Means) -> None:
        self._files = SpoolFiles(folder)
        self._means = means

    async def messages(self, wanted: str, limit: int) -> tuple[int, Sequence[QueuedFacts]]:
        def look() -> tuple[int, Sequence[QueuedFacts]]:
            known = self._identifiers()
            found = (facts for facts in self._facts(known) if _matches(facts, wanted.lower()))
            return len(known), list(islice(found, limit))

        return await self._means.change(look)

    async def message(self, identifier: str) -> QueuedMessage | None:
        def look() -> QueuedMessage | None:
            entry = self._entry(identifier) if identifier in self._identifiers() else None
            return QueuedMessage(_facts(entry), [*map(_recipient, entry.recipients)]) if entry is not None else None

        return await self._means.change(look)

    async def ask(self, identifier: str, change: QueueChange) -> str:
        verb = Verb(change.value)

        def ask() -> None:
            if identifier not in self._identifiers():
                raise RefusedChange("That message has left the queue.")
            requests.ask(self._files.folder, identifier, verb)

        await self._means.change(ask)
        path = requests.path(self._files.folder, identifier, verb)
        clock = self._means.clock
        give_up = clock.seconds() + PATIENCE
        while await self._means.change(lambda: os.path.exists(path)):
            if clock.seconds() > give_up:
                return f"Asked for: message {identifier} {_DONE[change]}. The server is still at it."
            await deferLater(clock, INTERVAL)
        return f"Message {identifier} {_DONE[change]}."

    def _identifiers(self) -> list[str]:
        try:
            return self._files.identifiers()
        except FileNotFoundError:  # nothing was ever queued
            return []

    def _facts(self, identifiers: Sequence[str]) -> Iterator[QueuedFacts]:
        for identifier in identifiers:
            if (entry := self._entry(identifier)) is not None:
                yield _facts(entry)

    def _entry(self, identifier: str) -> QueueEntry | None:
        """None: it has left the queue in this moment, or cannot be read, which the scheduler tells."""
        try:
            return self._files.read(identifier)
        except (FileNotFoundError, EnvelopeError):
            return None


def _matches(facts: QueuedFacts, wanted: str) -> bool:
    return any(wanted in text.lower() for text in (facts.id, facts.sender, *facts.recipients))


def _facts(entry: QueueEntry) -> QueuedFacts:
    waiting = entry.waiting
    last = max((each.last for each in waiting if each.last), key=lambda last: last.at, default=None)
    return QueuedFacts(
        entry.id,
        "<>" if entry.sender is None else str(entry.sender),
        [str(each.recipient.address) for each in waiting],
        entry.size,
        entry.created,
        None if entry.due >= NEVER else entry.due,
        max((each.attempts for each in waiting), default=0),
        "" if last is None else str(last.reply),
    )


def _recipient(each: QueuedRecipient) -> RecipientFacts:
    address, state, last = str(each.recipient.address), each.state.value, each.last
    if last is None:
        return RecipientFacts(address, state, each.attempts, "", "", None, "")
    return RecipientFacts(address, state, each.attempts, last.host, str(last.reply), last.at, last.dialogue)
