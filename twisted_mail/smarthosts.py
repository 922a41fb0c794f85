"""The servers that the configuration names for mail that leaves: read while there is the right to."""

from __future__ import annotations

from twisted_mail.config import Config, ConfigError
from twisted_mail.delivery.routes import Routes, parse_smarthost, read_password
from twisted_mail.protocols.destination import Destination
from twisted_mail.relayconfig import Relay, RelaySender


def read_routes(config: Config) -> Routes:
    """Which mail goes to servers that the configuration names, with the passwords for them.  Raises ConfigError."""
    relay = config.relay
    senders = {name: _read_smarthost(each, f'[relay.senders."{name}"]') for name, each in relay.senders.items()}
    return Routes(config.routes, _read_smarthost(relay, "[relay]"), senders)


def _read_smarthost(section: Relay | RelaySender, name: str) -> Destination | None:
    if not section.smarthost:
        return None
    try:
        password = read_password(section.smarthost_password_file) if section.smarthost_password_file else ""
        return parse_smarthost(section.smarthost, section.smarthost_user, password)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name} smarthost cannot be used: {error}") from error
