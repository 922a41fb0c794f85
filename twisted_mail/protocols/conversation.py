"""Drives the coroutine of a connection, which for the most part waits for octets.

Twisted's own driver wants a Deferred for each wait, with its callbacks and a context to run in: 2 us a command.  Here
the connection itself lets its coroutine go on when octets have come; what else is awaited is a Deferred as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure


@coroutine
def pause() -> Generator[None, None, None]:
    """Wait until somebody calls `Conversation.go_on`."""
    yield


class Conversation:
    """The coroutine must not raise."""

    __slots__ = ("_awaited", "_cancelled", "_coroutine", "_over", "is_paused", "is_shielded")

    def __init__(self, coroutine: Coroutine[Deferred[Any] | None, Any, None]) -> None:
        self._coroutine = coroutine
        self._awaited: Deferred[Any] | None = None
        self._cancelled = False
        self._over = False
        self.is_paused = True
        """It waits for `go_on`, with which it also begins."""
        self.is_shielded = False
        """What it awaits is not cancelled: `cancel` waits for the first wait behind that."""

    def go_on(self) -> None:
        """Only where `is_paused`: run to the next wait."""
        self._run(self._coroutine.send, None)

    def cancel(self) -> None:
        """What is awaited raises CancelledError; called from within the coroutine itself, what it awaits next."""
        if self.is_paused:
            self._run(self._coroutine.throw, CancelledError())
        elif self._awaited is not None and not self.is_shielded:
            self._awaited.cancel()
        else:
            self._cancelled = not self._over

    def _run(self, resume: Callable[[Any], Deferred[Any] | None], value: object) -> None:
        self._awaited, self.is_paused = None, False
        try:
            awaited = resume(value)
        except StopIteration:
            self._over = True
            return
        if awaited is None:
            self.is_paused = True
        else:
            self._awaited = awaited
            awaited.addBoth(self._has_come)
        if self._cancelled and not self.is_shielded:
            self._cancelled = False
            self.cancel()

    def _has_come(self, result: object) -> None:
        if isinstance(result, Failure):
            self._run(result.throwExceptionIntoGenerator, self._coroutine)
        else:
            self._run(self._coroutine.send, result)
