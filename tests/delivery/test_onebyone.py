"""LMTP's recipients have nothing to do with one another: each has its own outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.targets import LATER, NEVER, ORIGIN, UnreliableTarget, message, recipients
from twisted_mail.content import Message
from twisted_mail.delivery.onebyone import OneByOne
from twisted_mail.interfaces import IDelivery, IDeliveryTarget
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import FilterDelivery

ALICE, BOB, CAROL = recipients("alice@example.org", "bob@example.org", "carol@example.org")
SENDER = parse_address("them@else.example")
TEXT = b"Subject: hello\n\nHello\n"


@implementer(IDeliveryTarget)
@dataclass
class PickyTarget:
    """Takes a message whole or not at all: not, where it is for one of *refused* too."""

    refused: Mapping[Recipient, SMTPError]
    raises: bool = False
    taken: UnreliableTarget = field(default_factory=UnreliableTarget)

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> IDelivery:
        return _PickyDelivery(self, await self.taken.begin(origin, sender, options))


class _PickyDelivery(FilterDelivery):
    def __init__(self, target: PickyTarget, inner: IDelivery) -> None:
        super().__init__(inner)
        self._target = target
        self._recipients: list[Recipient] = []

    async def add_recipient(self, recipient: Recipient) -> None:
        await super().add_recipient(recipient)
        self._recipients.append(recipient)

    async def deliver(self, message: Message) -> Mapping[Recipient, SMTPError | None]:
        for recipient in self._recipients:
            if recipient in self._target.refused:
                if self._target.raises:
                    raise self._target.refused[recipient]
                return dict.fromkeys(self._recipients, self._target.refused[recipient])
        return await super().deliver(message)


class OneByOneTests(SynchronousTestCase):
    def deliver(self, target: PickyTarget) -> Mapping[Recipient, SMTPError | None]:
        async def send() -> Mapping[Recipient, SMTPError | None]:
            delivery = await OneByOne(target).begin(ORIGIN, SENDER, MailOptions())
            for recipient in (ALICE, BOB, CAROL):
                await delivery.add_recipient(recipient)
            return await delivery.deliver(message(TEXT))

        return self.successResultOf(Deferred.fromCoroutine(send()))

    def taken(self, target: PickyTarget) -> list[tuple[Address | None, list[Recipient], bytes]]:
        return target.taken.taken

    def test_message_that_all_can_have_is_delivered_once(self) -> None:
        target = PickyTarget({})
        self.assertEqual(dict.fromkeys((ALICE, BOB, CAROL)), self.deliver(target))
        self.assertEqual([(SENDER, [ALICE, BOB, CAROL], TEXT)], self.taken(target))

    def test_recipient_that_fails_holds_up_no_other(self) -> None:
        for raises in (False, True):
            target = PickyTarget({BOB: LATER}, raises)
            self.assertEqual({ALICE: None, BOB: LATER, CAROL: None}, self.deliver(target))
            self.assertEqual([(SENDER, [ALICE], TEXT), (SENDER, [CAROL], TEXT)], self.taken(target))

    def test_each_hears_its_own_reason(self) -> None:
        target = PickyTarget({ALICE: LATER, BOB: NEVER, CAROL: LATER})
        self.assertEqual({ALICE: LATER, BOB: NEVER, CAROL: LATER}, self.deliver(target))
        self.assertEqual([], self.taken(target))

    def test_what_failed_leaves_nothing_open(self) -> None:
        target = PickyTarget({BOB: LATER}, raises=True)
        self.deliver(target)
        self.assertEqual(1, target.taken.steps.count("abort"))  # Bob's own attempt; the first is its caller's to end
