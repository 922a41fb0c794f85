"""The files that TLS is made of: read at the start, and read again when they change, without closing a connection.

A renewed certificate is seen within a minute, at once on SIGHUP.  Files that cannot be used just then (a certificate
whose key is not there yet, a key that only root may read) are told in the log, and what was in use stays in use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail.config import TLS
from twisted_mail.periodic import Periodic
from twisted_mail.protocols.tls import CertificateError, Certificates, Identity, TLSMaterial

CHECKED_EVERY = 60.0
"""Seconds."""
TICKETS_ROTATED_EVERY = 12 * 3600.0
"""Seconds: so long at most can a stolen key open the sessions that were resumed with it."""
CERTIFICATE, KEY = "fullchain.pem", "privkey.pem"
"""In a folder of [tls] names, as ACME clients call them."""


def read_material(tls: TLS) -> TLSMaterial | None:
    """What the files hold, not looked at yet; None: the configuration names none.  Raises OSError."""
    if tls.certificate is None or tls.key is None:
        return None
    stamp = stamp_of(tls)  # first: what changes meanwhile is then seen as a change
    default = Identity(_read(tls.certificate), _read(tls.key), f"{tls.certificate} and {tls.key}")
    others = tuple(Identity(_read(certificate), _read(key), certificate) for certificate, key in _pairs(tls))
    return TLSMaterial(default, others, _read(tls.client_authority) if tls.client_authority else b"", stamp)


class TLSFiles:
    """Keeps *certificates* what the files say."""

    log = Logger()

    def __init__(self, tls: TLS, certificates: Certificates, clock: IReactorTime) -> None:
        self._tls = tls
        self._certificates = certificates
        self._clock = clock
        self._seen = certificates.stamp
        self._rotated = clock.seconds()
        trouble = "whether certificates have changed cannot be told now"
        self._checking = Periodic(self.check, CHECKED_EVERY, clock, self.log, trouble)

    def start(self) -> None:
        self._checking.start()

    def stop(self) -> None:
        self._checking.stop()

    def check(self) -> None:
        """Load what has changed; and the same again, when the keys of the tickets are old."""
        is_old = self._clock.seconds() - self._rotated >= TICKETS_ROTATED_EVERY
        if is_old or stamp_of(self._tls) != self._seen:
            self.load()

    def load(self) -> None:
        """Load the files now."""
        self._rotated = self._clock.seconds()
        self._seen = stamp_of(self._tls)
        try:
            material = read_material(self._tls)
            assert material is not None
            self._certificates.load(material)
        except (OSError, CertificateError) as error:
            self.log.error("the certificates stay as they were: {error}", error=str(error))
        else:
            self.log.info("certificates loaded")


def stamp_of(tls: TLS) -> tuple[object, ...]:
    """Another one after each change of a file."""
    paths = [tls.certificate, tls.key, tls.client_authority]
    for pair in _pairs(tls):
        paths += pair
    return tuple(_stamp_of(path) for path in paths if path)


def certificate_files(tls: TLS) -> list[str]:
    """Of all names, the server's own first."""
    return [*filter(None, [tls.certificate]), *(certificate for certificate, _ in _pairs(tls))]


def _pairs(tls: TLS) -> Iterator[tuple[str, str]]:
    """Certificate and key of each name; folders without them are something else's."""
    if tls.names is None or not os.path.isdir(tls.names):
        return
    for name in sorted(os.listdir(tls.names)):
        pair = os.path.join(tls.names, name, CERTIFICATE), os.path.join(tls.names, name, KEY)
        if all(map(os.path.exists, pair)):
            yield pair


def _stamp_of(path: str) -> tuple[object, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return (path,)
    return path, status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
