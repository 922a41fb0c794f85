"""A Maildir of ours or of another server as a source, with the subfolders of Maildir++ if they are wanted."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from twisted_mail.mailbox import layout, maildir
from twisted_mail.moving.letter import FLAGS, Letter
from twisted_mail.moving.uidlists import uids_of

_COMPRESSED: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", gzip.decompress),
    (b"BZh", bz2.decompress),
    (b"\xfd7zXZ\0", lzma.decompress),
)
"""How a file begins that Dovecot's zlib plugin has written, and what reads it.  No header begins so."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One mailbox of a Maildir++."""

    path: str
    paths: list[str]
    """As `maildir.scan` gives them."""
    uids: list[str | None]
    """Of each."""


class MaildirSource:
    """The messages of a Maildir, the inbox first.  It may be in use meanwhile."""

    def __init__(self, path: str, *, with_folders: bool = False, dovecot_format: str | None = None) -> None:
        """*with_folders*: its subfolders, too; no POP3 client has seen those; *dovecot_format*: see `listed`.

        Raises OSError or MovingError.
        """
        self.name = os.path.realpath(path)
        self.problems: list[str] = []
        self._folders = [Folder(path, *listed(path, dovecot_format))]
        others = [(name, maildir.scan(f"{path}/{name}")) for name in subfolders(path)]
        if with_folders:
            self._folders += [Folder(f"{path}/{name}", paths, [None] * len(paths)) for name, paths in others]
        self.left_out = [] if with_folders else [(name, len(paths)) for name, paths in others if paths]
        """Subfolders that are not wanted, and how many messages are in each."""
        self.total: int | None = sum(len(folder.paths) for folder in self._folders)

    def letters(self, is_wanted: Callable[[str], bool]) -> Iterator[Letter]:
        for folder in self._folders:
            for relative, uid in zip(folder.paths, folder.uids, strict=True):
                if uid is None or is_wanted(uid):
                    letter = self._letter(folder.path, relative, uid)
                    if letter is not None:
                        yield letter

    def files(self) -> Iterator[tuple[str, bytes, float]]:
        """Each message's path in its folder, its octets, and when its file was last modified."""
        for folder in self._folders:
            for relative in folder.paths:
                if found := self._read(folder.path, relative):
                    yield found

    def _letter(self, folder: str, relative: str, uid: str | None) -> Letter | None:
        if not (found := self._read(folder, relative)):
            return None
        relative, octets, modified = found
        name = maildir.name_of(relative)
        seconds = maildir.seconds_of(name)
        flags = name.partition(":2,")[2]
        return Letter(
            octets,
            uid,
            modified if seconds is None else seconds,
            "".join(sorted(FLAGS.intersection(flags))),
            is_new=relative.startswith("new/"),
        )

    def _read(self, folder: str, relative: str) -> tuple[str, bytes, float] | None:
        """With the path that it has now.  None: it has been deleted, or is one of the problems."""
        try:
            try:
                return relative, *_read(f"{folder}/{relative}")
            except FileNotFoundError:
                relative = _moved(folder, relative)
                return relative, *_read(f"{folder}/{relative}")
        except FileNotFoundError:
            return None
        except (OSError, EOFError, lzma.LZMAError) as error:
            self.problems.append(f"{folder}/{relative}: {error}")
            return None


def listed(path: str, dovecot_format: str | None) -> tuple[list[str], list[str | None]]:
    """The messages of the Maildir at *path*, and the unique-id of each: with *dovecot_format* (see uidlists.py), that
    of the server whose list is there, else ours.  Raises OSError or MovingError.
    """
    paths = maildir.scan(path)
    names = uids_of(path, dovecot_format) if dovecot_format is not None and not is_ours(path) else None
    if names is None:
        return paths, list(maildir.unique_ids(paths))
    found = [names.get(maildir.without_flags(maildir.name_of(relative))) for relative in paths]
    return paths, [uid if uid is not None and maildir.is_uid(uid) else None for uid in found]


def is_maildir(path: str) -> bool:
    """Whether there is one."""
    return any(os.path.isdir(f"{path}/{name}") for name in layout.FOLDERS)


def is_ours(path: str) -> bool:
    """Whether this server's own POP3 has opened it: then its clients know our unique-ids."""
    return os.path.exists(f"{path}/twisted-mail.lock")


def subfolders(path: str) -> list[str]:
    """The names of the other mailboxes of a Maildir++, as in `.Sent`."""
    names = os.listdir(path) if os.path.isdir(path) else []
    return sorted(name for name in names if name[0] == "." and is_maildir(f"{path}/{name}"))


def _read(path: str) -> tuple[bytes, float]:
    with open(path, "rb", opener=maildir.opener) as file:
        modified = os.fstat(file.fileno()).st_mtime
        octets = file.read()
    for beginning, decompress in _COMPRESSED:
        if octets.startswith(beginning):
            return decompress(octets), modified
    return octets, modified


def _moved(folder: str, relative: str) -> str:
    """Where another program has moved it to, with other flags perhaps.  Raises FileNotFoundError."""
    key = maildir.without_flags(maildir.name_of(relative))
    for found in maildir.scan(folder):
        if maildir.without_flags(maildir.name_of(found)) == key:
            return found
    raise FileNotFoundError(relative)
