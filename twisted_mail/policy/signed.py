"""A target around the queue: what leaves carries the signature of its domain, and what is handed on is sealed too.

Signed is what the queue stores, and that is what leaves.  Only where the relay must encode a message anew, for a server
that takes 7-bit text, it has the result signed once more (docs/decisions/0023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail.content import Blocking, Message, disk_refusal
from twisted_mail.interfaces import IDelivery, IDeliveryTarget, ISigner
from twisted_mail.message.addresses import listed_addresses
from twisted_mail.message.header import fields
from twisted_mail.policy.arc.seal import Finding, seal_message
from twisted_mail.policy.arc.verify import Chain, verify
from twisted_mail.policy.dkim.algorithms import Algorithm, algorithm_of
from twisted_mail.policy.dkim.choice import Sender, sealing_domain, signing_domain
from twisted_mail.policy.dkim.keys import TXT
from twisted_mail.policy.dkim.keystore import ActiveKeys
from twisted_mail.policy.dkim.sign import WHOLE_BODY, SigningKey, sign_message
from twisted_mail.policy.dkim.signature import Verdict
from twisted_mail.policy.dkim.verify import hash_body
from twisted_mail.smtp.address import Address, AddressError, parse_address
from twisted_mail.smtp.envelope import MailOptions, Origin
from twisted_mail.wrapping import FilterDelivery

MAX_AUTHORS = 8192
"""Octets of From: that are looked at."""
SEAL_LIMIT = 20.0
"""Seconds for the look-ups that the chain of a message needs, before it is handed on without another seal."""

_RESULTS = "authentication-results"


@dataclass(frozen=True, slots=True)
class SigningOptions:
    hostname: str
    """In lower-case A-labels: the name by which our Authentication-Results are known."""
    is_checked: Callable[[Origin], bool]
    """What comes from there is checked on receipt, and fields that pretend to be our results are taken out."""


@implementer(IDeliveryTarget, ISigner)
class Signed:
    """*target* for messages that leave."""

    log = Logger()

    def __init__(
        self,
        target: IDeliveryTarget,
        options: SigningOptions,
        keys: ActiveKeys,
        txt: TXT,
        disk: Blocking,
        clock: IReactorTime,
    ) -> None:
        """*clock* gives Unix time, as a reactor does; *disk*: how to wait for it."""
        self._target = target
        self._options = options
        self._keys = keys
        self._txt = txt
        self._disk = disk
        self._clock = clock

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _SignedDelivery(await self._target.begin(origin, sender, options), self, origin, sender)

    async def sign(self, message: Message, origin: Origin, envelope_sender: Address | None) -> Message:
        """Raises SMTPError: the disk is at fault."""
        sender = Sender(origin, envelope_sender, _authors(message.header))
        hostname = self._options.hostname
        signer = signing_domain(sender, hostname, self._has_keys)
        sealer = None if sender.is_known else sealing_domain(sender, hostname, self._has_keys)
        if signer is None and sealer is None:
            return message
        try:
            body_hash, made = await self._hash(message), b""
            if signer is not None:
                made = self._signatures(message.header, body_hash, signer)
            if sealer is not None:
                finding, key = await self._finding(message, origin), _rsa(self._keys.of(sealer))
                made = seal_message(made + message.header, body_hash, finding, key, self._clock.seconds()) + made
        except OSError as error:
            raise disk_refusal(error) from error
        self.log.debug(
            "signed by {signer}, sealed by {sealer}",
            event="message.signed",
            id=message.id,
            signer=signer,
            sealer=sealer,
            session=origin.session,
        )
        return message.with_fields(made)

    async def sign_again(self, message: Message, origin: Origin, envelope_sender: Address | None) -> Message:
        sender = Sender(origin, envelope_sender, _authors(message.header))
        signer = signing_domain(sender, self._options.hostname, self._has_keys)
        if signer is None:
            return message
        return message.with_fields(self._signatures(message.header, await self._hash(message), signer))

    async def _hash(self, message: Message) -> bytes:
        return (await hash_body(message, [WHOLE_BODY], self._disk))[WHOLE_BODY].digest()

    def _signatures(self, header: bytes, body_hash: bytes, domain: str) -> bytes:
        return sign_message(header, body_hash, self._keys.of(domain), self._clock.seconds())

    async def _finding(self, message: Message, origin: Origin) -> Finding:
        """What is to be said of *message* as it came."""
        work = Deferred.fromCoroutine(verify(message, self._txt, self._disk))
        try:
            chain = await work.addTimeout(SEAL_LIMIT, self._clock)
        except DeferredTimeout:
            chain = Chain(Verdict.TEMPERROR, "its look-ups take too long")
        hostname = self._options.hostname
        results = _own_results(message.header, hostname) if self._options.is_checked(origin) else ""
        return Finding(chain, results or f"{hostname}; arc={chain.verdict.value}")

    def _has_keys(self, domain: str) -> bool:
        return bool(self._keys.of(domain))


class _SignedDelivery(FilterDelivery):
    def __init__(self, inner: IDelivery, signed: Signed, origin: Origin, sender: Address | None) -> None:
        super().__init__(inner)
        self._signed = signed
        self._origin = origin
        self._sender = sender

    async def rewrite(self, message: Message) -> Message:
        return await self._signed.sign(message, self._origin, self._sender)


def _authors(header: bytes) -> tuple[str, ...]:
    """The domains in From:; none where one of the addresses cannot be read: nobody has checked that one then."""
    values = [field.partition(b":")[2] for name, field in fields(header) if name == "from"]
    if sum(map(len, values)) > MAX_AUTHORS:
        return ()
    try:
        found = [parse_address(text) for _, text in listed_addresses([value.decode() for value in values])]
    except (AddressError, UnicodeDecodeError):
        return ()
    return tuple(dict.fromkeys(address.domain for address in found))


def _own_results(header: bytes, hostname: str) -> str:
    """What the first of our Authentication-Results says, with our name; empty where there is none."""
    for name, field in fields(header):
        value = field.partition(b":")[2].strip()
        if name == _RESULTS and value.split(b";")[0].strip().lower() == hostname.encode():
            return value.decode("ascii", "replace")
    return ""


def _rsa(keys: Sequence[SigningKey]) -> SigningKey:
    """The one that every server can check: a seal has only one signature."""
    return next(key for key in keys if algorithm_of(key.key) is Algorithm.RSA)
