"""The directories of a Maildir.  Imports little: see filecontents.py."""

from __future__ import annotations

import os

from twisted_mail.durable import new_directories

FOLDERS = ("new", "cur")
"""Where messages are, in the order to look at them: one that is just on its way to `cur/` is seen twice, not never."""
FOLDER_MARK = "maildirfolder"
"""An empty file by which other programs tell such a folder from a Maildir of its own (Maildir++)."""


def make_maildir_of(path: str) -> set[str]:
    """Make the Maildir that *path*, MAILDIR/SUBDIRECTORY/NAME, is to be in.  Raises OSError.

    The directories that must be synced then.
    """
    mailbox = os.path.dirname(os.path.dirname(path))
    grown = {parent for name in ("tmp", *FOLDERS) for parent in new_directories(f"{mailbox}/{name}")}
    if os.path.basename(mailbox).startswith("."):
        os.close(os.open(f"{mailbox}/{FOLDER_MARK}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return grown


def make_folder_of_views(file: str) -> list[str]:
    """Make the folder that *file* of a view is to be in, but not the Maildir around it.  Raises OSError."""
    folder = os.path.dirname(file)
    os.mkdir(folder, 0o700)
    return [os.path.dirname(folder)]
