"""What is asked of the scheduler from outside its process: empty files `requests/ID.VERB`, which it looks for.

`mailserver queue` writes them, and so does a spool in a process that does not schedule.  The scheduler does what they
ask and removes them after that; those written while no server runs wait for its start.  Nobody but the scheduler ever
writes an envelope that is in the queue, so that no lock is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum


class Verb(Enum):
    """What is asked."""

    NEW = "new"
    """The message has come; another process put it."""
    RETRY = "retry"
    """Try it now."""
    HOLD = "hold"
    """Let it wait until RELEASE."""
    RELEASE = "release"
    DROP = "drop"
    """Forget it; nobody is told."""
    BOUNCE = "bounce"
    """Return it to its sender."""


def ask(folder: str, identifier: str, verb: Verb) -> None:
    """*folder* is the queue's.  The last request for a message counts: they have no other order.  Raises OSError."""
    for other in Verb:
        if other is not verb:
            done(folder, identifier, other)
    os.close(os.open(path(folder, identifier, verb), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def asked(folder: str) -> Iterator[tuple[str, Verb]]:
    """The requests that are there, in no order.  Removes files that are none.  Raises OSError."""
    for name in os.listdir(f"{folder}/requests"):
        identifier, _, verb = name.rpartition(".")
        try:
            yield identifier, Verb(verb)
        except ValueError:
            with suppress(OSError):
                os.unlink(f"{folder}/requests/{name}")


def done(folder: str, identifier: str, verb: Verb) -> None:
    """It needs no more attention.  Raises OSError."""
    with suppress(FileNotFoundError):
        os.unlink(path(folder, identifier, verb))


def path(folder: str, identifier: str, verb: Verb) -> str:
    """The file of a request: gone once it is done."""
    return f"{folder}/requests/{identifier}.{verb.value}"
