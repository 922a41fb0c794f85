"""Which mail goes to a server that the configuration names, not to an MX: routes, and smarthosts for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from twisted_mail.protocols.destination import Destination, TLSUse, parse_destination
from twisted_mail.sasl import PasswordCredentials
from twisted_mail.smtp.address import Address


@dataclass(frozen=True, slots=True)
class Routes:
    """`find` looks for the recipient's domain, then for a parent of it that is written with a dot in front.  For the
    rest there is the smarthost of the sender's domain, or that of all."""

    by_domain: Mapping[str, Destination] = field(default_factory=dict)
    """Domains in A-labels; `.example.net` stands for everything below example.net, and not for itself."""
    smarthost: Destination | None = None
    by_sender: Mapping[str, Destination | None] = field(default_factory=dict)
    """Domains of senders; None: what they write goes to MX."""

    def find(self, sender: Address | None, domain: str) -> Destination | None:
        """Where what *sender* writes to *domain* goes; None: ask DNS."""
        if (route := self.by_domain.get(domain)) is not None:
            return route
        _, dot, parent = domain.partition(".")
        while dot:
            if (route := self.by_domain.get(f".{parent}")) is not None:
                return route
            _, dot, parent = parent.partition(".")
        return self.by_sender.get(sender.domain, self.smarthost) if sender is not None else self.smarthost


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
