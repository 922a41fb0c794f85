"""The server that runs on a data directory, as commands find it: `.server/server.json`, locked as long as it runs.

It is flock(2), which dies with the process; what the file says means something only while it is locked.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass

from twisted.logger import Logger

_RECORD = 4096
"""Octets of what the file says, padded with spaces: written in one piece, over what was there."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs."""

    pid: int
    """Of the process that takes signals."""
    reloads: int
    """How often it has read its configuration again."""
    error: str
    """Why it did not take it the last time; empty: it did."""


class RunFile:
    """The server's side.  A server works without it."""

    log = Logger()

    def __init__(self, server_folder: str) -> None:
        self._path = _path(server_folder)
        self._descriptor = -1
        self._running = Running(0, 0, "")

    def open(self) -> None:
        """With the process id that the server has from now on."""
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            self.log.warn("`mailserver reload` will not find this server: {error!s}", error=error)
            return
        self._write(Running(os.getpid(), 0, ""))

    def note(self, error: str) -> None:
        """The configuration was read again; *error*: why it was not taken, or empty."""
        self._write(Running(os.getpid(), self._running.reloads + 1, error))

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, running: Running) -> None:
        self._running = running
        if self._descriptor >= 0:
            try:
                os.pwrite(self._descriptor, json.dumps(asdict(running)).encode()[:_RECORD].ljust(_RECORD), 0)
            except OSError as error:
                self.log.warn("{path} cannot be written: {error!s}", path=self._path, error=error)


def find_running(server_folder: str) -> Running | None:
    """The server that runs; None: none does.  Raises OSError."""
    try:
        descriptor = os.open(_path(server_folder), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Running(**json.loads(os.pread(descriptor, _RECORD, 0)))
    finally:
        os.close(descriptor)
    return None


def _path(server_folder: str) -> str:
    return os.path.join(server_folder, "server.json")
