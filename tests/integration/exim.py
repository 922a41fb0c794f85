"""Exim in a folder of its own, as another server that sends one message to ours and ends.

Debian's package conflicts with Postfix: it may be unpacked instead (`dpkg -x`, with libgnutls-dane0 and libunbound8);
MAILSERVER_TEST_EXIM names the folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.integration.process import DOMAIN
from tests.integration.requirements import require_root

UNPACKED = "MAILSERVER_TEST_EXIM"


class Exim:
    """Sends all mail for DOMAIN to a port of ours, and no mail anywhere else."""

    def __init__(self, port: int) -> None:
        require_root()
        self._libraries = ""
        if unpacked := os.environ.get(UNPACKED):
            self._program = f"{unpacked}/usr/sbin/exim4"
            self._libraries = f"{unpacked}/usr/lib/x86_64-linux-gnu"
        elif program := shutil.which("exim4"):
            self._program = program
        else:  # also where every other program is demanded: Debian has it or Postfix
            pytest.skip(f"exim4 is not there (Debian package exim4-daemon-light, or {UNPACKED})")
        try:
            user = pwd.getpwnam("Debian-exim")
        except KeyError:
            pytest.skip("there is no user Debian-exim, which Exim needs")
        self.folder = Path(tempfile.mkdtemp(prefix="exim-"))
        self.folder.chmod(0o755)
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
            shutil.chown(self.folder / name, user.pw_uid, user.pw_gid)
        self._configuration = self.folder / "exim.conf"
        self._configuration.write_text(self._main(port))

    def _main(self, port: int) -> str:
        return f"""
exim_path = {self._program}
spool_directory = {self.folder}/spool
log_file_path = {self.folder}/log/%slog
primary_hostname = exim.example
keep_environment = LD_LIBRARY_PATH
never_users =
host_lookup =
local_interfaces = 127.0.0.1
begin routers
ours:
  driver = manualroute
  domains = {DOMAIN}
  route_list = * 127.0.0.1
  self = send
  transport = to_ours
begin transports
to_ours:
  driver = smtp
  port = {port}
  allow_localhost
  tls_verify_hosts =
  tls_try_verify_hosts =
begin retry
* * F,1h,10m
"""

    def __enter__(self) -> Exim:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def send(self, octets: bytes, sender: str, *recipients: str) -> str:
        """Deliver *octets*, with LF line ends, in the foreground; the log of that."""
        command = [self._program, "-C", str(self._configuration), "-odf", "-i", "-f", sender, *recipients]
        environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": self._libraries}
        done = subprocess.run(command, input=octets, capture_output=True, timeout=60, check=False, env=environment)
        logs = "".join(file.read_text(errors="replace") for file in (self.folder / "log").iterdir())
        assert done.returncode == 0, f"{done.stderr.decode()}\n{logs}"
        return logs
