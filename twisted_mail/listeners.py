"""The listening sockets: all are bound before anything else is done, so that a port in use is told before any is open.

They are bound with the rights that the process has at first (root's, for port 25) and listened at once the service
starts with the rights that it keeps.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from twisted.internet import endpoints
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from twisted_mail.config import ConfigError, ListenAddress

BACKLOG = 1024
"""Connections that may wait for their accept: a short queue costs clients a second each in a burst."""

_FAMILIES = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class BoundAddress:
    """An address that nobody can take from us any more.  *socket* is None where Twisted makes it at `listen`."""

    address: ListenAddress
    socket: socket.socket | None

    @property
    def port(self) -> int | None:
        """The TCP port, also where the configuration left the choice to the system."""
        return self.socket.getsockname()[1] if self.socket is not None else None

    async def listen(self, reactor: object, factory: IProtocolFactory) -> IListeningPort:
        """Take connections.  Raises ConfigError."""
        if self.socket is None:
            endpoint = endpoints.serverFromString(reactor, self.address.text)
            try:
                listening: IListeningPort = await endpoint.listen(factory)
                return listening
            except Exception as error:  # whatever a foreign endpoint raises: it is told with its place
                raise ConfigError(f"{self.address.where or self.address.text}: cannot listen: {error}") from error
        descriptor = os.dup(self.socket.fileno())  # the endpoint closes what it is given
        adopted = endpoints.AdoptedStreamServerEndpoint(reactor, descriptor, self.socket.family)
        port: IListeningPort = await adopted.listen(factory)
        self.socket.listen(BACKLOG)  # the same queue: Twisted's adopted port asked for 50
        return port

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()


def bind(address: ListenAddress) -> BoundAddress:
    """Raises ConfigError, one line that names the place in the file and what to do."""
    if address.kind not in _FAMILIES:
        return BoundAddress(address, None)
    bound = socket.socket(_FAMILIES[address.kind], socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.kind == "tcp6":
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address.interface, address.port))
    except OSError as error:
        bound.close()
        raise ConfigError(f"{address.where or address.text}: {_remedy(address, error)}") from error
    return BoundAddress(address, bound)


def bind_all(addresses: Iterable[ListenAddress]) -> list[BoundAddress]:
    """All of them or none.  Raises ConfigError."""
    bound: list[BoundAddress] = []
    try:
        for address in addresses:
            bound.append(bind(address))
    except ConfigError:
        for each in bound:
            each.close()
        raise
    return bound


def _remedy(address: ListenAddress, error: OSError) -> str:
    where = f"port {address.port}" + (f" on {address.interface}" if address.interface else "")
    match error.errno:
        case errno.EADDRINUSE:
            return f"{where} is in use; stop the program that has it (`ss -ltnp` shows it) or choose another port"
        case errno.EACCES:
            return f"no right to listen on {where}; start as root with --uid and --gid, or choose a port from 1024 up"
        case errno.EADDRNOTAVAIL:
            return f"this machine has no address {address.interface}; `ip address` shows those it has"
        case _:
            return f"cannot listen on {where}: {error.strerror}"
