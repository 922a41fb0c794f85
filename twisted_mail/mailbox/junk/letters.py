"""What a person sees of junk and inbox who has no program for folders, and how a message goes from one to the other.

A message that is moved keeps its name, and so its unique-id.  All of it blocks.  Promise: whatever happens, the message
is in one of the two places.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from twisted_mail.mailbox import layout, maildir
from twisted_mail.mailbox.junk.memory import opened_memory
from twisted_mail.mailbox.junk.moves import Heard, junk_field_of, learn_message
from twisted_mail.mailbox.junk.texts import MAX_OCTETS, unfolded
from twisted_mail.mailbox.junk.words import identity_of
from twisted_mail.mailbox.lock import MaildropLock
from twisted_mail.message.header import fields, header_size
from twisted_mail.syncing import sync_directory

MAX_HEADER = 32 * 1024
"""Octets of a message that are read for a list."""
MAX_SHOWN = 200
"""Characters of a field."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, in a few words."""

    name: str
    """Of its file, without flags."""
    author: str
    subject: str
    seconds: int
    """When it came, since 1970; 0: nobody knows."""
    reasons: Sequence[str]
    """What speaks for junk and against it, as X-Junk has it."""


def newest(folder: str, limit: int) -> list[Letter]:
    """The last *limit* messages in the Maildir *folder*, the newest first.  Raises OSError."""
    found = []
    for relative in reversed(maildir.scan(folder)[-limit:]):
        with suppress(FileNotFoundError):
            found.append(_letter(maildir.name_of(relative), maildir.read_beginning(f"{folder}/{relative}", MAX_HEADER)))
    return found


def move(path: str, name: str, *, to_junk: bool, now: float) -> Sequence[Heard]:
    """Move a message of the Maildir at *path* into its junk folder, or out of it, and learn from that.

    In the inbox it is new.  *name*: see Letter; *now*: Unix time.  Raises LookupError: it is not there; MaildropLocked;
    OSError.
    """
    junk = maildir.junk_of(path)
    source, target = (path, junk) if to_junk else (junk, path)
    lock = MaildropLock(path, f"a move at the web page, process {os.getpid()}", is_login=False)
    try:
        relative = _found(source, name)
        octets = maildir.read_beginning(f"{source}/{relative}", MAX_OCTETS)
        new = relative if to_junk else f"new/{name}"
        grown = layout.make_maildir_of(f"{target}/{new}")
        os.link(f"{source}/{relative}", f"{target}/{new}")
        for folder in (*grown, os.path.dirname(f"{target}/{new}")):
            sync_directory(folder)
        os.unlink(f"{source}/{relative}")
        sync_directory(os.path.dirname(f"{source}/{relative}"))
    finally:
        lock.release()
    with opened_memory(path) as memory:
        return learn_message(memory, octets, to_junk, now)


def learn_inbox(path: str, limit: int, now: float) -> Sequence[Heard]:
    """That the last *limit* messages in the inbox of the Maildir at *path* are good.

    Of those of which something was said before, that holds.  *now*: Unix time.  Raises OSError.
    """
    heard: list[Heard] = []
    with opened_memory(path) as memory:
        for relative in maildir.scan(path)[-limit:]:
            with suppress(FileNotFoundError):
                octets = maildir.read_beginning(f"{path}/{relative}", MAX_OCTETS)
                if memory.verdict(identity_of(octets[: header_size(octets)])) is None:
                    heard += learn_message(memory, octets, False, now)
    return heard


def _found(folder: str, name: str) -> str:
    for relative in maildir.scan(folder):
        if maildir.without_flags(maildir.name_of(relative)) == name:
            return relative
    raise LookupError(name)


def _letter(name: str, octets: bytes) -> Letter:
    header = octets[: header_size(octets)]
    found = {"from": "", "subject": ""}
    for field_name, field in fields(header):
        if found.get(field_name) == "":
            found[field_name] = unfolded(field)[:MAX_SHOWN]
    seconds = maildir.seconds_of(name) or 0
    reasons = [" ".join(line.split()) for line in junk_field_of(header).split(";\n")[1:]]
    return Letter(maildir.without_flags(name), found["from"], found["subject"], seconds, reasons)
