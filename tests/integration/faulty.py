"""Runs a command of ours in a process whose disk fails on demand: `python faulty.py FOLDER twistd -n mailserver ...`

FOLDER/fault names one file call and what it does from now on, as in `rename EIO` or `fsync-file 2.0` (seconds that it
takes longer); without that file all goes well.  FOLDER/calls has a line for each file call: its name, its path where it
has one, and how it ended.  The seam is the `os` module as the modules that write see it,
here and in the committer's process.
"""

from __future__ import annotations

import errno
import os
import runpy
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

CALLS = ("open", "write", "pread", "link", "rename", "unlink", "mkdir", "fsync", "fstat", "stat", "syncfs", "spill")


class Faults:
    """What goes wrong now, and what was called."""

    def __init__(self, folder: Path) -> None:
        self._fault = folder / "fault"
        self._calls = (folder / "calls").open("a", buffering=1)

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            full_name, path = described(name, arguments)
            try:
                self._disturb(full_name)
                result = call(*arguments, **options)
            except OSError as error:
                self._calls.write(f"{full_name} {path} {errno.errorcode.get(error.errno or 0, 'error')}\n")
                raise
            self._calls.write(f"{full_name} {path} ok\n")
            return result

        return wrapped

    def _disturb(self, name: str) -> None:
        try:
            disturbed, how = self._fault.read_text().split()
        except FileNotFoundError:
            return
        if disturbed != name:
            return
        if how[0].isdigit():
            time.sleep(float(how))
        else:
            number = getattr(errno, how)
            raise OSError(number, os.strerror(number))


def described(name: str, arguments: tuple[Any, ...]) -> tuple[str, str]:
    """The call's name, with what it is called for where that makes a difference, and the path that it is about."""
    target = arguments[0] if arguments else ""
    if not isinstance(target, int):
        is_directory = name == "open" and arguments[1] & os.O_DIRECTORY
        return f"{name}-directory" if is_directory else name, str(target)
    path = os.readlink(f"/proc/self/fd/{target}").replace(" ", "_")
    if name == "fsync":
        name = "fsync-directory" if stat.S_ISDIR(os.fstat(target).st_mode) else "fsync-file"
    return name, path


class FaultyOS:
    """The os module, with the calls of CALLS wrapped."""

    def __init__(self, faults: Faults) -> None:
        for name in CALLS:
            if hasattr(os, name):
                setattr(self, name, faults.wrap(name, getattr(os, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def main(folder: str, *command: str) -> None:
    from twisted_mail import content, durable, filecontents, syncing
    from twisted_mail.committing import process
    from twisted_mail.mailbox import layout

    faults = Faults(Path(folder))
    faulty = FaultyOS(faults)
    modules: tuple[ModuleType, ...] = (content, durable, filecontents, layout, syncing)
    for module in modules:
        vars(module)["os"] = faulty
    syncfs = syncing._find_syncfs()
    assert syncfs is not None
    wrapped = faults.wrap("syncfs", syncfs)
    vars(syncing)["TOO_LONG"] = 3600.0  # a slow sync that we make, or a busy machine, must not change the calls
    vars(syncing)["_find_syncfs"] = lambda: wrapped
    spill = content.tempfile.TemporaryFile
    vars(content)["tempfile"] = ModuleType("tempfile")
    vars(content.tempfile)["TemporaryFile"] = faults.wrap("spill", spill)
    serving = Path(process.__file__).parent / "__main__.py"
    vars(process)["COMMAND"] = (sys.executable, __file__, folder, str(serving))
    sys.argv = list(command)
    runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
