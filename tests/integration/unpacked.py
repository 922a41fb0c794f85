r"""Mail servers whose Debian packages cannot be installed beside Postfix: unpacked into a folder, run in a mount
namespace of their own, in which the users that they ask for exist.  Nothing of the machine is changed.

MAILSERVER_TEST_UNPACKED names the folder; to make it:

    apt-get download exim4-daemon-light libdb5.3 libgnutls-dane0 libunbound8 opensmtpd libevent-2.1-7 libtls26 \
        clamav-daemon libclamav12 libmspack0
    for package in *.deb; do dpkg -x $package FOLDER; done
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.certificate import Authority
from tests.integration.process import answers, free_port
from tests.integration.requirements import require_program, require_root

UNPACKED = "MAILSERVER_TEST_UNPACKED"
PATIENCE = 20.0
"""Seconds for a start, and for mail to be stored."""
USER = 990
"""Of the server, in its namespace."""

# what the server finds in its namespace
NAMESPACE = """set -e
mount --make-rprivate /
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/group /etc/group
for place in /run /var/spool /var/lib; do mount -t tmpfs none $place; done
mkdir -p /var/lib/opensmtpd/empty
mount --bind {unpacked}/usr/libexec /usr/libexec
exec "$@"
"""

EXIM = """exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
primary_hostname = exim.example
exim_user = {user}
exim_group = {user}
deliver_drop_privilege
host_lookup =
local_interfaces = 127.0.0.1
tls_advertise_hosts = *
tls_certificate = {folder}/tls/fullchain.pem
tls_privatekey = {folder}/tls/privkey.pem
dsn_advertise_hosts = *
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  deny domains = !there.example
  deny local_parts = !b : !c
       message = no such user
  accept
begin routers
here:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  maildir_format
  directory = {folder}/mail
  create_directory
  return_path_add
  envelope_to_add
begin retry
* * F,1h,10m
"""

OPENSMTPD = """pki mail cert "{folder}/tls/fullchain.pem"
pki mail key "{folder}/tls/privkey.pem"
table people {{ "b@there.example" = "nobody", "c@there.example" = "nobody" }}
listen on 127.0.0.1 port {port} tls pki mail hostname opensmtpd.example
action keep maildir "{folder}/mail" virtual <people>
match from any for domain "there.example" action keep
"""


class Unpacked:
    """One server for there.example, with the users b and c.  Started at once."""

    def __init__(self, program: str, configuration: str, arguments: Sequence[str], authority: Authority) -> None:
        """*configuration* and *arguments*: {folder}, {port}, {program} and {user} stand for those of this server."""
        require_root()
        unpacked = os.environ.get(UNPACKED, "")
        if not (Path(unpacked) / program).exists() or not unpacked:
            pytest.skip(f"{program} is not there ({UNPACKED} names no folder with it)")
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="unpacked-"))
        self.folder.chmod(0o755)
        self._log = self.folder / "output"
        values = {"folder": self.folder, "port": self.port, "program": f"{unpacked}/{program}", "user": USER}
        self._fill(configuration.format(**values), authority, USER if "exim" in program else 0)
        script = NAMESPACE.format(folder=self.folder, unpacked=unpacked)
        command = [require_program("unshare", "util-linux"), "-m", "sh", "-c", script, "sh", f"{unpacked}/{program}"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *(argument.format(**values) for argument in arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": f"{unpacked}/usr/lib/x86_64-linux-gnu"},
            )

    def _fill(self, configuration: str, authority: Authority, key_owner: int) -> None:
        authority.issue(self.folder / "tls")
        (self.folder / "configuration").write_text(configuration)
        names = ("opensmtpd", "opensmtpq", "Debian-exim")
        users = "".join(f"{name}:x:{USER + n}:{USER + n}::/:/bin/sh\n" for n, name in enumerate(names))
        groups = "".join(f"{name}:x:{USER + n}:\n" for n, name in enumerate(names))
        (self.folder / "passwd").write_text(Path("/etc/passwd").read_text() + users)
        (self.folder / "group").write_text(Path("/etc/group").read_text() + groups)
        for name in ("spool", "log", "mail", "tls"):
            (self.folder / name).mkdir(exist_ok=True)
        for name in ("spool", "log"):
            shutil.chown(self.folder / name, USER, USER)
        # one reads it as its own user, the other wants nobody else to
        shutil.chown(self.folder / "tls" / "privkey.pem", key_owner, key_owner)
        (self.folder / "mail").chmod(0o777)

    def __enter__(self) -> Unpacked:
        deadline = time.monotonic() + PATIENCE
        while not answers(self.port):
            assert self._process.poll() is None, self.log_text()
            assert time.monotonic() < deadline, self.log_text()
            time.sleep(0.05)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)

    def mail(self, count: int) -> list[str]:
        """What is stored, once it is *count* messages."""
        deadline = time.monotonic() + PATIENCE
        while len(files := list((self.folder / "mail").glob("new/*"))) < count:
            assert time.monotonic() < deadline, self.log_text()
            time.sleep(0.05)
        return [file.read_text() for file in files]

    def log_text(self) -> str:
        files = [self._log, *(self.folder / "log").iterdir()]
        return "".join(file.read_text(errors="replace") for file in files)


def exim(authority: Authority) -> Unpacked:
    arguments = ("-C", "{folder}/configuration", "-bdf", "-oX", "127.0.0.1:{port}")
    return Unpacked("usr/sbin/exim4", EXIM, arguments, authority)


def opensmtpd(authority: Authority) -> Unpacked:
    return Unpacked("usr/sbin/smtpd", OPENSMTPD, ("-d", "-f", "{folder}/configuration"), authority)
