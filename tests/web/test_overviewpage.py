"""The administrator's first page: how the server is, and what it did."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock

from tests.queue.queueing import new_spool, now, put
from tests.web.visitor import ALICE, VisitorTestCase
from twisted_mail.records.live import MINUTES, Minute

QUIET = Minute(0.0, 0, 0, 0, 0, 0, 0, 0, None)


class OverviewTests(VisitorTestCase):
    def day(self, *minutes: Minute) -> None:
        """What monitoring has, the oldest first."""
        self.monitoring._day._minutes.extend(minutes)

    def test_the_facts_are_those_of_now(self) -> None:
        now(put(new_spool(self.config.queue_folder, Clock()), "x@else.example"))
        text = self.visitor(ALICE).get("/admin").text
        for name, value in (("Health", "well"), ("Here", "domains 1, accounts 2"), ("In the queue", "1")):
            self.assertIn(f'<th scope="row">{name}</th><td>{value}</td>', text)
        self.assertIn("mail.example.org", text)

    def test_what_happened_is_drawn_for_the_hour_and_the_day(self) -> None:
        busy = replace(QUIET, logins=2, queue=3, latency=0.0125)
        self.day(busy, *[QUIET] * 100, busy, QUIET)
        text = self.visitor(ALICE).get("/admin").text
        self.assertIn("Logins: 2 in all, most 2 in a minute", text)
        self.assertIn("Logins: 4 in all, most 2 in 15 minutes", text)
        self.assertIn("Waiting in the queue: now 0, most 3", text)
        self.assertIn("now 0 ms, most 12 ms", text)

    def test_a_day_is_as_long_as_it_is_soon_after_the_start(self) -> None:
        alice = self.visitor(ALICE)
        for minutes in ((), (QUIET,), [QUIET] * MINUTES):
            self.day(*minutes)
            self.assertIn('viewBox="0 0 96 40"', alice.get("/admin").text)

    def test_a_server_that_is_not_well_says_why(self) -> None:
        alice = self.visitor(ALICE)
        self.config = replace(self.config, data=self.folder + "-gone")
        self.monitoring._config = self.config
        text = alice.get("/admin").text
        self.assertIn("Not well:", text)
        self.assertNotIn("In the queue</th>", text)
