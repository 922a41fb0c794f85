"""A copy for each recipient."""

from __future__ import annotations

from itertools import count

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.targets import LATER, ORIGIN, UnreliableTarget, message, recipients
from twisted_mail.delivery.percopy import CopyForEach
from twisted_mail.interfaces import IDelivery
from twisted_mail.smtp.envelope import MailOptions


class CopyForEachTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.target = UnreliableTarget()
        numbers = count(2)
        self.copies = CopyForEach(self.target, lambda: f"{next(numbers):02x}" * 16)
        self.recipients = recipients("bob@a.example", "carol@b.example")

    async def begun(self) -> IDelivery:
        delivery = await self.copies.begin(ORIGIN, None, MailOptions())
        for recipient in self.recipients:
            await delivery.add_recipient(recipient)
        return delivery

    def test_each_gets_a_copy_that_says_whose_it_is(self) -> None:
        async def deliver() -> object:
            return await (await self.begun()).deliver(message())

        results = self.successResultOf(Deferred.fromCoroutine(deliver()))
        self.assertEqual(dict.fromkeys(self.recipients), results)
        self.assertEqual(
            [
                (None, [recipient], f"X-Original-To: {recipient.address}\n".encode() + b"Subject: hello\n\nHello\n")
                for recipient in self.recipients
            ],
            self.target.taken,
        )

    def test_in_two_steps_they_get_the_same(self) -> None:
        async def deliver() -> None:
            delivery = await self.begun()
            await delivery.prepare(message())
            await delivery.commit()

        self.successResultOf(Deferred.fromCoroutine(deliver()))
        self.assertEqual(self.recipients, [recipient for _, (recipient,), _ in self.target.taken])

    def test_one_that_is_refused_is_told(self) -> None:
        self.target.fails_at, self.target.error = "add", LATER

        async def begin() -> None:
            await self.begun()

        self.failureResultOf(Deferred.fromCoroutine(begin()), type(LATER))
        self.assertEqual([], self.target.taken)
