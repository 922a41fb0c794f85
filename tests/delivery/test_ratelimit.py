"""Messages in a time, with a clock under control."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from tests.targets import UnreliableTarget
from twisted_mail.delivery.ratelimit import MessageRates, RateLimited
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.protocols.rates import Rate
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin
from twisted_mail.smtp.reply import SMTPError

ALICE = Address("alice", "example.org")


class RateLimitedTests(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.rates = MessageRates(Rate(2, 60.0), Rate(1, 3600.0), self.clock)

    def begin(self, target: IDeliveryTarget, peer: str = "192.0.2.1") -> Deferred[object]:
        return Deferred.fromCoroutine(target.begin(Origin(peer, "session"), ALICE, MailOptions()))

    def test_host_may_begin_so_many_and_is_told_when_to_come_again(self) -> None:
        target = RateLimited(UnreliableTarget(), self.rates.of_host)
        verifyObject(IDeliveryTarget, target)
        for _ in range(2):
            self.successResultOf(self.begin(target))
        error = self.failureResultOf(self.begin(target), SMTPError).value
        self.assertEqual("451 4.7.1 Too many messages in a short time, try again in 30 seconds", str(error.reply))
        self.successResultOf(self.begin(target, "192.0.2.2"))
        self.clock.advance(31.0)
        self.successResultOf(self.begin(target))

    def test_account_is_counted_wherever_it_sends_from(self) -> None:
        target = RateLimited(UnreliableTarget(), lambda origin: self.rates.of_account(ALICE))
        self.successResultOf(self.begin(target))
        self.failureResultOf(self.begin(target, "192.0.2.2"), SMTPError)
        other = RateLimited(UnreliableTarget(), lambda origin: self.rates.of_account(Address("bob", "example.org")))
        self.successResultOf(self.begin(other))

    def test_nothing_is_limited_without_rates(self) -> None:
        rates = MessageRates(None, None, self.clock)
        for target in (
            RateLimited(UnreliableTarget(), rates.of_host),
            RateLimited(UnreliableTarget(), lambda origin: rates.of_account(ALICE)),
        ):
            for _ in range(100):
                self.successResultOf(self.begin(target))
