"""What becomes of a message by its points, and who never has to wait."""

from __future__ import annotations

import os
from dataclasses import replace

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.policy.test_reputation import ALICE, BOB, HOST, header_of
from tests.policy.test_suspicion import ALL_FIELDS, HERE, known
from twisted_mail.policy.acquaintances import REMEMBERED_FOR, WRITE_EVERY, Acquaintances
from twisted_mail.policy.client import Reverse
from twisted_mail.policy.dmarc import DMARCResult
from twisted_mail.policy.esteem import KNOWN_AFTER
from twisted_mail.policy.findings import Action
from twisted_mail.policy.greylist import Greylist, Greylisting, Terms
from twisted_mail.policy.hello import Hello
from twisted_mail.policy.judging import Judge, Judgement
from twisted_mail.policy.lists import Standing
from twisted_mail.policy.reputation import DAY, Reputation
from twisted_mail.policy.suspicion import Known

SUSPICIOUS = known(reverse=Reverse.PERMERROR, called=Hello.NO_NAME)
JUNK = known(reverse=Reverse.PERMERROR, called=Hello.OURS, fields=ALL_FIELDS - {"date"})
NETWORK = "192.0.2.0/24"


class JudgeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(20_000 * DAY)
        os.makedirs(folder := self.mktemp())
        self.path = f"{folder}/reputation.sqlite"
        self.reputation = Reputation(self.path, HOST, self.clock.seconds)
        self.acquaintances = Acquaintances(self.reputation, execute, self.clock)
        greylist = Greylist(f"{folder}/greylist.sqlite", Terms())
        self.judge = Judge(False, self.acquaintances, Greylisting(greylist, execute, self.clock))
        for each in (self.reputation, greylist):
            self.addCleanup(each.close)

    def judged(self, about: Known) -> Judgement:
        """Once more is known of the sender."""

        async def judge() -> Judgement:
            header = b"".join(f"{name}: x\n".encode() for name in about.fields)
            asked = self.judge.known(about.origin, about.findings, about.wanted, about.lists, header)
            return await self.judge.judge(await asked, "a@example.net", ["example.org"])

        return self.successResultOf(Deferred.fromCoroutine(judge()))

    def action(self, about: Known) -> Action:
        return self.judged(about).action

    def test_honest_mail_is_taken_at_once(self) -> None:
        for about in (known(), known(called=Hello.ELSEWHERE, fields=ALL_FIELDS - {"message-id"})):
            self.assertEqual((Action.ACCEPT, None), (self.action(about), self.judged(about).wait))

    def test_suspicious_mail_shall_come_again_and_is_then_what_it_is(self) -> None:
        for about, then in ((SUSPICIOUS, Action.ACCEPT), (JUNK, Action.JUNK)):
            self.setUp()
            first = self.judged(about)
            assert first.refusal is not None
            self.assertEqual((Action.GREYLIST, 451), (first.action, first.refusal.code))
            self.clock.advance(300)
            second = self.judged(about)
            self.assertEqual((then, None, first.evidence), (second.action, second.refusal, second.evidence))
            self.assertEqual("came back after 300 s", str(second.wait))

    def test_what_is_refused_for_good_need_not_come_again(self) -> None:
        self.assertEqual(Action.REJECT, self.action(replace(JUNK, wanted=Action.REJECT)))
        self.assertEqual(Action.DEFER, self.action(replace(JUNK, wanted=Action.DEFER)))
        self.judge = replace(self.judge, rejects_listed=True)
        self.assertEqual(Action.REJECT, self.action(replace(JUNK, lists=Standing(HERE, ("bl",)))))

    def test_who_is_on_an_allow_list_never_waits(self) -> None:
        self.assertEqual(Action.ACCEPT, self.action(replace(SUSPICIOUS, lists=Standing(HERE, (), ("wl",)))))

    def test_network_that_users_call_good_never_waits(self) -> None:
        self.reputation.learn(ALICE, header_of("aa", HERE), False)
        self.assertEqual(Action.ACCEPT, self.action(SUSPICIOUS))
        self.reputation.learn(BOB, header_of("bb", HERE), True)
        self.clock.advance(REMEMBERED_FOR)
        self.assertEqual(Action.GREYLIST, self.action(SUSPICIOUS))

    def test_proven_author_whose_mail_came_before_never_waits(self) -> None:
        proven = replace(known(reverse=Reverse.PERMERROR, called=Hello.OURS, dmarc=DMARCResult.PASS), fields=ALL_FIELDS)
        for _ in range(KNOWN_AFTER):
            self.assertEqual(Action.ACCEPT, self.action(known(dmarc=DMARCResult.PASS)))
            self.assertIsNotNone(self.judged(proven).wait)
            self.acquaintances.stop()
            self.clock.advance(DAY)
        self.assertIsNone(self.judged(proven).wait)

    def test_junk_makes_nobody_known(self) -> None:
        for _ in range(KNOWN_AFTER):
            self.action(JUNK)
            self.clock.advance(300)
            self.assertEqual(Action.JUNK, self.action(JUNK))
            self.acquaintances.stop()
            self.clock.advance(DAY)
        self.assertEqual(0, self.reputation.esteem(NETWORK).days)

    def test_network_of_which_users_complain_needs_less_to_be_junk(self) -> None:
        self.judge = replace(self.judge, greylisting=None)
        self.assertEqual(Action.ACCEPT, self.action(SUSPICIOUS))
        for number in range(4):
            for account in (ALICE, BOB):
                self.reputation.learn(account, header_of(f"{number}", HERE), True)
        self.clock.advance(REMEMBERED_FOR)
        judgement = self.judged(SUSPICIOUS)
        self.assertEqual(Action.ACCEPT, judgement.action)  # two people alone decide nothing
        self.assertEqual("2 users have called mail from 192.0.2.0/24 junk", judgement.evidence[-1].reason)
        self.assertEqual(Action.JUNK, self.action(replace(SUSPICIOUS, fields=ALL_FIELDS - {"date"})))

    def test_what_comes_is_counted_on_disk_each_minute(self) -> None:
        self.acquaintances.start()
        self.judged(known())
        self.assertEqual(0, self.reputation.esteem(NETWORK).seen)
        self.clock.advance(WRITE_EVERY)
        self.assertEqual(1, self.reputation.esteem(NETWORK).seen)
        self.acquaintances.stop()
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_file_that_cannot_be_used_stops_no_mail(self) -> None:
        with open(self.path, "w") as file:
            file.write("no database, " * 1000)
        self.assertEqual(Action.ACCEPT, self.action(known()))
        self.acquaintances.stop()
