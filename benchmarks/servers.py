"""The servers that are compared, each with all its state in a folder of its own, on loopback ports.

Every one has users u0 to u{USERS - 1} in the same domain, one password, Maildirs, and keeps its promise that 250 means
"on disk" as it ships.  The peers are set up as their manuals suggest for this; limits that would slow down a single
client host are lifted, and Dovecot runs in its high-performance mode.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

DOMAIN, PASSWORD = "example.test", "secret"
USERS = 100
OWNER = 5000
"""User and group of the peers' Maildirs: they do not deliver as root."""
POSTFIX = Path("/usr/lib/postfix/sbin")


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs.  A port of 0: it does not speak that."""

    pid: int
    smtp_port: int
    pop3_port: int
    maildirs: str
    """With `{user}` for the user."""
    owner: int

    def maildir(self, user: int) -> Path:
        return Path(self.maildirs.format(user=f"u{user}"))

    def address(self, user: int) -> str:
        return f"u{user}@{DOMAIN}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM."""

    chain: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    """Of a key on P-256, for all servers alike."""
    certificate = Certificate(folder / "chain.pem", folder / "key.pem")
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-days", "2", "-subj", "/CN=mx.example.test", "-addext", "subjectAltName=DNS:mx.example.test"]
    files = ["-keyout", str(certificate.key), "-out", str(certificate.chain)]
    subprocess.run([*request, *subject, *files], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return certificate


@contextmanager
def ours(
    folder: Path, certificate: Certificate | None, workers: int = 1, settings: Path | None = None
) -> Iterator[Server]:
    """*settings*: a file with more sections of mailserver.toml."""
    program = [sys.executable, str(Path(__file__).with_name("server"))]
    environment = {**os.environ, "BENCH_USERS": str(USERS), "BENCH_WORKERS": str(workers)}
    if certificate is not None:
        environment |= {"BENCH_CERTIFICATE": str(certificate.chain), "BENCH_KEY": str(certificate.key)}
    if settings is not None:
        environment["BENCH_SETTINGS"] = str(settings)
    started = subprocess.run(
        [*program, "start", folder], env=environment, stdout=subprocess.PIPE, check=True, timeout=120
    )
    told = json.loads(started.stdout)
    try:
        yield Server(told["pid"], told["smtp_port"], told["pop3_port"], told["maildir_root"], told["uid"])
    finally:
        subprocess.run([*program, "stop", folder], env=environment, check=True, timeout=120)


@contextmanager
def postfix(folder: Path, certificate: Certificate | None, more: str = "") -> Iterator[Server]:
    """Postfix as it ships: the queue, then virtual(8) into the Maildirs.  *more*: lines of main.cf."""
    port = free_port()
    settings = folder / "etc"
    for name in ("etc", "queue", "state", "mail"):
        (folder / name).mkdir(parents=True)
    os.chown(folder / "state", pwd.getpwnam("postfix").pw_uid, -1)
    os.chown(folder / "mail", OWNER, OWNER)
    (settings / "users").write_text("".join(f"u{n}@{DOMAIN} u{n}/\n" for n in range(USERS)))
    (settings / "main.cf").write_text(
        POSTFIX_MAIN.format(folder=folder, domain=DOMAIN, owner=OWNER, sbin=POSTFIX) + more
    )
    if certificate is not None:
        with (settings / "main.cf").open("a") as file:
            file.write(
                f"smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {certificate.key}, {certificate.chain}\n"
            )
    (settings / "master.cf").write_text(f"127.0.0.1:{port} inet n - n - - smtpd\n{POSTFIX_SERVICES}")
    command = ["postfix", "-c", str(settings)]
    subprocess.run([*command, "start"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        pid = int((folder / "queue/pid/master.pid").read_text())
        yield Server(pid, port, 0, f"{folder}/mail/{{user}}", OWNER)
    finally:
        subprocess.run([*command, "stop"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


POSTFIX_MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/state
daemon_directory = {sbin}
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.{domain}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_recipient_limit = 2000
smtpd_relay_restrictions = permit_mynetworks, reject
in_flow_delay = 0
message_size_limit = 60000000
virtual_mailbox_limit = 0
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/etc/users
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
virtual_alias_maps =
alias_maps =
alias_database =
"""
POSTFIX_SERVICES = """pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@contextmanager
def dovecot(folder: Path, certificate: Certificate | None) -> Iterator[Server]:
    """Dovecot with logins in few processes that stay, and mail processes that are used again."""
    port = free_port()
    (folder / "mail").mkdir(parents=True)
    os.chown(folder / "mail", OWNER, OWNER)
    tls = f"ssl = yes\nssl_cert = <{certificate.chain}\nssl_key = <{certificate.key}\n" if certificate else "ssl = no\n"
    settings = folder / "dovecot.conf"
    settings.write_text(DOVECOT.format(folder=folder, port=port, password=PASSWORD, owner=OWNER) + tls)
    process = subprocess.Popen(["dovecot", "-F", "-c", settings], stdin=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield Server(process.pid, 0, port, f"{folder}/mail/{{user}}", OWNER)
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()


DOVECOT = """base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
instance_name = {folder}
protocols = pop3
listen = 127.0.0.1
disable_plaintext_auth = no
mail_location = maildir:~
mail_max_userip_connections = 0
mailbox_list_index = no
first_valid_uid = 100
default_client_limit = 12000
default_process_limit = 400
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={folder}/mail/%n
}}
service pop3-login {{
  service_count = 0
  process_min_avail = 2
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service pop3 {{
  service_count = 200
  process_min_avail = 20
  process_limit = 2000
}}
service anvil {{
  client_limit = 20000
}}
service auth {{
  client_limit = 20000
}}
"""

Start = Callable[[Path, Certificate | None], AbstractContextManager[Server]]
"""Runs a server in a folder that is made for it."""
PEERS: dict[str, Start] = {"postfix": postfix, "dovecot": dovecot}


def missing(peer: str) -> str:
    """Why *peer* cannot be run here; empty: it can."""
    if os.geteuid() != 0:
        return "not root"
    if shutil.which(peer) is None:
        return "not installed"
    if peer == "postfix":
        with suppress(KeyError):
            grp.getgrnam("postdrop")
            return "" if POSTFIX.is_dir() else f"{POSTFIX} is not there"
        return "no group postdrop"
    return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
            if connection.recv(100):
                return
        time.sleep(0.1)
    raise SystemExit(f"port {port} does not answer")
