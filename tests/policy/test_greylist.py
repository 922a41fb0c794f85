"""Who shall come again: the rule by itself, what the file remembers, and what happens where it cannot."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.policy.greylist import DAY, PATIENCE, Greylist, Greylisting, Seen, Terms, Wait

TERMS = Terms(points=3, delay=300, memory=36 * DAY)


@pytest.mark.parametrize(
    ("before", "now", "after"),
    [
        (Seen(0, 0), 0, Seen(0, 0)),
        (Seen(0, 0), 299, Seen(0, 299)),
        (Seen(0, 299), 300, Seen(0, 300, True)),
        (Seen(0, 0), PATIENCE, Seen(0, PATIENCE, True)),
        (Seen(0, 0), PATIENCE + 1, Seen(PATIENCE + 1, PATIENCE + 1)),
        (Seen(0, 300, True), 301, Seen(0, 301, True)),
        (Seen(0, 300, True), 300 + 36 * DAY, Seen(0, 300 + 36 * DAY, True)),
        (Seen(0, 300, True), 301 + 36 * DAY, Seen(301 + 36 * DAY, 301 + 36 * DAY)),
    ],
)
def test_sender_passes_after_the_delay_and_is_remembered(before: Seen, now: float, after: Seen) -> None:
    assert before.again(now, TERMS) == after


@given(st.lists(st.floats(0, PATIENCE), min_size=1, max_size=20))
def test_who_comes_again_and_again_passes_once_the_delay_is_over(pauses: list[float]) -> None:
    now, seen = 0.0, Seen(0, 0)
    for pause in pauses:
        now += pause
        seen = seen.again(now, TERMS)
        assert seen.passed is (now >= TERMS.delay)


@pytest.mark.parametrize(
    ("wait", "words", "log"),
    [
        (Wait(300, 0), "try again in 5 minutes", "came for the first time; may pass in 300 s"),
        (Wait(80, 220), "try again in a minute", "came back too early, after 220 s; may pass in 80 s"),
        (Wait(0, 400), "", "came back after 400 s"),
    ],
)
def test_both_sides_are_told_what_is_going_on(wait: Wait, words: str, log: str) -> None:
    assert str(wait) == log
    if words:
        reply = wait.refusal()
        assert (reply.code, reply.status, words in reply.text) == (451, "4.7.1", True)


class GreylistingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        os.makedirs(folder := self.mktemp())
        self.path = f"{folder}/greylist.sqlite"
        self.greylisting = self.open()

    def open(self) -> Greylisting:
        greylist = Greylist(self.path, TERMS)
        self.addCleanup(greylist.close)
        return Greylisting(greylist, execute, self.clock)

    def ask(
        self,
        peer: str = "192.0.2.1",
        sender: str = "a@example.net",
        domains: str = "example.org",
        greylisting: Greylisting | None = None,
    ) -> float:
        """The seconds that it has to wait."""
        asked = (greylisting or self.greylisting).ask(peer, sender, domains.split())
        return self.successResultOf(Deferred.fromCoroutine(asked)).seconds

    def test_second_try_may_come_to_another_process_and_from_a_neighbour(self) -> None:
        self.assertEqual(300, self.ask())
        self.clock.advance(100)
        self.assertEqual(200, self.ask())
        self.clock.advance(200)
        self.assertEqual(0, self.ask("192.0.2.99", "A@Example.net", greylisting=self.open()))
        self.clock.advance(35 * DAY)
        self.assertEqual(0, self.ask())

    def test_each_network_sender_and_domain_of_recipients_is_new(self) -> None:
        self.ask()
        self.clock.advance(300)
        self.assertEqual(
            [300, 300, 300, 0],
            [self.ask("198.51.100.1"), self.ask(sender="b@example.net"), self.ask(domains="example.com"), self.ask()],
        )

    def test_message_waits_for_the_newest_of_its_domains(self) -> None:
        self.ask()
        self.clock.advance(300)
        self.assertEqual(300, self.ask(domains="example.com example.org"))
        self.clock.advance(300)
        self.assertEqual(0, self.ask(domains="example.com example.org"))

    def test_who_does_not_come_again_is_forgotten(self) -> None:
        self.ask()
        self.clock.advance(PATIENCE + 1)
        self.ask("198.51.100.1")
        greylist = Greylist(self.path, TERMS)
        self.addCleanup(greylist.close)
        with greylist._file.reading() as database:
            self.assertEqual((1,), database.execute("SELECT count(*) FROM triple").fetchone())

    def test_file_that_cannot_be_used_keeps_nobody_waiting(self) -> None:
        with open(self.path, "w") as file:
            file.write("no database, " * 1000)
        self.assertEqual(0, self.ask())
        os.unlink(self.path)
        self.assertEqual(300, self.ask())
