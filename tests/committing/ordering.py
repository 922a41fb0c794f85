"""A reactor whose turns a test takes, and files to order from a committer's real process."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.committing.client import CommitterClient
from twisted_mail.durable import NewFile, make_directory_of
from twisted_mail.filecontents import Octets


class Reactor(Clock):
    """Its turns are those that the test takes."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[CommitterClient] = []
        self.writers: set[CommitterClient] = set()
        self.calls_from_threads: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def addReader(self, reader: CommitterClient) -> None:
        self.readers.append(reader)

    def addWriter(self, writer: CommitterClient) -> None:
        self.writers.add(writer)

    def removeWriter(self, writer: CommitterClient) -> None:
        self.writers.discard(writer)

    def removeReader(self, reader: CommitterClient) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        self.calls_from_threads.append((call, arguments))

    def turn(self) -> None:
        self.advance(0)
        if self.readers and select.select(self.readers, [], [], 0.01)[0]:
            for reader in list(self.readers):
                reader.doRead()
        for writer in select.select([], self.writers, [], 0)[1]:
            writer.doWrite()
        calls, self.calls_from_threads = self.calls_from_threads, []
        for call, arguments in calls:
            call(*arguments)


class OrderingTestCase(SynchronousTestCase):
    """With a folder for what is ordered."""

    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.reactor = Reactor()

    def done(self, *results: Deferred[None]) -> list[BaseException | None]:
        """Once all are there: None, or the error of each."""
        got: list[BaseException | None] = []
        for result in results:
            result.addCallbacks(got.append, lambda failure: got.append(failure.value))
        end = time.monotonic() + 20
        while len(got) < len(results):
            self.reactor.turn()
            self.assertLess(time.monotonic(), end)
        return got

    def file(self, name: str = "m", octets: bytes = b"text") -> NewFile:
        path = f"{os.path.abspath(self.folder)}/{name}"
        return NewFile(Octets(octets), f"{path}.tmp", [path], make_directory_of)

    def read(self, name: str = "m") -> bytes:
        with open(f"{self.folder}/{name}", "rb") as file:
            return file.read()

    def names(self) -> list[str]:
        return sorted(os.listdir(self.folder))

    def collected_events(self) -> list[LogEvent]:
        """What is logged from now on."""
        events: list[LogEvent] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        return events
