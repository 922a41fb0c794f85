"""What a test needs of the machine.  MAILSERVER_TEST_ALL=1 turns a missing program from a skip into a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NOBODY = 65534
"""User and group of somebody without any rights."""


def require_program(name: str, package: str = "") -> str:
    """The path of a program of the Debian package *package*."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not there (Debian package {package or name})"
        if os.environ.get("MAILSERVER_TEST_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def require_strace() -> str:
    strace = require_program("strace")
    if subprocess.run([strace, "-f", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("strace may not trace here (ptrace is not permitted)")
    return strace


def require_root() -> None:
    if os.getuid() != 0:
        pytest.skip("needs root")


def require_usable_by(user: int, interpreter: str) -> None:
    """That *user* can run this program with *interpreter*: nobody can start what lies in a folder of root's alone."""
    try:
        run = subprocess.run(
            [interpreter, "-P", "-c", "import twisted_mail"],
            user=user,
            group=user,
            cwd="/",
            capture_output=True,
            check=False,
        )
    except PermissionError:
        pytest.skip(f"user {user} may not run {interpreter}")
    if run.returncode != 0:
        pytest.skip(f"user {user} may not read the program")


def without_rights() -> list[str]:
    """A command that runs another one without root's rights over files and ports.  Empty where we have none."""
    if os.getuid() != 0:
        return []
    # not another user: the interpreter may lie where others may not read
    return [require_program("setpriv", "util-linux"), "--bounding-set", "-all", "--inh-caps", "-all"]


def require_restricted_ports() -> None:
    """Only root may listen below 1024 (containers often allow it to all)."""
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not first.exists() or int(first.read_text()) <= 25:
        pytest.skip("everybody may listen on port 25 here")
