"""Connections to servers that are kept for the next message: each for some seconds, and not many of them."""

from __future__ import annotations

from collections import defaultdict

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twisted_mail.protocols.destination import Destination
from twisted_mail.protocols.peererrors import TLSFailed
from twisted_mail.protocols.smtpclient import ClientOptions, SMTPClient, connect
from twisted_mail.tlsoutcome import Flaw, NoteOutcome, TLSOutcome, forget

IDLE_SECONDS = 5.0
"""How long an unused connection is kept.  Servers count connections: keeping them longer is impolite."""
MAX_IDLE = 100
"""Unused connections in all."""
MAX_TRANSACTIONS = 100
"""Messages on one connection; then another one finds out whether the best server is a different one by now."""


class ConnectionPool:
    """Hands out clients that are ready for `send`."""

    log = Logger()

    def __init__(self, options: ClientOptions, note: NoteOutcome = forget) -> None:
        self.options = options
        self.note = note
        """Told of each connection to a server that DNS names for a domain."""
        self._idle: defaultdict[Destination, dict[SMTPClient, IDelayedCall]] = defaultdict(dict)
        self._count = 0

    async def take(self, destination: Destination) -> SMTPClient:
        """An idle client where there is one, else a new one.  Give it back, or abort it.  Raises PeerError."""
        for client in reversed(list(self._idle.get(destination, ()))):
            self._forget(client)
            if client.is_usable:
                return client
        try:
            client = await connect(self.options, destination)
        except TLSFailed as error:
            self._note(destination, error.own_address, error)
            raise
        self._note(destination, client.own_address, client.distrusted)
        return client

    def _note(self, destination: Destination, own_address: str, error: TLSFailed | None) -> None:
        if destination.domain:
            published = destination.published
            flaw = published.flaw or (None if error is None else Flaw(error.failure, str(error)))
            name, address = destination.name, destination.address
            self.note(TLSOutcome(destination.domain, published, name, address, own_address, flaw))

    def give_back(self, client: SMTPClient) -> None:
        """The caller is done with *client*: it is kept, or ended in order."""
        most = min(MAX_TRANSACTIONS, client.offer.max_transactions or MAX_TRANSACTIONS)
        if not client.is_usable:
            client.abort()
        elif client.transactions >= most or self._count >= MAX_IDLE:
            self._say_goodbye(client)
        else:
            timer = self.options.reactor.callLater(IDLE_SECONDS, self._retire, client)
            self._idle[client.destination][client] = timer
            self._count += 1
            client.ended.addCallback(lambda _: self._forget(client))

    async def close(self) -> None:
        """End all idle connections in order."""
        clients = [client for clients in self._idle.values() for client in clients]
        for client in clients:
            self._forget(client)
        await gatherResults([self._say_goodbye(client) for client in clients])

    def _retire(self, client: SMTPClient) -> None:
        self._forget(client)
        self._say_goodbye(client)

    def _forget(self, client: SMTPClient) -> None:
        """It is not idle any more."""
        clients = self._idle.get(client.destination, {})
        timer = clients.pop(client, None)
        if timer is None:
            return
        self._count -= 1
        if timer.active():
            timer.cancel()
        if not clients:
            del self._idle[client.destination]

    def _say_goodbye(self, client: SMTPClient) -> Deferred[None]:
        return Deferred.fromCoroutine(client.quit()).addErrback(
            lambda failure: self.log.failure("a connection did not end in order", failure)
        )
