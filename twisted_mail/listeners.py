"""The listening sockets: all are bound before anything else is done, so that a port in use is told before any is open.

They are bound with the rights that the process has at first (root's, for port 25) and listened at once the service
starts with the rights that it keeps.  The path of a unix socket is made and removed here, by the process that bound it.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from twisted.internet import endpoints, unix
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpointStringParser
from twisted.plugin import getPlugins

from twisted_mail.config import ConfigError, ListenAddress
from twisted_mail.protocols.keepalive import set_options

BACKLOG = 1024
"""Connections that may wait for their accept: a short queue costs clients a second each in a burst."""

UNIX_MODE = 0o666
"""Permissions of a unix socket where the configuration names none: a port on loopback is open to all users too."""
LONGEST_PATH = 107
"""Octets of a unix socket's path (sun_path of unix(7))."""

_FAMILIES = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class BoundAddress:
    """An address that nobody can take from us any more.  *socket* is None where Twisted makes it at `listen`."""

    address: ListenAddress
    socket: socket.socket | None
    made_path: bool = False
    """This process has made the path of the unix socket, and removes it in the end."""

    @property
    def port(self) -> int | None:
        """The TCP port, also where the configuration left the choice to the system."""
        return self.socket.getsockname()[1] if self.socket is not None and self.address.kind != "unix" else None

    async def listen(self, reactor: object, factory: IProtocolFactory) -> IListeningPort:
        """Take connections.  Raises ConfigError."""
        if self.socket is None:
            try:
                endpoint = endpoints.serverFromString(reactor, self.address.text)
                listening: IListeningPort = await endpoint.listen(factory)
                return listening
            except Exception as error:  # whatever a foreign endpoint raises: it is told with its place
                raise ConfigError(f"{self.address.where or self.address.text}: cannot listen: {error}") from error
        if self.address.kind == "unix":
            return _listen_at_path(self.address.path, self.socket, reactor, factory)
        descriptor = os.dup(self.socket.fileno())  # the endpoint closes what it is given
        adopted = endpoints.AdoptedStreamServerEndpoint(reactor, descriptor, self.socket.family)
        port: IListeningPort = await adopted.listen(factory)
        self.socket.listen(BACKLOG)  # the same queue: Twisted's adopted port asked for 50
        return port

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        if self.made_path:
            with suppress(OSError):  # a folder that only root may write to: the next start removes it
                os.unlink(self.address.path)


def bind(address: ListenAddress) -> BoundAddress:
    """Raises ConfigError, one line that names the place in the file and what to do."""
    if address.kind == "unix":
        return _bind_path(address)
    if address.kind not in _FAMILIES:
        _check_kind(address)
        return BoundAddress(address, None)
    bound = socket.socket(_FAMILIES[address.kind], socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.kind == "tcp6":
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        set_options(bound)
        bound.bind((address.interface, address.port))
    except OSError as error:
        bound.close()
        raise ConfigError(f"{address.where or address.text}: {_remedy(address, error)}") from error
    return BoundAddress(address, bound)


def _check_kind(address: ListenAddress) -> None:
    """Twisted or a plugin of it knows this kind of endpoint.  Raises ConfigError."""
    known = {parser.prefix for parser in getPlugins(IStreamServerEndpointStringParser)} | {"ssl"}
    if address.kind not in known:
        where = address.where or "listen"
        raise ConfigError(f'{where}: "{address.text}" begins with an unknown kind of endpoint; write it like "tcp:25"')


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


def _bind_path(address: ListenAddress) -> BoundAddress:
    """As `bind`.  What a dead server left at the path is removed; permissions are never wider than those asked for."""
    _make_way(address)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o777)
    try:
        bound.setblocking(False)
        bound.bind(address.path)
        os.chmod(address.path, UNIX_MODE if address.mode is None else address.mode)
    except OSError as error:
        bound.close()
        raise ConfigError(f"{address.where or address.text}: {_path_remedy(address.path, error)}") from error
    finally:
        os.umask(mask)
    return BoundAddress(address, bound, made_path=True)


def _make_way(address: ListenAddress) -> None:
    """Nothing is at the path afterwards, or only what `bind` will tell of.  Raises ConfigError."""
    where, path = address.where or address.text, address.path
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError(f"{where}: {path} is too long for a socket, which may have {LONGEST_PATH} octets")
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ConfigError(f"{where}: {path} is there and is not a socket; remove it or choose another path")
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(OSError):
        probe.setblocking(False)
        if probe.connect_ex(path) == errno.ECONNREFUSED:  # nobody listens: left over
            os.unlink(path)


def _listen_at_path(path: str, bound: socket.socket, reactor: object, factory: IProtocolFactory) -> IListeningPort:
    """Twisted's port changes the permissions of its path and removes it; both are ours, so it is told no path."""
    port = unix.Port(b"\0" + os.fsencode(path), factory, BACKLOG, reactor=reactor)
    # not bound.dup(): in a worker that would make the socket a blocking one, for all processes
    port._preexistingSocket = socket.socket(fileno=os.dup(bound.fileno()))
    port.startListening()
    listening: IListeningPort = port
    return listening


def _path_remedy(path: str, error: OSError) -> str:
    folder = os.path.dirname(path)
    match error.errno:
        case errno.EADDRINUSE:
            return f"{path} is in use; stop the program that has it (`ss -lxp` shows it) or choose another path"
        case errno.ENOENT | errno.ENOTDIR:
            return f"{path} cannot be made: there is no folder {folder}; make it"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"no right to make {path}; give {folder} to the user that starts the server, or choose another path"
        case _:
            return f"cannot listen at {path}: {error.strerror}"


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
