"""A whole server for the tests of other software, in the process of the tests, on free ports of loopback.

    with mailserver() as server:
        program_under_test.send_mail(host=server.host, port=server.smtp)
        [message] = server.wait_for("anybody@example.com")
        assert message["Subject"] == "Welcome"

It is the real server with its real files, TLS and queue, in a thread with a reactor of its own: so it works beside
pytest, trial, unittest and any other event loop.  Without *accounts* it takes any mail for any address (capture mode);
with them it has those accounts, and refuses what the real one refuses.
"""

from __future__ import annotations

import email
import email.policy
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from threading import Thread, get_ident
from typing import TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IReactorTime
from twisted.protocols import tls
from twisted.python.failure import Failure

from twisted_mail import demo, owncertificate
from twisted_mail.auth.directory import Directory
from twisted_mail.auth.recent import KEY_SIZE, RecentLogins
from twisted_mail.auth.throttle import Throttle
from twisted_mail.capturing import as_capture
from twisted_mail.committing.committer import CommitterThread
from twisted_mail.config import Config, load
from twisted_mail.listeners import BoundAddress
from twisted_mail.mailbox.store import maildir_of
from twisted_mail.neighbours import Neighbours
from twisted_mail.protocols.limits import LocalCounts
from twisted_mail.protocols.tls import Certificates
from twisted_mail.reloading import rebound
from twisted_mail.serving import Serving
from twisted_mail.smarthosts import read_routes
from twisted_mail.smtp.address import parse_address
from twisted_mail.tlsfiles import read_material

__all__ = ["TestedServer", "mailserver"]

HOST = "localhost"
PATIENCE = 10.0
"""Seconds for what should be there at once."""
SERVICES = ("smtp", "submission", "submissions", "pop3", "pop3s", "web")

T = TypeVar("T")


@contextmanager
def mailserver(accounts: Mapping[str, str] | None = None, settings: str = "") -> Iterator[TestedServer]:
    """A server until the end of the block; its files are gone then.

    *accounts*: address -> password.  *settings*: more of mailserver.toml, as in `[limits]\\nmessage_size = "1 MB"`.
    Nothing leaves it unless *settings* has a [relay] section.  Raises ConfigError.
    """
    with tempfile.TemporaryDirectory(prefix="mailserver-") as folder:
        config = _configured(folder, settings, captures=accounts is None)
        _make_accounts(config, accounts)
        server = TestedServer(config)
        server.start()
        try:
            yield server
        finally:
            server.stop()


_clocks: dict[int, IReactorTime] = {}
"""Of the threads of servers, by their numbers."""
_default_clock = tls._get_default_clock


def _clock_of_thread() -> IReactorTime:
    """Where TLS takes its time from: Twisted knows one reactor only, and has no other way to tell it of a second."""
    return _clocks.get(get_ident()) or _default_clock()


tls._get_default_clock = _clock_of_thread


class _MovableReactor(EPollReactor):
    """Its clock can be put forward.  Code that reads the system's clock is not deceived."""

    ahead = 0.0

    def run(self, installSignalHandlers: bool = False) -> None:
        _clocks[get_ident()] = self
        super().run(installSignalHandlers)

    def seconds(self) -> float:
        return time.time() + self.ahead


class TestedServer:
    """A server that runs.  All methods are for the thread of the test."""

    __test__ = False  # not a test, whatever pytest thinks of its name

    host = HOST

    def __init__(self, config: Config) -> None:
        self.config = config
        self._reactor = _MovableReactor()  # type: ignore[no-untyped-call]  # Twisted has not annotated it
        self._thread = Thread(target=self._reactor.run, daemon=True)
        self._serving: Serving | None = None
        self._bound: Mapping[str, Sequence[BoundAddress]] = {}

    # ---- where it is

    def port(self, service: str) -> int:
        """Of a service of [listen], as in "submissions"."""
        port = self._bound[service][0].port
        assert port is not None
        return port

    @property
    def smtp(self) -> int:
        """For mail from other servers, or from programs that do not log in."""
        return self.port("smtp")

    @property
    def submission(self) -> int:
        """For users: STARTTLS or none, and their password."""
        return self.port("submission")

    @property
    def submissions(self) -> int:
        """For users: TLS from the first octet."""
        return self.port("submissions")

    @property
    def pop3(self) -> int:
        return self.port("pop3")

    @property
    def pop3s(self) -> int:
        return self.port("pop3s")

    @property
    def web(self) -> int:
        return self.port("web")

    @property
    def authority(self) -> str:
        """The path of the PEM file of the authority that has certified it."""
        return os.path.join(os.path.dirname(self.config.data), "ca.pem")

    def tls(self) -> ssl.SSLContext:
        """What a client needs that verifies the certificate."""
        return ssl.create_default_context(cafile=self.authority)

    # ---- what is in it

    def messages(self, address: str) -> list[EmailMessage]:
        """What has been delivered to an account; in capture mode, what anybody sent to *address*.  The oldest first."""
        wanted = parse_address(address).key
        folder = Path(maildir_of(self.config.data, demo.ACCOUNT if self.config.capture else wanted)) / "new"
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        found = [_parsed(file) for file in files]
        if self.config.capture:
            found = [each for each in found if parse_address(str(each["X-Original-To"])).key == wanted]
        return found

    def wait_for(self, address: str, count: int = 1, seconds: float = PATIENCE) -> list[EmailMessage]:
        """As `messages`, once there are *count*.  Raises TimeoutError."""
        end = time.monotonic() + seconds
        while len(found := self.messages(address)) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(found)} of {count} messages for {address} came within {seconds:g} seconds")
            time.sleep(0.01)
        return found

    # ---- its time

    def advance(self, seconds: float) -> None:
        """Put the server's clock forward: what was due in the meantime happens now (retries, idle limits, expiry)."""

        def move() -> None:
            self._reactor.ahead += seconds

        self.call(move)
        self.call(lambda: None)  # a turn of the reactor, in which it looks at its clock

    def call(self, act: Callable[[], T]) -> T:
        """What *act* returns, called in the server's thread."""
        return self._result_of(lambda: maybeDeferred(act))

    def _result_of(self, act: Callable[[], Deferred[T]]) -> T:
        result: Future[T] = Future()

        def run() -> None:
            act().addCallbacks(result.set_result, lambda failure: _fail(result, failure))

        self._reactor.callFromThread(run)
        return result.result(PATIENCE * 3)

    # ---- its life

    def start(self) -> None:
        """Raises ConfigError."""
        config = self.config
        material = read_material(config.tls)
        assert material is not None
        wanted = {name: getattr(config.listen, name) for name in SERVICES}
        self._bound, _ = rebound({}, wanted)
        self._thread.start()
        recent = RecentLogins(self._reactor, os.urandom(KEY_SIZE))
        self._committer = CommitterThread(self._reactor)
        self._committer.start()
        neighbours = Neighbours(self._committer, LocalCounts(), Throttle(), recent, leads=True)

        def open_all() -> Deferred[None]:
            self._serving = Serving(
                config, Certificates(material), read_routes(config), self._bound, self._reactor, neighbours
            )
            return Deferred.fromCoroutine(self._serving.open())

        self._result_of(open_all)

    def stop(self) -> None:
        """Ends its connections within seconds, and its thread."""

        def close() -> Deferred[None]:
            assert self._serving is not None
            return Deferred.fromCoroutine(self._serving.close()).addBoth(lambda result: self._committer.stop())

        for addresses in self._bound.values():
            for address in addresses:
                address.close()
        self._result_of(close)
        self._reactor.callFromThread(self._reactor.stop)
        self._thread.join(PATIENCE)


def _configured(folder: str, settings: str, *, captures: bool) -> Config:
    names = [HOST, "127.0.0.1"]
    own = owncertificate.make("for tests", names)
    files = {"ca.pem": own.ca, "fullchain.pem": own.chain, "privkey.pem": own.key}
    for name, octets in files.items():
        Path(folder, name).write_bytes(octets)
    listen = "".join(f'{name} = ["tcp:0:interface=127.0.0.1"]\n' for name in SERVICES)
    parts = [f'hostname = "{HOST}"\ndata = "maildirs"\n[listen]\n{listen}']
    parts.append('[tls]\ncertificate = "fullchain.pem"\nkey = "privkey.pem"\n')
    for section, text in (
        ("auth", "allow_plaintext = true"),
        ("relay", "enabled = false"),
        ("checks", "enabled = false"),
    ):
        if f"[{section}]" not in settings:
            parts.append(f"[{section}]\n{text}\n")
    file = Path(folder, "mailserver.toml")
    file.write_text("".join(parts) + settings)
    config = load(str(file))
    return as_capture(config) if captures else config


def _make_accounts(config: Config, accounts: Mapping[str, str] | None) -> None:
    directory = Directory(config.directory_file, keeps_verifiers=config.auth.keeps_verifiers)
    try:
        if accounts is None:
            demo.make_account(directory)
            return
        parsed = {parse_address(address).key: password for address, password in accounts.items()}
        for domain in dict.fromkeys(address.domain for address in parsed):
            directory.add_domain(domain)
        directory.add_accounts([directory.new_account(address, password) for address, password in parsed.items()])
    finally:
        directory.close()


def _parsed(file: Path) -> EmailMessage:
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _fail(result: Future[T], failure: Failure) -> None:
    result.set_exception(failure.value)
