"""Whose the files are, who may read them, and how much room the disk has."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from itertools import chain, islice

from twisted_mail.cli.checks.finding import Finding, Situation, advice, fault, ok
from twisted_mail.config import Config

MOST_FILES = 20_000
"""Files below .server, and Maildirs, that are looked at; there may be more."""
LEAST_FREE = 0.05
"""Of the disk's space and of its inodes."""
LEAST_OCTETS = 200 * 1024**2
"""Free space below which mail will soon be refused, however large the disk."""
_MIB = 1024**2


def check_files(situation: Situation) -> Iterator[Finding]:
    config = situation.config
    try:
        yield from [*_data_directory(config), *_secrets(config), *_written_by_others(config)] or [
            ok(f"{config.data} and the keys are for their owner only")
        ]
    except PermissionError as error:
        yield advice(f"{error.filename} cannot be looked at by this user", "run this as root")
    except FileNotFoundError as error:
        yield fault(f"{error.filename} is not there", "start the server, which makes it, or correct the configuration")


def _data_directory(config: Config) -> Iterator[Finding]:
    """Nobody else may look into .server, and everything there has one owner.  Raises OSError."""
    top, server = os.stat(config.data), os.stat(config.server_folder)
    if server.st_mode & 0o077:
        yield fault(
            f"other users may look into {config.server_folder}, where the accounts are",
            f"chmod 700 {config.server_folder}",
        )
    paths = chain(islice(_paths_below(config.server_folder), MOST_FILES), islice(_maildirs(config.data), MOST_FILES))
    strangers = [path for path in paths if _owner(path) != top.st_uid]
    if server.st_uid != top.st_uid or strangers:
        where = strangers[0] if strangers else config.server_folder
        yield fault(
            f"{where} belongs to {_name(_owner(where))} and {config.data} to {_name(top.st_uid)}: the server cannot "
            "use both",
            f"chown -R --from={_owner(where)} {top.st_uid}:{top.st_gid} {config.data}",
        )


def _secrets(config: Config) -> Iterator[Finding]:
    """Keys and passwords: not for all users; a group may be given a key.  Raises OSError."""
    secrets = [config.tls.key, config.relay.smarthost_password_file, config.oauth.client_secret_file]
    for path in filter(None, secrets):
        if os.stat(path).st_mode & 0o037:
            yield fault(f"other users may read or change {path}", f"chmod u=rw,g=r,o= {path}")


def _written_by_others(config: Config) -> Iterator[Finding]:
    if config.file is not None and os.stat(config.file).st_mode & 0o022:
        yield fault(f"other users may change {config.file}", f"chmod go-w {config.file}")
    if os.stat(config.data).st_mode & stat.S_IWOTH:
        yield fault(f"all users may change {config.data}", f"chmod o-w {config.data}")


def _paths_below(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield os.path.join(parent, name)


def _maildirs(data: str) -> Iterator[str]:
    """The folders of domains and of their users; what lies in them is many files."""
    for domain in os.scandir(data):
        if domain.is_dir(follow_symlinks=False) and not domain.name.startswith("."):
            yield domain.path
            for user in os.scandir(domain.path):
                yield user.path


def _owner(path: str) -> int:
    """Raises OSError, but not for what has just been removed."""
    try:
        return os.lstat(path).st_uid
    except FileNotFoundError:
        return os.lstat(os.path.dirname(path)).st_uid


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def check_disk(situation: Situation) -> Iterator[Finding]:
    data = situation.config.data
    try:
        found = os.statvfs(data)
    except OSError as error:
        yield fault(f"{data} cannot be looked at ({error.strerror})", "run this as root, or correct data in the file")
        return
    yield _space(data, found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
    if found.f_files:  # some file systems make inodes as they need them
        yield _inodes(data, found.f_favail / found.f_files)
    if found.f_flag & os.ST_RDONLY:
        yield fault(f"the disk of {data} can only be read", f"findmnt -T {data}; dmesg | tail")


def _space(data: str, free: int, total: int) -> Finding:
    text = f"the disk of {data} has {free // _MIB} MiB free, {free / total:.0%}"
    if free < LEAST_OCTETS:
        return fault(
            f"{text}; with less than {LEAST_OCTETS // _MIB} mail will soon be refused", f"du -xh {data} | sort -h"
        )
    if free < total * LEAST_FREE:
        return advice(text, f"du -xh {data} | sort -h")
    return ok(text)


def _inodes(data: str, share: float) -> Finding:
    text = f"{share:.0%} of its inodes are free"
    if share < LEAST_FREE:
        return fault(f"{text}: each message is a file, and soon there will be no room for another", f"df -i {data}")
    return ok(text)
