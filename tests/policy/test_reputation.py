"""What users say of mail, and what is remembered of it about networks and domains."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.interfaces import IVerdicts
from twisted_mail.message.header import Passage, received
from twisted_mail.policy.authresults import MethodResult, authentication_results
from twisted_mail.policy.esteem import Esteem, Voice
from twisted_mail.policy.reputation import DAY, HALF_LIFE, KEPT, SEEN_FOR, Reputation, subjects_of
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import Origin, TLSInfo

NOW = datetime(2026, 11, 28, 16, 30, tzinfo=UTC)
HOST = "mail.example.org"
ALICE, BOB = map(parse_address, ("alice@example.org", "bob@example.org"))
PROVEN = authentication_results(HOST, [MethodResult("dmarc", "pass", {"header.from": "News.example"}, "p=none")])


def header_of(identifier: str, peer: str = "192.0.2.7", results: bytes = PROVEN) -> bytes:
    """As it lies in a mailbox."""
    origin = Origin(peer, "5e55", hello="mx.news.example", extended=True)
    field = received(origin, HOST, Passage(identifier, NOW, ALICE))
    return b"Return-Path: <news@news.example>\n" + field + results + b"Subject: news\n\n"


@pytest.mark.parametrize(
    ("header", "subjects"),
    [
        (header_of("aa"), ["192.0.2.0/24", "news.example"]),
        (header_of("aa", "2001:db8:1:2::7"), ["2001:db8:1::/48", "news.example"]),
        (header_of("aa", results=PROVEN.replace(b"pass", b"fail")), ["192.0.2.0/24"]),
        (header_of("aa", results=PROVEN.replace(HOST.encode(), b"evil.example")), ["192.0.2.0/24"]),
        (header_of("aa", results=PROVEN.replace(b"dmarc", b"spf")), ["192.0.2.0/24"]),
    ],
)
def test_message_speaks_of_its_network_and_of_the_domain_that_was_proven(
    header: bytes, subjects: Sequence[str]
) -> None:
    assert subjects_of(header, HOST) == ("aa", subjects)


@pytest.mark.parametrize(
    "origin",
    [
        Origin("192.0.2.7", "s", hello="c", extended=True, tls=TLSInfo("TLSv1.3", "x"), user="alice@example.org"),
        Origin("192.0.2.7", "s", "LMTP", hello="c", extended=True),
        Origin("", "s", hello="c"),
    ],
)
def test_message_that_no_stranger_brought_speaks_of_nobody(origin: Origin) -> None:
    assert subjects_of(received(origin, HOST, Passage("aa", NOW)) + header_of("bb"), HOST) is None


def test_message_from_another_server_speaks_of_nobody() -> None:
    assert subjects_of(header_of("aa"), "mail.example.net") is None
    assert subjects_of(b"Received: by somebody; yesterday\n" + header_of("aa"), HOST) is None
    assert subjects_of(b"Subject: hello\n\n", HOST) is None


class ReputationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = NOW.timestamp()
        os.makedirs(folder := self.mktemp())
        self.path = f"{folder}/reputation.sqlite"
        self.reputation = self.open()

    def open(self) -> Reputation:
        reputation = Reputation(self.path, HOST, lambda: self.now)
        self.addCleanup(reputation.close)
        return reputation

    def test_it_hears_verdicts(self) -> None:
        self.assertTrue(IVerdicts.providedBy(self.reputation))

    def test_each_account_has_a_voice_about_network_and_domain(self) -> None:
        self.reputation.learn(ALICE, header_of("aa"), True)
        self.reputation.learn(ALICE, header_of("bb", "192.0.2.99"), True)
        self.reputation.learn(BOB, header_of("aa"), False)
        for subject in ("192.0.2.0/24", "news.example"):
            voices = self.open().esteem(subject).voices  # another process
            self.assertCountEqual([Voice(2, 0), Voice(0, 1)], voices)
        self.assertEqual([], self.reputation.esteem("198.51.100.0/24").voices)

    def test_last_word_on_a_message_counts(self) -> None:
        for is_junk in (True, True, False):
            self.reputation.learn(ALICE, header_of("aa"), is_junk)
        self.assertEqual([Voice(0, 1)], self.reputation.esteem("news.example").voices)

    def test_who_says_much_is_not_heard_more_than_others(self) -> None:
        for number in range(KEPT + 5):
            self.now += 1
            self.reputation.learn(ALICE, header_of(f"{number:x}"), number >= 5)
        (voice,) = self.reputation.esteem("news.example").voices
        self.assertEqual((KEPT, 0), (round(voice.junk), voice.good))

    def test_what_was_said_fades_and_is_forgotten(self) -> None:
        self.reputation.learn(ALICE, header_of("aa"), True)
        self.now += HALF_LIFE
        self.assertEqual([Voice(0.5, 0)], self.reputation.esteem("news.example").voices)
        self.now += 6 * HALF_LIFE
        self.reputation.learn(BOB, header_of("bb", "198.51.100.7", b""), True)
        self.assertEqual([], self.reputation.esteem("news.example").voices)

    def test_mail_that_nobody_complains_of_is_counted_day_by_day(self) -> None:
        for _ in range(3):
            self.reputation.count({"192.0.2.0/24": 2, "news.example": 1})
            self.reputation.count({"192.0.2.0/24": 2})
            self.now += DAY
        found = self.reputation.esteem("192.0.2.0/24")
        self.assertEqual((3, True), (found.days, 11 < found.seen < 12))
        self.now += SEEN_FOR - 4 * DAY
        self.reputation.count({"192.0.2.0/24": 1})
        self.assertEqual(3, self.reputation.esteem("192.0.2.0/24").days)
        self.now += 4 * DAY
        self.reputation.count({})
        self.assertEqual(1, self.reputation.esteem("192.0.2.0/24").days)
        self.assertEqual(Esteem("nobody.example", [], 0.0, 0), self.reputation.esteem("nobody.example"))

    def test_what_came_otherwise_teaches_nothing_and_makes_no_file(self) -> None:
        self.reputation.learn(ALICE, b"Subject: hello\n\n", True)
        self.assertFalse(os.path.exists(self.path))

    def test_broken_file_is_told_as_an_error_of_the_disk(self) -> None:
        with open(self.path, "w") as file:
            file.write("no database, " * 1000)
        self.assertRaises(OSError, self.reputation.learn, ALICE, header_of("aa"), True)
        self.assertRaises(OSError, self.reputation.esteem, "news.example")
        os.unlink(self.path)
        self.reputation.learn(ALICE, header_of("aa"), True)
        self.assertEqual([Voice(1, 0)], self.reputation.esteem("news.example").voices)
