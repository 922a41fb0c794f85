"""Whose files the data directory's are: always those of the user that the server runs as, also where root acts.

Root acts when it starts the server with `twistd --uid`, and when it runs the `mailserver` command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from twisted_mail.config import Config, ConfigError
from twisted_mail.durable import make_directory

Owner = tuple[int, int]
"""User and group id."""


@contextmanager
def acting_as(owner: Owner) -> Iterator[None]:
    """Root becomes *owner* and itself again; anybody else stays who they are.  Modules must be imported before."""
    # root that is to stay root may have no right to change that: containers take it away
    if os.geteuid() != 0 or owner == (os.geteuid(), os.getegid()):
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(owner[1])
    os.seteuid(owner[0])
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def owner_of(folder: str) -> Owner:
    """Of *folder*, or where it is not there yet, of the one that it will be in."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    found = os.stat(folder)
    return found.st_uid, found.st_gid


def make_data_directory(config: Config) -> None:
    """The data directory exists, and what is the server's own in it.  Raises ConfigError."""
    try:
        # those above it are not ours to close: the server's user must get through
        os.makedirs(os.path.dirname(config.data), 0o755, exist_ok=True)
        make_directory(config.server_folder)
    except OSError as error:
        what, remedy = "cannot be made", "make it and give it to the user that runs the server"
        if isinstance(error, PermissionError) and _may_be_there(config.data):
            what, remedy = "is closed to this user", "run this as root or as the user that runs the server"
        raise ConfigError(f"{_place(config)}: {config.data} {what} ({error.strerror}); {remedy}") from error


def _may_be_there(path: str) -> bool:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError:  # the folder around it is closed, too
        pass
    return True


def hand_over(config: Config, owner: Owner) -> None:
    """Give *owner* what root has made: just now, or with the `mailserver` command before the first start.

    Only while the server's folder is root's own and closed to others: nobody can have planted a link there.
    """
    folder = os.stat(config.server_folder)
    if (folder.st_uid, folder.st_mode & 0o077) != (0, 0):
        return
    for parent, folders, files in os.walk(config.server_folder):
        for name in (*folders, *files):
            os.chown(os.path.join(parent, name), *owner, follow_symlinks=False)
    # not a folder that holds other things too, such as /srv by mistake
    if os.stat(config.data).st_uid == 0 and os.listdir(config.data) == [os.path.basename(config.server_folder)]:
        os.chown(config.data, *owner)
    os.chown(config.server_folder, *owner)


def check_access(config: Config) -> None:
    """Raises ConfigError unless the effective user can keep the server's files."""
    for folder in (config.data, config.server_folder):
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
            raise ConfigError(
                f"{_place(config)}: {folder} belongs to another user than the one that the server runs as; "
                f"as root: chown -R {os.geteuid()}:{os.getegid()} {config.data}"
            )


def _place(config: Config) -> str:
    return f"{config.file}: data" if config.file else "demo mode"
