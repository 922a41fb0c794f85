"""The mail of one account for other programs: as an mbox, which says the unique-ids, or as a Maildir."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted_mail.mailbox import layout
from twisted_mail.moving.letter import MovingError
from twisted_mail.moving.maildirs import MaildirSource
from twisted_mail.moving.mboxes import entry
from twisted_mail.syncing import sync_directory

Advance = Callable[[int], None]


def to_mbox(source: MaildirSource, path: str, advance: Advance) -> int:
    """How many messages were written to a new file at *path*, on disk for good.  Raises MovingError or OSError."""
    count = 0
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise MovingError(f"{path} is there already; name another file") from None
    with open(descriptor, "wb") as file:
        for letter in source.letters(lambda uid: True):
            file.write(entry(letter))
            count += 1
            advance(1)
        file.flush()
        os.fsync(descriptor)
    _check(source)
    return count


def to_maildir(source: MaildirSource, path: str, advance: Advance) -> int:
    """Likewise to a new Maildir at *path*, under the names that the files have here: they hold the unique-ids."""
    if os.path.isdir(path) and os.listdir(path):
        raise MovingError(f"{path} is not empty; name a new folder")
    for name in ("tmp", *layout.FOLDERS):
        os.makedirs(f"{path}/{name}", 0o700)
    count = 0
    for relative, octets, modified in source.files():
        with open(f"{path}/{relative}", "xb", opener=_private) as file:
            file.write(octets)
        os.utime(f"{path}/{relative}", (modified, modified))
        count += 1
        advance(1)
    os.sync()
    sync_directory(path)
    _check(source)
    return count


def _check(source: MaildirSource) -> None:
    if source.problems:
        raise MovingError(
            f"not exported: {source.problems[0]} ({len(source.problems)} in all); mend that and try again"
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
