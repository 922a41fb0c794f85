"""What sessions deleted, kept for a while so that it can be brought back.

QUIT moves files from `new/` and `cur/` to a folder of the session, MAILDIR/twisted-mail.deleted/SECONDS.SESSION,M=,S=/,
under the same names, so that `put_back` gives each its place and its unique-id back.  How many messages and octets
there are stands in the folder's name: nobody has to look into it.  The journal grows to a bound, and what is too old
goes.  All functions block.  Promise: a crash leaves each file in one of the two places, whole.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from dataclasses import dataclass

from twisted_mail.mailbox import layout
from twisted_mail.syncing import sync_directory

FOLDER = "twisted-mail.deleted"

_SELDOM = 16

_SESSION_FOLDER = re.compile(r"([0-9]{1,12})\.([^,.]+),M=([0-9]{1,9}),S=([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept, for one account.  What is beyond goes, the oldest session first."""

    seconds: float = 7 * 86_400.0
    messages: int = 100_000
    octets: int = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DeletedSession:
    """What one session deleted."""

    session: str
    """The id that stands on its log lines."""
    seconds: int
    """When, since 1970."""
    messages: int
    octets: int
    """On the wire."""

    @property
    def folder(self) -> str:
        """Where its messages are, relative to the Maildir."""
        return f"{FOLDER}/{self.seconds}.{self.session},M={self.messages},S={self.octets}"


def sessions(path: str) -> list[DeletedSession]:
    """What can be brought back to the Maildir at *path*, the newest last."""
    matches = (_SESSION_FOLDER.fullmatch(name) for name in _names(f"{path}/{FOLDER}"))
    found = [DeletedSession(m[2], int(m[1]), int(m[3]), int(m[4])) for m in matches if m]
    return sorted(found, key=lambda item: (item.seconds, item.session))


def put_back(path: str, session: str) -> int:
    """Bring back what *session* deleted, for good; how many messages.  The caller holds the lock.  Raises OSError."""
    kept = [item for item in sessions(path) if item.session == session]
    count = sum(_put_back(path, item) for item in kept)
    if kept:
        for folder in layout.FOLDERS:
            sync_directory(f"{path}/{folder}")
        for item in kept:
            shutil.rmtree(f"{path}/{item.folder}")
    return count


def may_exceed(batch: DeletedSession, bounds: Bounds) -> bool:
    """Whether to look at the whole journal now that *batch* has come into it.

    A program that fetches and deletes every minute has 10,000 sessions there after a week, and a look costs 30 ms: so
    only one in _SELDOM does, and each that is large enough to matter.
    """
    is_large = batch.messages * _SELDOM > bounds.messages or batch.octets * _SELDOM > bounds.octets
    return is_large or random.randrange(_SELDOM) == 0


def purge(path: str, bounds: Bounds, now: float) -> int:
    """Remove what is too old or too much; how many messages.  The caller holds the lock."""
    messages = octets = removed = 0
    for item in reversed(sessions(path)):
        messages += item.messages
        octets += item.octets
        if item.seconds < now - bounds.seconds or messages > bounds.messages or octets > bounds.octets:
            shutil.rmtree(f"{path}/{item.folder}", ignore_errors=True)
            removed += item.messages
    return removed


def _put_back(path: str, item: DeletedSession) -> int:
    count = 0
    for folder in layout.FOLDERS:
        source = f"{path}/{item.folder}/{folder}"
        for name in _names(source):
            os.rename(f"{source}/{name}", f"{path}/{folder}/{name}")
            count += 1
    return count


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
