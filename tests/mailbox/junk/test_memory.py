"""What is learned, once, and unlearned."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.mailbox.junk.corpus import letters
from twisted_mail.mailbox.junk import memory
from twisted_mail.mailbox.junk.memory import Memory, learned_in, opened_memory, path_in, size_of
from twisted_mail.mailbox.junk.opinion import Count, evidence_of, opinion_of
from twisted_mail.mailbox.junk.words import Lesson, lesson_of, words_of

NOW = 1_800_000_000.0
WORDS = st.frozensets(st.sampled_from("abcdefgh"), max_size=8)


def lesson(name: str, *words: str) -> Lesson:
    return Lesson(name.encode(), frozenset(words), b"")


class MemoryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        os.makedirs(self.path)

    def open(self) -> Memory:
        opening = opened_memory(self.path)
        self.addCleanup(opening.__exit__, None, None, None)
        return opening.__enter__()

    def content(self) -> Mapping[str, Sequence[object]]:
        connection = sqlite3.connect(path_in(self.path))
        try:
            words = connection.execute("SELECT word, junk, good FROM word ORDER BY word").fetchall()
            facts = connection.execute("SELECT name, value FROM fact WHERE value > 0 AND name <> 'since'").fetchall()
            return {
                "words": words,
                "facts": facts,
                "verdicts": connection.execute("SELECT message, is_junk FROM verdict").fetchall(),
            }
        finally:
            connection.close()

    def test_a_message_is_learned_once(self) -> None:
        memory = self.open()
        self.assertTrue(memory.learn(lesson("1", "pills", "the"), True, NOW))
        self.assertFalse(memory.learn(lesson("1", "pills", "the"), True, NOW))
        self.assertTrue(memory.learn(lesson("2", "the"), False, NOW))
        self.assertEqual({"pills": Count(1, 0), "the": Count(1, 1)}, memory.counts(["pills", "the", "unknown"]))
        self.assertEqual(Count(1, 1), memory.messages())

    def test_the_last_word_counts(self) -> None:
        memory = self.open()
        memory.learn(lesson("1", "pills"), True, NOW)
        self.assertTrue(memory.learn(lesson("1", "pills"), False, NOW))
        self.assertEqual({"pills": Count(0, 1)}, memory.counts(["pills"]))
        self.assertEqual(Count(0, 1), memory.messages())

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12), st.lists(WORDS, min_size=4, max_size=4))
    def test_what_was_taken_back_leaves_no_trace(
        self, said: list[tuple[int, bool]], words: list[frozenset[str]]
    ) -> None:
        """Whatever was said before of a message: what is learned is as if only the last word had ever been said."""
        contents = []
        for lessons in (said, list(dict(said).items())):
            self.setUp()
            with opened_memory(self.path) as memory:
                for number, is_junk in lessons:
                    memory.learn(Lesson(b"%d" % number, words[number], b""), is_junk, NOW)
                memory.messages()
                contents.append(self.content())
        self.assertEqual(*contents)

    def test_all_is_forgotten_but_where_messages_are(self) -> None:
        memory = self.open()
        memory.learn(lesson("1", "pills"), True, NOW)
        memory.place({"name": b"1"}, [], 7)
        memory.forget()
        self.assertEqual(
            (Count(0, 0), {}, {"name": b"1"}, 7),
            (memory.messages(), memory.counts(["pills"]), memory.places(), memory.looked()),
        )
        self.assertIsNone(learned_in(self.path).since)

    def test_words_of_long_ago_go_when_there_are_too_many(self) -> None:
        self.patch(memory, "MAX_WORDS", 100)
        self.patch(memory, "MAX_VERDICTS", 30)
        opened = self.open()
        for number in range(memory._ROUND):
            words = ["always", *(f"{number}-{each}" for each in range(4))]
            opened.learn(lesson(str(number), *words), True, NOW + number * memory.DAY)
        self.assertEqual(90, opened.learned().words)
        self.assertEqual({"always": Count(64, 0), "63-0": Count(1, 0)}, opened.counts(["always", "63-0", "0-0"]))
        self.assertEqual((None, True), (opened.verdict(b"0"), opened.verdict(b"63")))

    def test_nothing_is_made_by_asking(self) -> None:
        self.assertEqual(Count(0, 0), learned_in(self.path).messages)
        self.assertEqual(([], 0), (os.listdir(self.path), size_of(self.path)))

    def test_broken_file_is_told(self) -> None:
        with open(path_in(self.path), "wb") as file:
            file.write(b"no database" * 1000)
        self.assertRaises(OSError, learned_in, self.path)

    def test_letters_like_those_that_were_learned_are_told_apart(self) -> None:
        """The figure: of 200 letters that it has not seen, at most 2 good ones are junk, and 190 of the junk is."""
        opened = self.open()
        for is_junk in (True, False):
            for octets in letters(1, 40, junk=is_junk):
                opened.learn(lesson_of(octets), is_junk, NOW)
        points = {
            is_junk: [self.points(opened, octets) for octets in letters(2, 200, junk=is_junk)]
            for is_junk in (True, False)
        }
        caught, wrong = (sum(each >= 5.0 for each in points[is_junk]) for is_junk in (True, False))
        self.assertGreaterEqual(caught, 190)
        self.assertLessEqual(wrong, 2)

    def points(self, memory: Memory, octets: bytes) -> float:
        evidence = evidence_of(opinion_of(memory.counts(words_of(octets)), memory.messages()), "alice")
        return evidence.points if evidence else 0.0
