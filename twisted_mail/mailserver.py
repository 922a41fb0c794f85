"""What `twistd mailserver` runs: one process that serves (service.py), or several and their parent (workers.py).

What needs the rights that the process has at first is done when the object is made: ports are bound and the key is
read.  The rest waits for `startService`, with the rights that are left.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from twisted.application.service import Service
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail import demo
from twisted_mail.auth.directory import Directory, DirectoryError
from twisted_mail.auth.recent import KEY_SIZE, RecentLogins
from twisted_mail.auth.throttle import Throttle
from twisted_mail.capturing import as_capture
from twisted_mail.certifying import make_first_certificate, require_library
from twisted_mail.committing.resting import RestingCommitter
from twisted_mail.config import ALL_TLS, Config, ConfigError, ListenAddress, load
from twisted_mail.delivery.routes import Routes
from twisted_mail.filtering import check_filters
from twisted_mail.listeners import BoundAddress
from twisted_mail.neighbours import Neighbours
from twisted_mail.observing import Observing
from twisted_mail.ownership import Owner, acting_as, check_access, hand_over, make_data_directory
from twisted_mail.protocols.limits import LocalCounts
from twisted_mail.protocols.tls import CertificateError, Certificates, TLSMaterial
from twisted_mail.reloading import close_new, rebound, takeable
from twisted_mail.resources import raise_descriptor_limit, return_large_blocks, return_what_is_free
from twisted_mail.running import RunFile
from twisted_mail.smarthosts import read_routes
from twisted_mail.tlsfiles import read_material
from twisted_mail.workers import Workers

if TYPE_CHECKING:
    from twisted_mail.serving import Serving

SERVICES = ("smtp", "submission", "submissions", "lmtp", "pop3", "pop3s", "web", "https")
"""The names of [listen] that are served."""


class MailServer(Service):
    """One object a server.  Made with the rights that the process has at first.  Raises ConfigError."""

    log = Logger()
    failed = False
    """It could not start, and has stopped the reactor."""

    def __init__(self, config: Config, reactor: ReactorBase, owner: Owner | None = None) -> None:
        """*owner*: user and group that the process will have, where they are not those that it has now."""
        self._config = config
        self._reactor = reactor
        raise_descriptor_limit()
        return_large_blocks()
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
        check_filters(config, reactor)
        if config.workers == 1:
            load_what_serves(config)
        self._bound, _ = rebound({}, _addresses(config))
        self._observing = Observing(config, "parent" if config.workers > 1 else "0", reactor, first=True)
        self._committer: RestingCommitter | None = None
        self._neighbours: Neighbours | None = None
        self._running: Serving | Workers | None = None
        self._draining: set[Serving | Workers] = set()
        self._changing = DeferredLock()
        self._run_file = RunFile(config.server_folder)

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]  # Twisted has not annotated it
        if self._config.file is not None:  # demo mode ends with its terminal
            on_hangup(self._reactor, self._hang_up)
        self._changing.run(Deferred.fromCoroutine, self._open()).addErrback(self._cannot_open)

    def stopService(self) -> Deferred[None]:
        super().stopService()  # type: ignore[no-untyped-call]  # as above
        return Deferred.fromCoroutine(self._close())

    async def _open(self) -> None:
        config, password = self._config, None
        self._observing.start()
        if self._material is None:
            self.log.warn("{text}", text=_without_tls(config))
        self._running = self._new(config, self._material, self._routes, self._bound)
        if config.stays_here and not isinstance(self._running, Workers):
            password = demo.make_account(self._running.house.directory)
        await self._running.open()
        self._run_file.open()
        # the reactor must run first: before, a Control-C would not be an orderly end
        self._reactor.callWhenRunning(self._announce, password)

    def _announce(self, password: str | None) -> None:
        """*password*: that of demo mode's account, if it was made just now."""
        if self._config.file is None:
            self.log.info("{text}", text=demo.welcome(self._config, password, sys.__stdout__))
        self.log.info("{hostname} is ready", hostname=self._config.hostname)
        return_what_is_free()

    def _new(
        self,
        config: Config,
        material: TLSMaterial | None,
        routes: Routes,
        bound: Mapping[str, Sequence[BoundAddress]],
    ) -> Serving | Workers:
        """The service with one configuration, not open yet."""
        if config.workers > 1:
            return Workers(config, material, routes, bound, self._reactor)
        # late: the parent of workers does without all that serves
        from twisted_mail.serving import Serving

        if self._neighbours is None:
            self._neighbours = self._alone()
        certificates = Certificates(material) if material else None
        return Serving(config, certificates, routes, bound, self._reactor, self._neighbours)

    def _alone(self) -> Neighbours:
        """What there is where no other process serves the same ports."""
        self._committer = RestingCommitter(self._reactor)
        self._committer.start()
        recent = RecentLogins(self._reactor, os.urandom(KEY_SIZE))
        return Neighbours(self._committer, LocalCounts(), Throttle(), recent, leads=True)

    def _hang_up(self) -> None:
        """SIGHUP: read everything again."""
        self._changing.run(Deferred.fromCoroutine, self._reload()).addErrback(
            lambda failure: self.log.failure("the configuration could not be read again", failure)
        )

    async def _reload(self) -> None:
        """A wrong configuration changes nothing, and is told."""
        error = ""
        try:
            await self._change()
        except ConfigError as wrong:
            error = str(wrong)
            self.log.error("the configuration stays as it was: {error}", event="reload.refused", error=error)
        self._run_file.note(error)

    async def _change(self) -> None:
        """Have another service take over, with what the file says now.  Raises ConfigError."""
        assert self._config.file is not None
        assert self._running is not None
        config, later = takeable(self._config, self._read_again(self._config.file))
        if later:
            self.log.warn("{keys} will change when the server starts again", keys=", ".join(later))
        routes = read_routes(config)
        check_filters(config, self._reactor)
        if (config, routes) == (self._config, self._routes):
            self._running.read_certificates()
            return
        material = _read_material(config)
        bound, given_up = rebound(self._bound, _addresses(config))
        running = self._new(config, material, routes, bound)
        try:
            await running.open()
        except BaseException:
            await running.close()
            close_new(bound, self._bound)
            raise
        self._draining.add(self._running)
        Deferred.fromCoroutine(self._drain(self._running, given_up))
        self._config, self._material, self._routes, self._bound = config, material, routes, bound
        self._running = running
        self.log.info("the configuration was read again", event="reload.done")

    def _read_again(self, path: str) -> Config:
        """In the mode that was chosen at the start.  Raises ConfigError."""
        config = load(path)
        return as_capture(config) if self._config.capture else config

    async def _drain(self, running: Serving | Workers, given_up: Sequence[BoundAddress]) -> None:
        for address in given_up:
            address.close()
        await running.drain()
        self._draining.discard(running)

    def _cannot_open(self, failure: Failure) -> None:
        """A foreign endpoint that failed, or another program that took a port in the meantime; or a Control-C."""
        if failure.check(KeyboardInterrupt):  # the reactor makes an orderly end of it, once it runs
            self._reactor.callWhenRunning(os.kill, os.getpid(), signal.SIGINT)
            return
        self.failed = True
        self.log.error("cannot start: {reason}", reason=failure.getErrorMessage())
        self._reactor.callWhenRunning(self._reactor.stop)

    async def _close(self) -> None:
        self._run_file.close()
        # first the ports: as long as a process has one open, clients get into its queue
        for addresses in self._bound.values():
            for address in addresses:
                address.close()
        services = self._draining | ({self._running} if self._running is not None else set())
        await gatherResults([Deferred.fromCoroutine(each.close()) for each in services])
        if self._committer is not None:
            self._committer.stop()
        self._observing.stop()


def load_what_serves(config: Config) -> None:
    """Import what is imported late: now, because with the rights that are left the library may not be readable."""
    late = {
        "twisted_mail.serving": True,
        "twisted_mail.webservice": config.listen.web or config.listen.https,
        "twisted_mail.administration.administrator": config.listen.web or config.listen.https,
        "twisted_mail.outgoing": config.relay.enabled,
        "twisted_mail.policy.dmarcreports": config.checks.reports_from,
        "twisted_mail.policy.tlsreports": config.checks.reports_from,
        "twisted_mail.domainreports": config.checks.reports_from,
    }
    for module in filter(late.get, late):
        importlib.import_module(module)


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


def _addresses(config: Config) -> dict[str, Sequence[ListenAddress]]:
    """Of each service that is served: without a certificate there is none that speaks TLS only."""
    names = [name for name in SERVICES if config.tls.certificate is not None or name not in ALL_TLS]
    return {name: getattr(config.listen, name) for name in names}


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
