"""The server gets its certificate itself, from an ACME authority, and renews it a third of its life before the end.

Until the first one has come a certificate of our own serves, so that every port is open from the start.  The private
key stays the same over renewals: only one file is replaced, which cannot be half done, and a pin of the key (DANE)
stays true.  What fails is said in the log and tried again, later each time; mail goes on meanwhile.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail import owncertificate
from twisted_mail.config import Config, ConfigError
from twisted_mail.durable import make_directory
from twisted_mail.web.challenges import Challenges, Kind, RefusedError

CHECKED_EVERY = 6 * 3600.0
"""Seconds between two looks at the certificate's days."""
PAUSES = (60.0, 300.0, 1800.0, 2 * 3600.0, 6 * 3600.0, 24 * 3600.0)
"""Seconds after the first, second, ... failure in a row; the last repeats.  Authorities count failures by the hour."""

_PORTS = {Kind.HTTP: ("web", 80), Kind.TLS_ALPN: ("https", 443)}
"""Service of [listen], and the port at which the authority looks."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """What lies where."""

    certificate: str
    key: str
    issued: str
    """What the certificate was asked for; not there while it is one of our own."""
    account_key: str

    @classmethod
    def of(cls, config: Config) -> CertificateFiles:
        certificate, key = config.tls.certificate, config.tls.key
        assert certificate is not None
        assert key is not None
        issued = os.path.join(os.path.dirname(certificate), "issued.json")
        return cls(certificate, key, issued, os.path.join(config.server_folder, "keys", "acme-account.pem"))


def require_library(config: Config) -> None:
    """Told while there is a terminal to tell it.  Raises ConfigError."""
    try:
        importlib.import_module("twisted_mail.web.acmeclient")
    except ImportError as error:
        raise ConfigError(
            f"{config.file}: [tls] acme needs one more library: pip install twisted-mail[acme]"
        ) from error


def make_first_certificate(config: Config) -> None:
    """A certificate of our own and its key, unless there are some.  As the server's user.  Raises ConfigError."""
    files = CertificateFiles.of(config)
    folder = os.path.dirname(files.certificate)
    try:
        make_directory(os.path.dirname(files.account_key))
        make_directory(folder)
        if not (os.path.exists(files.certificate) and os.path.exists(files.key)):
            with suppress(FileNotFoundError):
                os.unlink(files.issued)
            own = owncertificate.make(f"CA of {config.hostname}", _names(config))
            _write(files.key, own.key)
            _write(files.certificate, own.chain)
    except OSError as error:
        raise ConfigError(f"{config.file}: [tls] acme: {folder} cannot be written ({error.strerror})") from error


class Certifying:
    """The timer, in one process of the server."""

    log = Logger()

    def __init__(
        self,
        config: Config,
        obtain: Callable[[], Deferred[bytes]],
        installed: Callable[[], None],
        clock: IReactorTime,
    ) -> None:
        """*obtain* asks for a certificate; *installed* is called when there is a new one: what reads it."""
        self._files = CertificateFiles.of(config)
        self._wanted = {"directory": config.tls.acme, "names": _names(config)}
        self._names = ", ".join(_names(config))
        self._obtain = obtain
        self._installed = installed
        self._clock = clock
        self._next: IDelayedCall | None = None
        self._failures = 0
        self._stopped = False

    def start(self) -> None:
        """Look now: the web listeners are open."""
        self._look()

    def stop(self) -> None:
        """What is under way is left alone: its thread does not keep the process."""
        self._stopped = True
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _look(self) -> None:
        if not is_due(self._files, self._wanted, self._clock.seconds()):
            self._look_in(CHECKED_EVERY)
            return
        self.log.info(
            "asking {directory} for a certificate for {names}",
            event="certificate.asked",
            directory=self._wanted["directory"],
            names=self._names,
        )
        self._obtain().addCallback(self._install).addErrback(self._fail)

    def _look_in(self, seconds: float) -> None:
        if not self._stopped:
            self._next = self._clock.callLater(seconds, self._look)

    def _install(self, chain: bytes) -> None:
        _write(self._files.certificate, chain)
        _write(self._files.issued, json.dumps(self._wanted).encode())
        self._failures = 0
        until = x509.load_pem_x509_certificates(chain)[0].not_valid_after_utc
        self.log.info(
            "a new certificate for {names}, good until {until}",
            event="certificate.renewed",
            names=self._names,
            until=until.date().isoformat(),
        )
        if not self._stopped:
            self._installed()
        self._look_in(CHECKED_EVERY)

    def _fail(self, failure: Failure) -> None:
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        if failure.check(RefusedError):
            self.log.error(
                "no new certificate: {reason}; next attempt in {minutes} minutes",
                event="certificate.failed",
                reason=failure.getErrorMessage(),
                minutes=int(pause / 60),
            )
        else:
            self.log.failure("no new certificate", failure, event="certificate.failed")
        self._look_in(pause)


def from_authority(config: Config, challenges: Challenges, reactor: Any) -> Callable[[], Deferred[bytes]]:
    """What asks the authority of the configuration for a certificate, in a thread; *challenges*: where it looks."""
    files, tls = CertificateFiles.of(config), config.tls

    def ask() -> bytes:
        from twisted_mail.web.acmeclient import Authority, obtain  # with a library that not everybody has

        authority = Authority(tls.acme, tls.acme_contact, files.account_key, tls.acme_authority)
        with open(files.key, "rb") as file:
            key = file.read()
        return obtain(authority, _names(config), key, challenges, ways(config))

    return lambda: _in_thread(reactor, ask)


def is_due(files: CertificateFiles, wanted: Mapping[str, object], now: float) -> bool:
    """Whether another certificate is needed: there is only our own, it is for something else, or it ends soon."""
    try:
        with open(files.issued, "rb") as file:
            if json.load(file) != wanted:
                return True
        with open(files.certificate, "rb") as file:
            leaf = x509.load_pem_x509_certificates(file.read())[0]
    except (OSError, ValueError):
        return True
    life: timedelta = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    return datetime.fromtimestamp(now, UTC) >= leaf.not_valid_after_utc - life / 3


def ways(config: Config) -> Sequence[Kind]:
    """How the authority can look: first where we listen at its port ourselves; a proxy may stand before the others."""
    there = [kind for kind, (service, _) in _PORTS.items() if getattr(config.listen, service)]
    return sorted(there, key=lambda kind: not _listens(config, *_PORTS[kind]))


def _listens(config: Config, service: str, port: int) -> bool:
    return any(address.port == port for address in getattr(config.listen, service))


def _names(config: Config) -> list[str]:
    return list(dict.fromkeys((config.hostname, *config.tls.acme_names)))


def _write(path: str, octets: bytes) -> None:
    """In one step: another process reads the old file or the new one."""
    new = f"{path}.new"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def _in_thread(reactor: Any, call: Callable[[], bytes]) -> Deferred[bytes]:
    """A thread that does not keep the process from ending: an authority may take minutes."""
    result: Deferred[bytes] = Deferred()

    def run() -> None:
        try:
            answer = call()
        except Exception:  # noqa: BLE001 (it goes to the errback)
            reactor.callFromThread(result.errback, Failure())
        else:
            reactor.callFromThread(result.callback, answer)

    Thread(target=run, name="acme", daemon=True).start()
    return result
