"""What the settings of mailserver.toml demand of one another, and of the files that they name.

Each check raises ConfigError for the line that asks for what is not there.
"""

from __future__ import annotations

import os

from twisted_mail.sections import TLS, Config
from twisted_mail.settings import Place, SettingsFile

ALL_TLS = ("submissions", "pop3s", "https")
"""Services of [listen] that cannot do without a certificate."""


def check(file: SettingsFile, config: Config) -> None:
    """What holds wherever the file is read."""
    for demand in (_proxy, _oauth, _junk, _acme):
        demand(file, config)


def check_tls(file: SettingsFile, config: Config) -> None:
    """What the server needs to speak TLS, whose user may be the only one that can read it."""
    _certificate(file, config.tls)
    _authorities(file, config.tls)
    _tls_ports(file, config)


def _proxy(file: SettingsFile, config: Config) -> None:
    for name in config.proxy.listeners:
        only_unix = all(address.kind == "unix" for address in getattr(config.listen, name))
        if not config.proxy.trusted and not only_unix:
            raise file.place("proxy.listeners").error(
                'needs the addresses of the proxies beside it; write trusted = ["192.0.2.7"] in [proxy]'
            )


def _oauth(file: SettingsFile, config: Config) -> None:
    oauth = config.oauth
    if oauth.issuer and not oauth.audience and not oauth.introspection:
        raise file.place("oauth.issuer").error(
            'needs an audience beside it, or tokens for any other service would do; write audience = "..." in [oauth]'
        )


def _junk(file: SettingsFile, config: Config) -> None:
    for name in ("block_lists", "allow_lists", "greylist"):
        place = file.place(f"junk.{name}")
        if getattr(config.junk, name) and place.is_written and not config.checks.enabled:
            raise place.error("needs the checks of received mail; write enabled = true in [checks]")


def _acme(file: SettingsFile, config: Config) -> None:
    if not config.tls.acme:
        return
    for name in ("certificate", "key"):
        if (place := file.place(f"tls.{name}")).is_written:
            raise place.error("cannot stand beside acme, which gets a certificate itself; remove one of the two")
    if not (config.listen.web or config.listen.https):
        raise file.place("tls.acme").error(
            'needs a listener at which the authority can look; write web = ["tcp:80"] in [listen]'
        )


def _certificate(file: SettingsFile, tls: TLS) -> None:
    """One file needs the other; what comes from an ACME authority need not be there yet."""
    files = {"certificate": tls.certificate, "key": tls.key}
    for name, other in (("certificate", "key"), ("key", "certificate")):
        path, place = files[name], file.place(f"tls.{name}")
        if path is None or tls.acme:
            continue
        if files[other] is None:
            raise place.error(f'needs a {other} beside it; write {other} = "..." in [tls]')
        _readable(place, path)


def _authorities(file: SettingsFile, tls: TLS) -> None:
    for name, path in (("client_authority", tls.client_authority), ("acme_authority", tls.acme_authority)):
        if path is not None:
            _readable(file.place(f"tls.{name}"), path)
    if tls.names is not None and not os.path.isdir(tls.names):
        raise file.place("tls.names").error(f"{tls.names} is not a folder; give one like /etc/letsencrypt/live")


def _readable(place: Place, path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise place.error(
            f"{path} cannot be read ({error.strerror}); give the path of a PEM file that this user may read"
        ) from error


def _tls_ports(file: SettingsFile, config: Config) -> None:
    """By default a server without certificate has no ports that are all TLS; who writes them down wants them."""
    for name in ALL_TLS:
        place = file.place(f"listen.{name}")
        if getattr(config.listen, name) and place.is_written and config.tls.certificate is None:
            raise place.error(f"needs a certificate; name it and its key in [tls], or write {name} = []")
