"""A Maildir in a temporary directory, a committer whose thread is waited for, and threads that can be counted."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.committing.committer import CommitterThread
from twisted_mail.durable import Job, Phase
from twisted_mail.mailbox import maildir

T = TypeVar("T")


class PatientCommitter(CommitterThread):
    """The real one, in its thread; `run` waits until the job is done."""

    def __init__(self) -> None:
        self._calls: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        super().__init__(self)  # type: ignore[arg-type]  # it is its own reactor
        self.jobs: list[Job] = []

    def callFromThread(self, call: Callable[..., object], *args: object) -> None:
        self._calls.append((call, args))

    def run(self, job: Job, phase: Phase) -> Deferred[None]:
        self.jobs.append(job)
        done = super().run(job, phase)
        self.start()
        self.stop()
        calls, self._calls = self._calls, []
        for call, args in calls:
            call(*args)
        return done


class MaildirTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        for folder in ("new", "cur", "tmp"):
            os.makedirs(f"{self.path}/{folder}")
        self.committer = PatientCommitter()
        self.hops = 0
        """How often something was left to a thread."""

    def blocking(self, call: Callable[[], object]) -> Deferred[object]:
        self.hops += 1
        return execute(call)

    def put(self, path: str, text: bytes = b"Subject: x\n\nx\n") -> str:
        with open(f"{self.path}/{path}", "xb") as file:
            file.write(text)
        return path

    def put_ours(self, number: int, text: bytes = b"Subject: x\n\nx\n") -> str:
        """A message in `new/` under a name as this server gives it."""
        name = maildir.final_name(f"{1700000000 + number}.{number:032x}.mx", len(text), len(text) + text.count(b"\n"))
        return self.put(f"new/{name}", text)

    def age(self, seconds: int = 10) -> None:
        """As if nothing had changed in the folders for so long."""
        for folder in ("new", "cur"):
            found = os.stat(f"{self.path}/{folder}")
            old = found.st_mtime_ns - seconds * 10**9
            os.utime(f"{self.path}/{folder}", ns=(old, old))

    def result(self, awaitable: Awaitable[T]) -> T:
        return self.successResultOf(deferred(awaitable))

    def failure(self, awaitable: Awaitable[Any], *errors: type[Exception]) -> Exception:
        return self.failureResultOf(deferred(awaitable), *errors).value


def deferred(awaitable: Awaitable[T]) -> Deferred[T]:
    async def wait() -> T:
        return await awaitable

    return Deferred.fromCoroutine(wait())
