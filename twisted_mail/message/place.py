"""Where in a mailbox a message is to be put, and how it is marked there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of a Maildir."""

    folder: str | None = None
    """As it is called on disk, `.Work`; empty: the inbox.  None: where it belongs by what was found of it."""
    flags: str = ""
    """Of the Maildir format, in the order of the alphabet: `FS` is flagged and seen."""


INBOX = (Place(),)
"""Where all goes of which nobody says anything else."""
