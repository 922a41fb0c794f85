"""What a test needs of the machine.  MAILSERVER_TEST_ALL=1 turns a missing program from a skip into a failure."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
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
    """Root, on a machine where somebody without rights could run this interpreter too."""
    if os.getuid() != 0:
        pytest.skip("needs root")
    if not _nobody_can_run_it():
        pytest.skip("the installation lies in a folder that other users may not read")


@functools.cache
def _nobody_can_run_it() -> bool:
    probe = [sys.executable, "-c", "import twisted_mail.tap"]
    return not subprocess.run(
        probe, cwd="/", user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False
    ).returncode


def require_restricted_ports() -> None:
    """Only root may listen below 1024 (containers often allow it to all)."""
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not first.exists() or int(first.read_text()) <= 25:
        pytest.skip("everybody may listen on port 25 here")
