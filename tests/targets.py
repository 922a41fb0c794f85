"""Delivery targets for tests: one that takes everything and remembers it, and one that misbehaves on command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twisted.internet.task import Clock
from zope.interface import implementer

from twisted_mail.content import Message
from twisted_mail.delivery.forwarding import ReturnPaths
from twisted_mail.interfaces import Expansion, IDelivery, IDeliveryTarget, IUsers, NoSuchUser, Way
from twisted_mail.message.evidence import Evidence
from twisted_mail.message.header import header_size
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.smtp.srs import SenderRewriting

ORIGIN = Origin(peer="192.0.2.1", session="5e55", hello="client.example", extended=True)
LATER = SMTPError.of(451, "3.0", "not now")
NEVER = SMTPError.of(550, "7.1", "not you")


def message(text: bytes = b"Subject: hello\n\nHello\n") -> Message:
    size = header_size(text)
    return Message("01" * 16, text[:size], text[size:], text.count(b"\n"))


def text_of(message: Message) -> bytes:
    return b"".join(message.pieces())


def return_paths(users: IUsers, clock: Clock | None = None) -> ReturnPaths:
    return ReturnPaths(users, SenderRewriting(b"a key"), clock or Clock())


def recipients(*texts: str) -> list[Recipient]:
    return [Recipient(parse_address(text)) for text in texts]


@implementer(IDeliveryTarget)
@dataclass(eq=False)
class UnreliableTarget:
    """Takes messages, or fails at the step that a test names: `begin`, `add`, `prepare`, `commit` or `deliver`."""

    fails_at: str = ""
    error: SMTPError = LATER
    steps: list[str] = field(default_factory=list)
    """What was called, in order."""
    taken: list[tuple[Address | None, list[Recipient], bytes]] = field(default_factory=list)
    """Sender, recipients and text of each message that was committed."""
    evidence: list[tuple[Evidence, ...]] = field(default_factory=list)
    """That each of them carries."""

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        self.step("begin")
        return _UnreliableDelivery(self, sender)

    def step(self, name: str) -> None:
        self.steps.append(name)
        if self.fails_at == name:
            raise self.error


@implementer(IDelivery)
class _UnreliableDelivery:
    def __init__(self, target: UnreliableTarget, sender: Address | None) -> None:
        self._target = target
        self._sender = sender
        self._recipients: list[Recipient] = []
        self._text = b""
        self._evidence: tuple[Evidence, ...] = ()

    async def add_recipient(self, recipient: Recipient) -> None:
        self._target.step("add")
        self._recipients.append(recipient)

    async def prepare(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        self._text, self._evidence = text_of(message), message.evidence
        self._target.steps.append("prepare")
        return dict.fromkeys(self._recipients, self._target.error if self._target.fails_at == "prepare" else None)

    async def commit(self) -> None:
        self._target.step("commit")
        self._target.taken.append((self._sender, self._recipients, self._text))
        self._target.evidence.append(self._evidence)

    async def deliver(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        self._target.steps.append("deliver")
        if self._target.fails_at == "deliver":
            return dict.fromkeys(self._recipients, self._target.error)
        self._target.taken.append((self._sender, self._recipients, text_of(message)))
        self._target.evidence.append(message.evidence)
        return dict.fromkeys(self._recipients)

    def abort(self) -> None:
        self._target.steps.append("abort")


@dataclass(frozen=True)
class Sent:
    """One message that a target took, with its whole envelope."""

    sender: Address | None
    options: MailOptions
    recipients: list[Recipient]
    text: bytes


@implementer(IDeliveryTarget)
@dataclass(eq=False)
class RecordingTarget:
    """Takes everything."""

    sent: list[Sent] = field(default_factory=list)

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _RecordingDelivery(self, sender, options)


@implementer(IDelivery)
class _RecordingDelivery:
    def __init__(self, target: RecordingTarget, sender: Address | None, options: MailOptions) -> None:
        self._target = target
        self._envelope = (sender, options)
        self._recipients: list[Recipient] = []
        self._text = b""

    async def add_recipient(self, recipient: Recipient) -> None:
        self._recipients.append(recipient)

    async def prepare(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        self._text = text_of(message)
        return dict.fromkeys(self._recipients)

    async def commit(self) -> None:
        self._target.sent.append(Sent(*self._envelope, self._recipients, self._text))

    async def deliver(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        results = await self.prepare(message)
        await self.commit()
        return results

    def abort(self) -> None:
        self._recipients = []


@implementer(IUsers)
@dataclass(frozen=True)
class FixedUsers:
    """Address -> what it expands to, all in text; the domains of the addresses are the local ones."""

    table: Mapping[str, str]
    owners: Mapping[str, str] = field(default_factory=dict)
    """Alias -> the account that owns it."""
    unchanged: frozenset[str] = frozenset()
    """Domains whose aliases leave senders as they are."""

    async def is_local(self, domain: str) -> bool:
        return domain in {address.partition("@")[2] for address in self.table}

    async def expand(self, address: Address) -> Expansion:
        if str(address) not in self.table:
            raise NoSuchUser(str(address))
        targets = [parse_address(text) for text in self.table[str(address)].split()]
        here = [target for target in targets if await self.is_local(target.domain)]
        owner = self.owners.get(str(address))
        way = Way(address.domain, parse_address(owner) if owner else None, address.domain not in self.unchanged)
        ways = {target: way for target in targets if target != address}
        return Expansion(tuple(here), tuple(target for target in targets if target not in here), ways)

    async def may_send_as(self, account: Address, address: Address) -> bool:
        return str(account) in self.table.get(str(address), "").split()

    async def members(self, address: Address, owner: Address) -> Sequence[Address]:
        if self.owners.get(str(address)) != str(owner):
            raise NoSuchUser(str(address))
        return [parse_address(text) for text in self.table[str(address)].split()]
