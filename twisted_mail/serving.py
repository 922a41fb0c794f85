"""The life of the server in one process: its objects (service.py), and its ports while they are open."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from twisted_mail.certifying import Certifying, from_authority
from twisted_mail.config import Config
from twisted_mail.delivery.routes import Routes
from twisted_mail.doors import Door
from twisted_mail.listeners import BoundAddress
from twisted_mail.neighbours import Neighbours
from twisted_mail.protocols.tls import Certificates
from twisted_mail.service import FINISH, House
from twisted_mail.tlsfiles import TLSFiles


class Serving:
    """The service of one process: its objects, and its ports while they are open."""

    log = Logger()

    def __init__(
        self,
        config: Config,
        certificates: Certificates | None,
        routes: Routes,
        bound: Mapping[str, Sequence[BoundAddress]],
        reactor: ReactorBase,
        neighbours: Neighbours,
    ) -> None:
        """*bound*: the addresses of each service of [listen], which stay open when this object is done with them."""
        self._reactor = reactor
        self._bound = bound
        self._ports: list[IListeningPort] = []
        self.house = House(config, certificates, routes, reactor, neighbours)
        self._tls_files = TLSFiles(config.tls, certificates, reactor) if certificates is not None else None
        self._certifying: Certifying | None = None
        if config.tls.acme and neighbours.leads:
            obtain = from_authority(config, self.house.challenges, reactor)
            self._certifying = Certifying(config, obtain, self.read_certificates, reactor)

    async def open(self) -> None:
        """Start everything, then take connections.  Raises ConfigError."""
        self.house.start()
        if self._tls_files is not None:
            self._tls_files.start()
        for name, addresses in self._bound.items():
            for address in addresses if name in self.house.factories else ():
                self._ports.append(await address.listen(self._reactor, self.house.factories[name]))
        if self._certifying is not None:
            self._certifying.start()

    def read_certificates(self) -> None:
        """Again."""
        if self._tls_files is not None:
            self._tls_files.load()

    async def close(self) -> None:
        """No new connections, a bounded time for what is under way, then the end of everything."""
        await self._retire()
        await self._for_each_factory(lambda factory: factory.finish(FINISH))
        await self.house.stop()

    async def drain(self) -> None:
        """Another service has taken over: no new connections, but those that are there go on until they end."""
        await self._retire()
        await self.house.retire()
        await self._for_each_factory(lambda factory: factory.drain())
        await self.house.stop()

    async def _retire(self) -> None:
        if self._certifying is not None:
            self._certifying.stop()
            self._certifying = None
        if self._tls_files is not None:
            self._tls_files.stop()
        ports, self._ports = self._ports, []
        for port in ports:
            await maybeDeferred(port.stopListening)

    async def _for_each_factory(self, act: Callable[[Door], Coroutine[Any, Any, None]]) -> None:
        factories = self.house.factories.values()
        await gatherResults([Deferred.fromCoroutine(act(factory)) for factory in factories])
