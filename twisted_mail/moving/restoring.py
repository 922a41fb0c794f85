"""A data directory from a backup's snapshot: into an empty place, and looked at before it counts.

The files come into DATA.restoring, are compared with what the snapshot says, and are then DATA by one rename: after a
crash before, the data directory is as empty as it was, and the next restore begins anew.  Nothing of the snapshot is
linked: backup and server can each be changed or lost without the other.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress

from twisted_mail.moving.letter import MovingError
from twisted_mail.moving.manifest import DATA, Facts, differences
from twisted_mail.syncing import sync_directory


def restore(snapshot: str, data: str, advance: Callable[[int], None]) -> Facts:
    """Blocks.  Raises MovingError, also where what was restored is not what the snapshot says, or OSError.

    Files belong to whom they belonged; if root has made the empty directory for another user, to that one.
    """
    facts = Facts.of(snapshot)
    data = os.path.realpath(data)
    if os.path.isdir(data) and os.listdir(data):
        raise MovingError(f"{data} is not empty; stop the server, and move that away first: mv {data} {data}.old")
    owner = _owner(data)
    new = f"{data}.restoring"
    with suppress(FileNotFoundError):
        shutil.rmtree(new)
    os.makedirs(os.path.dirname(data), 0o755, exist_ok=True)
    _copy_folder(f"{snapshot}/{DATA}", new, owner, advance)
    wrong = list(differences(snapshot, new, lambda count: None))
    if wrong:
        raise MovingError(
            f"not restored: {wrong[0]} ({len(wrong)} in all); try another backup, {new} has what there is"
        )
    os.sync()
    with suppress(FileNotFoundError):
        os.rmdir(data)
    os.rename(new, data)
    sync_directory(os.path.dirname(data))
    return facts


def waiting(data: str) -> int:
    """Messages in the queue of a data directory."""
    with suppress(FileNotFoundError):
        return sum(name.endswith(".envelope") for name in os.listdir(f"{data}/.server/queue/messages"))
    return 0


def _owner(data: str) -> tuple[int, int] | None:
    """None: as in the snapshot."""
    if os.geteuid() != 0 or not os.path.isdir(data):
        return None
    found = os.stat(data)
    return (found.st_uid, found.st_gid) if found.st_uid != 0 else None


def _copy_folder(source: str, target: str, owner: tuple[int, int] | None, advance: Callable[[int], None]) -> None:
    os.mkdir(target, 0o700)
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _copy_folder(entry.path, f"{target}/{entry.name}", owner, advance)
            elif entry.is_file(follow_symlinks=False):
                _copy_file(entry.path, f"{target}/{entry.name}")
                _take_over(os.stat(entry.path), f"{target}/{entry.name}", owner)
                advance(1)
    _take_over(os.stat(source), target, owner)


def _copy_file(source: str, target: str) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(source, "rb") as reading, open(descriptor, "wb") as writing:
        shutil.copyfileobj(reading, writing, 1024 * 1024)


def _take_over(found: os.stat_result, target: str, owner: tuple[int, int] | None) -> None:
    if os.geteuid() == 0:
        os.chown(target, *(owner or (found.st_uid, found.st_gid)))
    os.chmod(target, stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_mtime_ns, found.st_mtime_ns))
