"""Mail to other servers: an IDeliveryTarget whose "yes" means that another server has the message.

The queue calls it for the recipients of one domain at a time; several domains in one delivery work too, one after
another.  At least once: where an answer to the end of a message is cut off, the recipients are answered with 4yz, and
a later attempt may make a second copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.delivery.attempt import UNREADABLE, Attempt
from twisted_mail.delivery.letter import Letter, look_at
from twisted_mail.delivery.routes import Routes
from twisted_mail.interfaces import (
    Approach,
    Demand,
    IDeliveryTarget,
    IMXResolver,
    IRelayDelivery,
    ISigner,
    ITransportPolicies,
    IWitness,
    MailHost,
    RemoteRefusal,
    Results,
)
from twisted_mail.message.header import waives_tls
from twisted_mail.protocols.destination import Destination, TLSUse
from twisted_mail.protocols.smtppool import ConnectionPool
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.tlsoutcome import TLSOutcome


@implementer(IWitness)
class NoWitness:
    """Vouches for nobody."""

    async def vouches_for(self, domain: str, host: MailHost) -> bool:
        return False


@implementer(ITransportPolicies)
class NoPolicies:
    """TLS with whom it may be, where it can be had."""

    async def approach(self, domain: str, host: MailHost) -> Approach:
        return Approach(Demand.NOTHING)


@implementer(IDeliveryTarget)
class Relay:
    """Sends each message on at once, to a route's server, the smarthost, or the servers that DNS names."""

    log = Logger()

    def __init__(
        self,
        routes: Routes,
        resolver: IMXResolver,
        pool: ConnectionPool,
        witness: IWitness | None = None,
        signer: ISigner | None = None,
        policies: ITransportPolicies | None = None,
    ) -> None:
        """*witness*: which of the servers that DNS names may have a message that must go by TLS; None: none of them.

        *signer*: signs what had to be encoded anew.  *policies*: how the servers that DNS names may be spoken to.
        """
        self._routes = routes
        self._signer = signer
        self._witness = witness or NoWitness()
        self._policies = policies or NoPolicies()
        self._resolver = resolver
        self._pool = pool

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IRelayDelivery:
        return _RelayDelivery(self, origin, sender, options)

    async def close(self) -> None:
        """End the connections that are kept."""
        await self._pool.close()

    def route(self, sender: Address | None, domain: str) -> Destination | str:
        """What recipients have in common that travel together: a server that the configuration names, or the domain."""
        return self._routes.find(sender, domain) or domain

    async def attempt(self, route: Destination | str, letter: Letter, recipients: Sequence[Recipient]) -> Attempt:
        """What came of it is in its results."""
        attempt = Attempt(self._pool, letter, recipients)
        try:
            destinations = [route] if isinstance(route, Destination) else await self._servers(route, letter)
        except RemoteRefusal as refusal:
            self.log.debug("to {domain}: {reply}", id=letter.message.id, domain=route, reply=str(refusal))
            attempt.results.update(dict.fromkeys(recipients, refusal))
            return attempt
        await attempt.run(destinations)
        return attempt

    async def letter(self, origin: Origin, sender: Address | None, options: MailOptions, message: Message) -> Letter:
        """Raises OSError: the message cannot be read."""
        content = await look_at(message, options, self._pool.options.blocking)

        async def sign_again(changed: Message) -> Message:
            return changed if self._signer is None else await self._signer.sign_again(changed, origin, sender)

        waiver = not options.require_tls and waives_tls(message.header)  # REQUIRETLS is the stronger word
        return Letter(sender, options, content, message, sign_again, waiver)

    async def _servers(self, domain: str, letter: Letter) -> list[Destination]:
        """Raises RemoteRefusal."""
        hosts: Sequence[MailHost] = await self._resolver.hosts(domain)
        if letter.options.require_tls:
            hosts = [host for host in hosts if await self._witness.vouches_for(domain, host)]
            if not hosts:
                raise RemoteRefusal(_nobody_vouches(domain), by_remote=False)
        if letter.waives_tls:
            # nobody hears how TLS went: it was not asked for (and reports of it go this way, RFC 8460 §3)
            return [each for host in hosts for each in _destinations(host, Approach(Demand.NOTHING, _WAIVED), "")]
        approaches = [(host, await self._policies.approach(domain, host)) for host in hosts]
        allowed = [(host, approach) for host, approach in approaches if approach.demand is not Demand.REFUSED]
        if not allowed:
            for host, approach in approaches:
                self._pool.note(TLSOutcome(domain, approach.published, host.name, flaw=approach.published.flaw))
            host, approach = approaches[0]
            raise RemoteRefusal(_not_allowed(host, approach), host=host.name, by_remote=False)
        return [each for host, approach in allowed for each in _destinations(host, approach, domain)]


_USES = {
    Demand.NOTHING: TLSUse.OPPORTUNISTIC,
    Demand.TESTED: TLSUse.TESTED,
    Demand.CERTIFICATE: TLSUse.VERIFIED,
    Demand.DANE: TLSUse.DANE,
}
_WAIVED = "the message says TLS-Required: No"


def _destinations(host: MailHost, approach: Approach, domain: str) -> list[Destination]:
    """One for each address."""
    server = Destination(
        host.name,
        "",
        host.port,
        tls=_USES[approach.demand],
        tlsa=approach.tlsa,
        policy=approach.reason,
        domain=domain,
        published=approach.published,
    )
    return [replace(server, address=each) for each in host.addresses]


def _not_allowed(host: MailHost, approach: Approach) -> Reply:
    """It may be that the domain has new servers, and has not said so in all places yet."""
    return Reply(451, "7.5", f"DNS leads to {host.name}, which {approach.reason} does not allow. It is tried again")


def _nobody_vouches(domain: str) -> Reply:
    text = f"The message asks for TLS all the way, and nothing proves which servers are those of {domain}"
    return Reply(550, "7.30", f"{text}: an answer of DNS can be forged. Send it without REQUIRETLS")


@implementer(IRelayDelivery)
class _RelayDelivery:
    def __init__(self, relay: Relay, origin: Origin, sender: Address | None, options: MailOptions) -> None:
        self._relay = relay
        self._envelope = (origin, sender, options)
        self._recipients: dict[Recipient, None] = {}
        self._prepared: Message | None = None
        self.reports_success: set[Recipient] = set()

    async def add_recipient(self, recipient: Recipient) -> None:
        self._recipients[recipient] = None

    async def deliver(self, message: Message) -> Results:
        try:
            letter = await self._relay.letter(*self._envelope, message)
        except OSError as error:
            self._relay.log.error("the message cannot be read: {error}", id=message.id, error=error)
            return dict.fromkeys(self._recipients, SMTPError(UNREADABLE))
        results: dict[Recipient, SMTPError | None] = {}
        for route, recipients in self._groups().items():
            attempt = await self._relay.attempt(route, letter, recipients)
            results.update(attempt.results)
            self.reports_success |= attempt.reports_success
        return results

    async def prepare(self, message: Message) -> Results:
        """Another server cannot be asked to hold back: all that can fail does so in `commit`."""
        self._prepared = message
        return dict.fromkeys(self._recipients)

    async def commit(self) -> None:
        assert self._prepared is not None
        for refusal in (await self.deliver(self._prepared)).values():
            if refusal is not None:
                raise refusal

    def abort(self) -> None:
        self._prepared = None

    def _groups(self) -> dict[Destination | str, list[Recipient]]:
        _, sender, _ = self._envelope
        groups: dict[Destination | str, list[Recipient]] = {}
        for recipient in self._recipients:
            groups.setdefault(self._relay.route(sender, recipient.address.domain), []).append(recipient)
        return groups
