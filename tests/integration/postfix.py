"""Postfix in a folder of its own, on loopback, as another server that sends to ours: over SMTP, or over LMTP."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.integration.requirements import require_program, require_root

PATIENCE = 60.0
"""Seconds for mail to get through."""

# service, type, private, unprivileged, chroot, wake-up, processes, program
SERVICES = """
pickup    unix n - n 60   1 pickup
cleanup   unix n - n -    0 cleanup
qmgr      unix n - n 300  1 qmgr
rewrite   unix - - n -    - trivial-rewrite
bounce    unix - - n -    0 bounce
defer     unix - - n -    0 bounce
trace     unix - - n -    0 bounce
error     unix - - n -    - error
retry     unix - - n -    - error
smtp      unix - - n -    - smtp
lmtp      unix - - n -    - lmtp
proxymap  unix - - n -    - proxymap
tlsmgr    unix - - n 1000? 1 tlsmgr
scache    unix - - n -    1 scache
anvil     unix - - n -    1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Started at once.  All its mail goes to *transport*, its reports too."""

    def __init__(self, transport: str, settings: str = "") -> None:
        """*transport* as in transport(5): `smtp:[127.0.0.1]:2525` or `lmtp:unix:/PATH`; *settings*: more main.cf."""
        require_root()
        self._postfix = require_program("postfix")
        packaged = Path("/etc/postfix/postfix-files")
        if not packaged.exists():
            pytest.skip(f"{packaged} is not there")
        self.folder = Path(tempfile.mkdtemp(prefix="postfix-"))
        self.folder.chmod(0o755)
        self.log = self.folder / "mail.log"
        for name in ("etc", "spool", "data"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        (self.folder / "etc" / "master.cf").write_text(SERVICES)
        (self.folder / "etc" / "main.cf").write_text(self._main(transport) + settings)
        self._run("start")

    def _main(self, transport: str) -> str:
        return f"""
compatibility_level = 3.6
queue_directory = {self.folder}/spool
data_directory = {self.folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
maillog_file = {self.log}
maillog_file_prefixes = {self.folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.example
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
relay_domains =
default_transport = {transport}
relayhost =
smtp_tls_security_level = may
lmtp_destination_recipient_limit = 50
minimal_backoff_time = 300s
"""

    def __enter__(self) -> Postfix:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._run("stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def send(self, octets: bytes, sender: str, *recipients: str) -> None:
        """Hand *octets*, with LF line ends, to Postfix as a local program does."""
        sendmail = require_program("sendmail", "postfix")
        command = [sendmail, "-C", str(self.folder / "etc"), "-i", "-f", sender, *recipients]
        done = subprocess.run(command, input=octets, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def outcome(self, recipient: str) -> str:
        """The line of the log that says what became of the message for *recipient*."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in self.log_text().splitlines():
                if f"to=<{recipient}>" in line and " status=" in line:
                    return line
            time.sleep(0.05)
        raise AssertionError(f"nothing became of the message for {recipient}:\n{self.log_text()}")

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _run(self, command: str) -> None:
        done = subprocess.run(
            [self._postfix, "-c", str(self.folder / "etc"), command],
            capture_output=True,
            timeout=60,
            check=False,
            env={"PATH": os.environ["PATH"] + ":/usr/sbin"},
        )
        assert done.returncode == 0, f"{done.stdout!r}{done.stderr!r}\n{self.log_text()}"
