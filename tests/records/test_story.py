"""From what somebody knows of a message to all that belongs to it, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

from twisted.trial.unittest import TestCase

from twisted_mail.records.story import Story, stories
from twisted_mail.records.telling import record_lines, story_lines

A, B = "01a1fcb18de076a1a95e9fd5df09880b", "01a1fcb18dfe723ea120ee3ab7388999"
UIDS = ["1795240000.01a1fcb18dfe723ea120ee3ab7388999.mail", "1795240000.01a1fcb18de076a1a95e9fd5df09880b.mail"]
BOB, CAROL = "b@x.example", "carol@example.org"
SESSION, FETCH = "5221c94de1bb", "0d04a54b3da3"
RECORDS = (
    {"event": "login.accepted", "session": SESSION, "user": "alice@example.org"},
    {"event": "message.refused", "session": SESSION, "stage": "RCPT", "recipient": "first@example.org"},
    {
        "event": "message.accepted",
        "session": SESSION,
        "id": A,
        "sender": "alice@example.org",
        "recipients": [BOB],
    },
    {"event": "message.refused", "session": SESSION, "stage": "RCPT", "recipient": "second@example.org"},
    {
        "event": "message.accepted",
        "session": SESSION,
        "id": B,
        "message_id": "<m2@x>",
        "recipients": [CAROL],
    },
    {"event": "attempt.ended", "id": f"{A}-a667ca", "recipient": "b@x.example", "dialogue": "S: 450 no\nC: QUIT\n"},
    {"event": "login.accepted", "session": FETCH, "user": CAROL},
    {"event": "message.retrieved", "session": FETCH, "uids": [f"1795240000.{B}.mail"], "user": CAROL},
    {
        "event": "messages.deleted",
        "session": FETCH,
        "user": CAROL,
        "uids": UIDS,
    },
    {"event": "session.ended", "session": FETCH, "user": CAROL},
    {"event": "login.refused", "session": "777777777777", "user": "mallory@example.org", "peer": "192.0.2.1"},
)


class StoryTests(TestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        lines = [json.dumps({"time": 100.0 + number, **record}) for number, record in enumerate(RECORDS)]
        Path(self.folder, "0000000100000-0.jsonl").write_text("\n".join(lines) + "\n")

    def told(self, question: str, limit: int = 10) -> dict[str, list[int]]:
        """Which records stand in the story of which message."""
        return {
            story.id: [int(str(record["time"]).partition(".")[0]) - 100 for record in story.records]
            for story in stories(self.folder, question, limit)
        }

    def test_a_message_is_known_by_each_of_its_names(self) -> None:
        first, second = [0, 1, 2, 5, 6, 8, 9], [0, 3, 4, 6, 7, 8, 9]
        for question, expected in (
            (A, {A: first}),
            (f"{A}-a667ca", {A: first}),
            (A[:12], {A: first}),
            (B, {B: second}),
            ("<m2@x>", {B: second}),
            ("m2@x", {B: second}),
            (SESSION, {A: first, B: second}),
            ("b@x.example", {A: first}),
        ):
            self.assertEqual(expected, {k: v for k, v in self.told(question).items() if k}, question)

    def test_an_address_leads_to_all_of_its_messages_but_no_longer_one_does(self) -> None:
        self.assertEqual({A, B}, {story.id for story in stories(self.folder, "CAROL@example.org", 10) if story.id})
        self.assertEqual({}, self.told("arol@example.org"))
        self.assertEqual({}, self.told("@example.org"))

    def test_only_the_last_ones_are_told(self) -> None:
        self.assertEqual([A], [each for each in self.told("carol@example.org", 1) if each])

    def test_what_did_not_become_a_message_is_told_too(self) -> None:
        self.assertEqual({"": [10]}, self.told("mallory@example.org"))

    def test_nothing_is_known_of_others(self) -> None:
        for question in ("nobody@example.org", "ffffffffffff", "f" * 32, "", "<>"):
            self.assertEqual({}, self.told(question), question)


class TellingTests(TestCase):
    def test_what_was_said_stands_below_its_sentence(self) -> None:
        self.assertEqual(
            ["  1970-01-01 00:01:45.000  attempt 1 for b@x.example failed: no answer; given up", "      | S: 450 no?"],
            record_lines(
                {
                    "time": 105.0,
                    "event": "attempt.ended",
                    "attempts": 1,
                    "recipient": "b@x.example",
                    "reply": "no answer",
                    "dialogue": "S: 450 no\x1b\n",
                }
            ),
        )

    def test_an_event_of_another_version_is_still_told(self) -> None:
        lines = story_lines(Story(A, [{"time": 1.0, "event": "something.new"}]))
        self.assertEqual([f"Message {A}", "  1970-01-01 00:00:01.000  something.new"], lines)
