"""What `twistd mailserver` runs: one process that serves (service.py), or several and their parent (workers.py).

What needs the rights that the process has at first is done when the object is made: ports are bound and the key is
read.  The rest waits for `startService`, with the rights that are left.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence

from twisted.application.service import Service
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail import demo
from twisted_mail.auth.directory import Directory, DirectoryError
from twisted_mail.auth.recent import KEY_SIZE, RecentLogins
from twisted_mail.auth.throttle import Throttle
from twisted_mail.certifying import make_first_certificate, require_library
from twisted_mail.config import ALL_TLS, Config, ConfigError
from twisted_mail.listeners import BoundAddress, bind_all
from twisted_mail.observing import Observing
from twisted_mail.outgoing import read_routes
from twisted_mail.ownership import Owner, acting_as, check_access, hand_over, make_data_directory
from twisted_mail.protocols.limits import LocalCounts
from twisted_mail.protocols.tls import CertificateError, Certificates, TLSMaterial
from twisted_mail.service import FINISH, Neighbours
from twisted_mail.serving import Serving
from twisted_mail.tlsfiles import read_material
from twisted_mail.workers import Workers

SERVICES = ("smtp", "submission", "submissions", "lmtp", "pop3", "pop3s", "web", "https")
"""The names of [listen] that are served."""


class MailServer(Service):
    """One object a server.  Made with the rights that the process has at first.  Raises ConfigError."""

    log = Logger()

    def __init__(self, config: Config, reactor: ReactorBase, owner: Owner | None = None) -> None:
        """*owner*: user and group that the process will have, where they are not those that it has now."""
        self._config = config
        self._reactor = reactor
        raise_descriptor_limit()
        make_data_directory(config)
        if config.file is None:
            demo.make_certificate(config)
        if owner is not None:
            hand_over(config, owner)
        if config.tls.acme:
            require_library(config)
        with acting_as(owner or (os.geteuid(), os.getegid())):
            _check_directory(config)
            if config.tls.acme:
                make_first_certificate(config)
        self._material = _read_material(config)
        self._routes = read_routes(config)
        self._bound = _bind(config)
        self._observing = Observing(config, "parent" if config.workers > 1 else "0", reactor)
        self._serving: Serving | None = None
        self._workers: Workers | None = None

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]  # Twisted has not annotated it
        Deferred.fromCoroutine(self._open()).addErrback(self._cannot_open)

    def stopService(self) -> Deferred[None]:
        super().stopService()  # type: ignore[no-untyped-call]  # as above
        return Deferred.fromCoroutine(self._close())

    async def _open(self) -> None:
        config, password = self._config, None
        self._observing.start()
        if self._material is None:
            self.log.warn("{text}", text=_without_tls(config))
        if config.workers > 1:
            self._workers = Workers(config, self._material, self._routes, self._bound, self._reactor)
            self._workers.start()
        else:
            certificates = Certificates(self._material) if self._material else None
            recent = RecentLogins(self._reactor, os.urandom(KEY_SIZE))
            alone = Neighbours(LocalCounts(), Throttle(), recent, leads=True)
            self._serving = Serving(config, certificates, self._routes, self._bound, self._reactor, alone)
            password = demo.make_account(self._serving.house.directory) if config.file is None else None
            await self._serving.open()
        # the reactor must run first: before, a Control-C would not be an orderly end
        self._reactor.callWhenRunning(self._announce, password)
        if config.file is not None:  # demo mode ends with its terminal
            self._reactor.callWhenRunning(on_hangup, self._reactor, self._reload)

    def _announce(self, password: str | None) -> None:
        """*password*: that of demo mode's account, if it was made just now."""
        if self._config.file is None:
            self.log.info("{text}", text=demo.welcome(self._config, password, sys.__stdout__))
        self.log.info("{hostname} is ready", hostname=self._config.hostname)

    def _reload(self) -> None:
        """On SIGHUP: the certificates again."""
        if self._workers is not None:
            self._workers.reload()
        if self._serving is not None:
            self._serving.reload()

    def _cannot_open(self, failure: Failure) -> None:
        """A foreign endpoint that failed, or another program that took a port in the meantime."""
        self.log.error("cannot start: {reason}", reason=failure.getErrorMessage())
        self._reactor.callWhenRunning(self._reactor.stop)

    async def _close(self) -> None:
        if self._serving is not None:
            await self._serving.close()
        if self._workers is not None:
            # first ours: as long as one process has a socket open, clients get into its queue
            for addresses in self._bound.values():
                for address in addresses:
                    address.close()
            await self._workers.stop(2 * FINISH + 5.0)
        self._observing.stop()


def _read_material(config: Config) -> TLSMaterial | None:
    """Certificates and keys, once they are known to be good; None: there are none, and TLS is not offered."""
    try:
        material = read_material(config.tls)
        if material is not None:
            Certificates(material)
    except (OSError, CertificateError) as error:
        raise ConfigError(f"{config.file}: [tls] cannot be used: {error}") from error
    return material


def on_hangup(reactor: ReactorBase, call: Callable[[], None]) -> None:
    """Have SIGHUP do *call*, which otherwise would end the process."""
    signal.signal(signal.SIGHUP, lambda number, frame: reactor.callFromThread(call))


def _bind(config: Config) -> dict[str, Sequence[BoundAddress]]:
    """All ports that have a service, before any of them is open.  Raises ConfigError."""
    names = [name for name in SERVICES if config.tls.certificate is not None or name not in ALL_TLS]
    addresses = {name: getattr(config.listen, name) for name in names}
    bound = iter(bind_all([address for several in addresses.values() for address in several]))
    return {name: [next(bound) for _ in several] for name, several in addresses.items()}


def _without_tls(config: Config) -> str:
    """What a server without certificate lacks."""
    login = "passwords go over the net in the clear" if config.auth.allow_plaintext else "nobody can log in"
    return f"no certificate: no STARTTLS, submissions and pop3s are left out, and {login}; name one in [tls]"


def _check_directory(config: Config) -> None:
    """The directory can be opened: told before any port is open, and while there is still a terminal to tell it."""
    check_access(config)
    try:
        Directory(config.directory_file).close()
    except DirectoryError as error:
        raise ConfigError(str(error)) from error


def raise_descriptor_limit() -> None:
    """As many open files as the system lets us have: each connection is one, each message in flight another."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
