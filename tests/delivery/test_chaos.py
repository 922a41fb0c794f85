"""Mishaps on order."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.targets import RecordingTarget
from twisted_mail.delivery.chaos import Chaotic, Mishap, parse_refusal
from twisted_mail.interfaces import HangUp
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import Reply, SMTPError

FULL = Reply(452, "2.2", "Mailbox full")


class ChaoticTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.target = RecordingTarget()

    def add(self, address: str, *mishaps: Mishap) -> Deferred[None]:
        async def run() -> None:
            chaotic = Chaotic(self.target, mishaps, self.clock)
            delivery = await chaotic.begin(Origin("192.0.2.1", "s"), None, MailOptions())
            await delivery.add_recipient(Recipient(parse_address(address)))

        return Deferred.fromCoroutine(run())

    def test_refusal_is_for_those_whom_the_pattern_matches(self) -> None:
        mishap = Mishap("full@*", reply=FULL)
        error = self.failureResultOf(self.add("FULL@a.example", mishap), SMTPError).value
        self.assertEqual(FULL, error.reply)
        self.successResultOf(self.add("bob@a.example", mishap))

    def test_waiting_comes_first_and_then_what_else_there_is(self) -> None:
        adding = self.add("a@b.example", Mishap("*", wait=5), Mishap("a@*", reply=FULL))
        self.assertNoResult(adding)
        self.clock.advance(5)
        self.failureResultOf(adding, SMTPError)

    def test_lost_connection(self) -> None:
        self.failureResultOf(self.add("a@b.example", Mishap("*@b.example", drop=True)), HangUp)


class RefusalTests(SynchronousTestCase):
    def test_code_status_and_words(self) -> None:
        for text, reply in (
            ("452 4.2.2 Mailbox full", FULL),
            ("550 No", Reply(550, "0.0", "No")),
            ("421 4.3.2", Reply(421, "3.2", "Refused, as the rules of [chaos] say")),
            ("250 2.0.0 Fine", None),
            ("550 4.1.1 Not alike", None),
            ("", None),
        ):
            self.assertEqual(reply, parse_refusal(text), text)
