"""What a user does at the page of junk."""

from __future__ import annotations

import os

from tests.mailbox.junk.corpus import letters
from tests.web.visitor import ALICE, BOB, VisitorTestCase
from twisted_mail.mailbox.junk.memory import learned_in, opened_memory
from twisted_mail.mailbox.junk.opinion import Count
from twisted_mail.mailbox.junk.words import lesson_of
from twisted_mail.mailbox.layout import make_maildir_of
from twisted_mail.mailbox.lock import MaildropLock
from twisted_mail.message.evidence import ENOUGH, Evidence, junk_field

FRONT = b"Return-Path: <>\n" + junk_field((Evidence(ENOUGH, "it sells <things>"),))
[TEXT] = letters(4, 1, junk=True)
NAME = "1700000001.x.mx"
PAGE = "/account/junk"


class JunkPageTests(VisitorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = f"{self.folder}/example.org/bob"
        self.bob = self.visitor(BOB)

    def store(self, folder: str, text: bytes) -> None:
        make_maildir_of(f"{self.path}/{folder}/x")
        with open(f"{self.path}/{folder}/{NAME}", "xb") as file:
            file.write(text)

    def test_without_mail_there_is_nothing(self) -> None:
        text = self.bob.get(PAGE).text
        self.assertIn("There is no junk.", text)
        self.assertIn("There is no mail.", text)
        self.assertIn("bob@example.org%junk", text)

    def test_junk_says_why_and_goes_to_the_inbox(self) -> None:
        self.store(".Junk/new", FRONT + TEXT)
        text = self.bob.get(PAGE).text
        self.assertIn("+5 it sells &lt;things&gt;", text)
        self.assertIn("2023-11-14 22:13:21", text)
        self.assertIn("It is in your inbox now", self.bob.do(PAGE, "is-good", name=NAME))
        self.assertEqual([NAME], os.listdir(f"{self.path}/new"))
        self.assertEqual(Count(0, 1), learned_in(self.path).messages)
        self.assertIn("So far: 0 messages as junk, 1 as good.", self.bob.get(PAGE).text)

    def test_mail_goes_to_the_junk(self) -> None:
        self.store("new", TEXT)
        self.assertIn("It lies with the junk now", self.bob.do(PAGE, "is-junk", name=NAME))
        self.assertEqual([NAME], os.listdir(f"{self.path}/.Junk/new"))
        self.assertEqual(Count(1, 0), learned_in(self.path).messages)

    def test_all_of_the_inbox_is_good_mail_unless_it_was_said_to_be_junk(self) -> None:
        self.assertIn("learned 0 messages", self.bob.do(PAGE, "inbox-is-good"))
        for number, text in enumerate(letters(5, 3, junk=False)):
            make_maildir_of(f"{self.path}/new/x")
            with open(f"{self.path}/new/{number}.x.mx", "xb") as file:
                file.write(text)
        with opened_memory(self.path) as memory:
            memory.learn(lesson_of(letters(5, 3, junk=False)[0]), True, 0.0)
        self.assertIn("learned 2 messages", self.bob.do(PAGE, "inbox-is-good"))
        self.assertIn("learned 0 messages", self.bob.do(PAGE, "inbox-is-good"))
        self.assertEqual(Count(1, 2), learned_in(self.path).messages)

    def test_what_cannot_be_moved_is_told(self) -> None:
        self.store(".Junk/new", FRONT + TEXT)
        self.assertIn("not there any more", self.bob.do(PAGE, "is-junk", name=NAME))
        lock = MaildropLock(self.path, "somebody")
        self.addCleanup(lock.release)
        self.assertIn("has the mailbox open", self.bob.do(PAGE, "is-good", name=NAME))
        self.assertEqual("", self.bob.do(PAGE, "other", name=NAME))

    def test_nobody_sees_the_junk_of_others(self) -> None:
        self.store(".Junk/new", FRONT + TEXT)
        self.assertIn("There is no junk.", self.visitor(ALICE).get(PAGE).text)
        self.assertEqual(303, self.visitor().get(PAGE).status)
