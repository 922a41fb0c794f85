"""Which domains go to a server that the configuration names, not to their MX: routes, and a smarthost for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from twisted_mail.protocols.destination import Destination, TLSUse, parse_destination
from twisted_mail.sasl import PasswordCredentials


@dataclass(frozen=True, slots=True)
class Routes:
    """`find` looks for the domain, then for a parent domain that is written with a dot in front, then the smarthost."""

    by_domain: Mapping[str, Destination] = field(default_factory=dict)
    """Domains in A-labels; `.example.net` stands for everything below example.net, and not for itself."""
    smarthost: Destination | None = None

    def find(self, domain: str) -> Destination | None:
        """None: ask DNS."""
        if (route := self.by_domain.get(domain)) is not None:
            return route
        _, dot, parent = domain.partition(".")
        while dot:
            if (route := self.by_domain.get(f".{parent}")) is not None:
                return route
            _, dot, parent = parent.partition(".")
        return self.smarthost


def parse_smarthost(endpoint: str, user: str = "", password: str = "") -> Destination:
    """With *user*, TLS is verified, unless the smarthost is this machine.  Raises ValueError (`parse_destination`)."""
    smarthost = parse_destination(endpoint)
    if not user:
        return smarthost
    smarthost = replace(smarthost, login=PasswordCredentials(user, password))
    if smarthost.is_here or smarthost.tls is TLSUse.AT_ONCE:
        return smarthost
    return replace(smarthost, tls=TLSUse.VERIFIED)


def read_password(path: str) -> str:
    """The first line of a file.  Raises OSError, or ValueError where there is none."""
    with open(path, encoding="utf-8") as file:
        password = file.readline().rstrip("\r\n")
    if not password:
        raise ValueError(f"{path} has no password in its first line")
    return password
