"""Undo of POP3 sessions: what one deleted from the maildrop or a folder, or dropped from a view, comes back.

Everything here blocks.  Promise: after `restore` the messages are where they were, under the same unique-ids; after a
crash within it, calling it again does the rest.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

from twisted_mail.mailbox import journal, maildir, views
from twisted_mail.mailbox.lock import MaildropLock


@dataclass(frozen=True, slots=True)
class Undoable:
    """What can be brought back of one session."""

    session: str
    """The id that stands on its log lines."""
    seconds: int
    """When, since 1970."""
    messages: int
    octets: int | None
    """On the wire, of those that were deleted; None: they were dropped from a view and are still there."""
    view: str = ""


def undoable(path: str) -> list[Undoable]:
    """Of the Maildir at *path*, the newest last.  Raises OSError."""
    found = [
        Undoable(item.session, item.seconds, item.messages, item.octets, view)
        for folder, view in _folders(path)
        for item in journal.sessions(folder)
    ]
    there = set(maildir.unique_ids(maildir.scan(path)))
    for view in views.load_all(path).values():
        drops = Counter(drop for uid, drop in view.dropped.items() if uid in there)
        found += [Undoable(drop.session, drop.seconds, count, None, view.name) for drop, count in drops.items()]
    return sorted(found, key=lambda item: (item.seconds, item.session))


def restore(path: str, session: str) -> int:
    """Bring back what *session* removed, for good; how many messages: fewer than it meant to, if the server died then.

    Raises LookupError: nothing is known of it; MaildropLocked; OSError.
    """
    if all(item.session != session for item in undoable(path)):
        raise LookupError(f"nothing is kept of session {session}")
    lock = MaildropLock(path, f"restore of session {session}, process {os.getpid()}", is_login=False)
    try:
        # first the views: a message that all of them hide must not be there
        shown = views.bring_back(path, session)
        return max(shown, sum(journal.put_back(folder, session) for folder, _ in _folders(path)))
    finally:
        lock.release()


def purge(path: str, bounds: journal.Bounds, now: float) -> int:
    """Keep the journals of the Maildir at *path* and its folders within *bounds* each; how many messages went for good.

    *now*: seconds since 1970.  Raises MaildropLocked or OSError.
    """
    folders = [folder for folder, _ in _folders(path) if journal.sessions(folder)]
    if not folders:
        return 0
    lock = MaildropLock(path, f"the journal's purge, process {os.getpid()}", is_login=False)
    try:
        return sum(journal.purge(folder, bounds, now) for folder in folders)
    finally:
        lock.release()


def _folders(path: str) -> list[tuple[str, str]]:
    """Where deleted messages may be from, and the view that shows it: empty for the inbox."""
    names = {maildir.JUNK: views.JUNK}
    return [(path, ""), *((f"{path}/{name}", names.get(name, name)) for name in maildir.folders_of(path))]
