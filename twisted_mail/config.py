"""The configuration: mailserver.toml is found and read, or there is none (demo mode).

What can stand in it is in sections.py, what one line demands of others in demands.py.
"""

from __future__ import annotations

import os
from dataclasses import replace

from twisted_mail import demands
from twisted_mail.demands import ALL_TLS
from twisted_mail.listenaddress import ListenAddress
from twisted_mail.relayconfig import Relay
from twisted_mail.sections import TLS, Auth, Config, Limits, Listen, Log, OAuth, Proxy
from twisted_mail.settings import ConfigError, SettingsFile

__all__ = ["ALL_TLS", "TLS", "Auth", "Config", "ConfigError", "Limits", "Listen", "ListenAddress", "Log", "OAuth"]
__all__ += ["Proxy", "Relay", "demo_config", "find_config", "load"]

SEARCHED = ("mailserver.toml", "/etc/twisted-mail/mailserver.toml")
"""Where a configuration is looked for when nobody names one."""


def find_config(argument: str | None) -> str | None:
    """The path to load: *argument* (--config), $MAILSERVER_CONFIG, ./mailserver.toml, then /etc.  None: demo mode."""
    if named := argument or os.environ.get("MAILSERVER_CONFIG"):
        return named
    return next((path for path in SEARCHED if os.path.exists(path)), None)


def load(path: str, *, check_files: bool = True) -> Config:
    """Read a configuration.  *check_files*: certificate and key must be readable (administration needs neither).

    Raises ConfigError.
    """
    file = SettingsFile(path)
    config = file.read(Config)
    demands.check(file, config)
    if config.tls.acme:
        config = _with_acme(config)
    if check_files:
        demands.check_tls(file, config)
    return replace(config, file=path)


def _with_acme(config: Config) -> Config:
    """Where certificate and key will be that the server gets itself."""
    folder = os.path.join(config.server_folder, "tls", "acme")
    certificate, key = os.path.join(folder, "fullchain.pem"), os.path.join(folder, "privkey.pem")
    return replace(config, tls=replace(config.tls, certificate=certificate, key=key))


def demo_config(folder: str = "maildirs") -> Config:
    """Demo mode: loopback only, the standard ports + 1000, a data directory *folder* below the current one."""
    data = os.path.abspath(folder)
    tls = os.path.join(data, ".server", "tls")
    return Config(
        hostname="localhost",
        data=data,
        listen=Listen(
            smtp=_loopback(1025),
            submission=_loopback(1587),
            submissions=_loopback(1465),
            lmtp=(),
            pop3=_loopback(1110),
            pop3s=_loopback(1995),
            web=_loopback(8025),
        ),
        tls=TLS(os.path.join(tls, "fullchain.pem"), os.path.join(tls, "privkey.pem")),
    )


def _loopback(port: int) -> tuple[ListenAddress, ...]:
    return (ListenAddress.parse(f"tcp:{port}:interface=127.0.0.1"),)
