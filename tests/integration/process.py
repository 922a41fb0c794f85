"""The real server as a child process: a folder, free loopback ports, a certificate and accounts of its own."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from argon2 import PasswordHasher

from tests.integration.certificate import Authority

DOMAIN = "example.org"
PASSWORD = "Correct horse, 1 battery"
# the parameters that the server itself uses: a login finds nothing to replace
PASSWORD_HASH = "{ARGON2ID}" + PasswordHasher(memory_cost=19456, time_cost=2, parallelism=1).hash(PASSWORD)

STARTS_WITHIN = 20.0
"""Seconds.  Generous: a shared machine may be busy."""
STOPS_WITHIN = 20.0
FAULTS = re.compile(r"Traceback|Unhandled|our fault|the conversation failed|exceptions\.")
"""What never stands in the log of a server that works."""


def program(name: str) -> str:
    """One of the commands that the installation put beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


PORTS_EACH = 1_500
"""Of each process that tests: two of them never pick the same port."""
_FIRST_PORT = 20_000 + PORTS_EACH * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8)
_RANDOM = random.SystemRandom()  # hypothesis gives all processes that test at the same time one seed
_PORTS = itertools.cycle(_RANDOM.sample(range(_FIRST_PORT, _FIRST_PORT + PORTS_EACH), PORTS_EACH))


def free_port() -> int:
    """A loopback port that nobody has, from below those that the system gives to clients.

    None comes again before all others have: who has got one may take it later.
    """
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(frozen=True, slots=True)
class Ports:
    smtp: int
    submission: int
    submissions: int
    pop3: int
    pop3s: int

    @classmethod
    def free(cls) -> Ports:
        return cls(*(free_port() for _ in fields(cls)))


@dataclass(frozen=True, slots=True)
class User:
    address: str
    password: str = PASSWORD

    @property
    def local_part(self) -> str:
        return self.address.partition("@")[0]


def runs(pid: int, module: str) -> bool:
    """The process is there, and runs *module*."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return module in Path(f"/proc/{pid}/cmdline").read_text()
    return False


class ServerProcess:
    """One data directory and the `twistd -n mailserver` that serves it, which may be started many times."""

    def __init__(self, authority: Authority, ports: Ports | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mailserver-"))
        self.folder.chmod(0o755)  # also for tests in which the server is not root
        self.ports = ports or Ports.free()
        self.web_ports: dict[str, int] = {}
        """web and https of [listen], where a test wants them: before `configure`."""
        self.authority = authority
        self.config = self.folder / "mailserver.toml"
        self.log = self.folder / "log"
        self.wrapper: Sequence[str] = ()
        """A command that runs the server: strace, say."""
        self.twistd_options: Sequence[str] = ()
        self.service_options: Sequence[str] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._users = 0
        self._imported = 0
        self._judged = 0
        authority.issue(self.folder / "tls")
        self.configure()

    # ---- configuration and accounts

    @property
    def maildirs(self) -> Path:
        return self.folder / "maildirs"

    def configure(self, more: str = "") -> None:
        """Write the configuration; *more* is added to it as TOML."""
        ports = {field.name: getattr(self.ports, field.name) for field in fields(Ports)} | self.web_ports
        listen = "\n".join(f'{name} = ["tcp:{port}:interface=127.0.0.1"]' for name, port in ports.items())
        web = "" if "web" in ports else "web = []\n"
        relay = "" if "[relay]" in more else "[relay]\nenabled = false\n"  # no test may reach another machine
        checks = "" if "[dns]" in more or "[checks]" in more else "[checks]\nenabled = false\n"
        self.config.write_text(f'hostname = "mail.example.org"\n[listen]\n{listen}\n{web}{relay}{checks}{more}\n')

    def admin(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run `mailserver ...` on this configuration; it must succeed."""
        done = self.try_admin(*arguments, stdin=stdin)
        assert done.returncode == 0, f"mailserver {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def try_admin(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [program("mailserver"), *arguments, "--config", str(self.config)]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=60, cwd=self.folder, check=False
        )

    def create_accounts(self, count: int) -> None:
        """The domain, and *count* accounts in one go."""
        if self._imported == 0:
            self.admin("domain", "add", DOMAIN)
        table = io.StringIO()
        rows = range(self._imported, self._imported + count)
        csv.writer(table).writerows((f"user{number}@{DOMAIN}", PASSWORD_HASH) for number in rows)
        file = self.folder / "users.csv"
        file.write_text(table.getvalue())
        self.admin("account", "import", str(file))
        self._imported += count

    def new_user(self) -> User:
        """An account that no other test has."""
        assert self._users < self._imported, "create_accounts() made too few"
        self._users += 1
        return User(f"user{self._users - 1}@{DOMAIN}")

    def maildir(self, user: User) -> Path:
        return self.maildirs / DOMAIN / user.local_part

    def stored(self, user: User) -> list[Path]:
        """The files of the user's messages, oldest first."""
        maildir = self.maildir(user)
        return sorted([*maildir.glob("new/*"), *maildir.glob("cur/*")], key=lambda file: file.name)

    # ---- the process

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def children(self, module: str) -> list[int]:
        """Process ids of its children that run *module*."""
        pids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in pids if runs(int(pid), module)]

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(self, **popen: object) -> subprocess.Popen[bytes]:
        """Start the process and wait for nothing."""
        command = [*self.wrapper, program("twistd"), "-n", *self.twistd_options, "mailserver"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # type: ignore[call-overload]  # the tests pass user, group, env
                [*command, "--config", str(self.config), *self.service_options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **popen,
            )
        return self._process

    def start(self, **popen: object) -> None:
        """Start the process; returns once all its ports answer and it would end in order."""
        self.launch(**popen)
        deadline = time.monotonic() + STARTS_WITHIN
        for port in (*astuple(self.ports), *self.web_ports.values()):
            while not answers(port):
                assert self.is_running, f"the server ended at once:\n{self.log_text()}"
                assert time.monotonic() < deadline, f"port {port} does not answer:\n{self.log_text()}"
                time.sleep(0.02)
        while not catches(self.pid, signal.SIGTERM):  # ports are bound before the reactor runs
            assert self.is_running, f"the server ended at once:\n{self.log_text()}"
            assert time.monotonic() < deadline, f"the reactor does not run:\n{self.log_text()}"
            time.sleep(0.02)

    def terminate(self) -> None:
        """SIGTERM, and do not wait."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        """The exit status, once it has ended."""
        assert self._process is not None
        return self._process.wait(STOPS_WITHIN)

    def stop(self) -> None:
        """SIGTERM; the server must end in order, and its log be clean."""
        self.terminate()
        self.assert_ended_in_order()

    def assert_ended_in_order(self) -> None:
        # Twisted shuts down, then dies of the signal that it was sent
        assert self.wait() in (0, -signal.SIGTERM), self.log_text()
        assert "Server Shut Down" in self.log_text()[self._judged :], self.log_text()
        self.assert_log_is_clean()

    def kill(self) -> None:
        """SIGKILL: the server has no chance to finish anything.  Returns when its committer has ended, too."""
        committers = self.children("twisted_mail.committing")
        os.kill(self.pid, signal.SIGKILL)
        self.wait()
        while any(runs(pid, "twisted_mail.committing") for pid in committers):  # not one more with the same number
            time.sleep(0.005)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def assert_log_is_clean(self) -> None:
        """No faults of ours since the last call."""
        text = self.log_text()[self._judged :]
        self._judged += len(text)
        assert not FAULTS.search(text), f"the server's log tells of a fault:\n{text}"

    def forgive_log(self) -> None:
        """What was logged so far is what the test wanted."""
        self._judged = len(self.log_text())

    def close(self) -> None:
        """End the process if it still runs, and remove everything."""
        if self.is_running:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- its clients' needs

    @property
    def tls(self) -> ssl.SSLContext:
        """For clients that trust the server's certificate authority and check names."""
        return self.authority.client_context()


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for that signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    [caught] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (number - 1) & 1)


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False
