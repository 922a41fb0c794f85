"""What is learned from where messages lie, whichever program moved them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from twisted.internet.task import Clock
from zope.interface import implementer

from tests.mailbox.disk import MaildirTestCase
from tests.mailbox.junk.corpus import letters
from twisted_mail.interfaces import IVerdicts, MaildropLocked
from twisted_mail.mailbox.junk import moves
from twisted_mail.mailbox.junk.letters import move, newest
from twisted_mail.mailbox.junk.memory import learned_in, opened_memory, path_in
from twisted_mail.mailbox.junk.moves import look
from twisted_mail.mailbox.junk.opinion import Count
from twisted_mail.mailbox.junk.watching import INTERVAL, FolderWatch
from twisted_mail.mailbox.lock import MaildropLock
from twisted_mail.message.evidence import ENOUGH, Evidence, junk_field
from twisted_mail.message.header import return_path
from twisted_mail.smtp.address import Address

AS_JUNK = return_path(None) + junk_field((Evidence(ENOUGH, "it sells things"),))
TEXTS = letters(3, 8, junk=True)


class FoldersTestCase(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        for folder in ("new", "cur", "tmp"):
            os.makedirs(f"{self.path}/.Junk/{folder}")

    def store(self, number: int, *, junk: bool = False) -> str:
        """As it is delivered; where it lies."""
        folder, front = (".Junk/new", AS_JUNK) if junk else ("new", return_path(None))
        return self.put(f"{folder}/170000000{number}.{number:032x}.mx,S=1", front + TEXTS[number])

    def rename(self, source: str, target: str) -> None:
        os.rename(f"{self.path}/{source}", f"{self.path}/{target}")

    def look(self) -> list[bool]:
        """What is new: is it junk?"""
        return [heard.is_junk for heard in look(self.path, time.time())]

    def learned(self) -> tuple[int, int]:
        found = learned_in(self.path).messages
        return found.junk, found.good


class LookTests(FoldersTestCase):
    def test_message_that_is_moved_is_learned_once_and_the_other_way_round_when_it_moves_back(self) -> None:
        name = self.store(1)
        self.assertEqual([], self.look())
        self.rename(name, ".Junk/cur/1700000001.x.mx:2,S")
        self.assertEqual([[True], []], [self.look(), self.look()])
        self.assertEqual((1, 0), self.learned())
        self.rename(".Junk/cur/1700000001.x.mx:2,S", ".Junk/cur/1700000001.x.mx:2,RS")
        self.assertEqual([], self.look())
        self.rename(".Junk/cur/1700000001.x.mx:2,RS", "cur/1700000001.x.mx:2,RS")
        self.assertEqual([[False], []], [self.look(), self.look()])
        self.assertEqual((0, 1), self.learned())

    def test_junk_teaches_when_somebody_moves_it(self) -> None:
        name = self.store(1, junk=True)
        self.assertEqual([], self.look())
        self.rename(name, "cur/1700000001.another-name.mx:2,S")
        self.assertEqual([[False], []], [self.look(), self.look()])
        self.rename("cur/1700000001.another-name.mx:2,S", ".Junk/cur/1700000001.third.mx:2,S")
        self.assertEqual([[True], []], [self.look(), self.look()])
        self.assertEqual((1, 0), self.learned())

    def test_copy_by_another_program_is_the_same_message(self) -> None:
        name = self.store(1, junk=True)
        self.look()
        text = Path(f"{self.path}/{name}").read_bytes()
        self.put("cur/1.other.name:2,S", text.replace(b"\nSubject:", b"\nStatus: RO\nSubject:"))
        os.unlink(f"{self.path}/{name}")
        self.assertEqual([False], self.look())

    def test_what_is_deleted_or_goes_elsewhere_teaches_nothing(self) -> None:
        names = [self.store(number, junk=True) for number in (1, 2)]
        self.store(3)
        self.look()
        os.unlink(f"{self.path}/{names[0]}")
        os.makedirs(f"{self.path}/.Archive/cur")
        self.rename(names[1], ".Archive/cur/x")
        self.assertEqual([], self.look())
        self.assertEqual((0, 0), self.learned())

    def test_verdict_that_the_sender_has_written_counts_nothing(self) -> None:
        self.put(".Junk/new/1.x.mx", TEXTS[1].replace(b"\nFrom:", b"\nX-Junk: yes (5 of 5)\nFrom:"))
        self.assertEqual([True], self.look())

    def test_old_inbox_is_not_read_again(self) -> None:
        name = self.store(1, junk=True)
        self.look()
        with opened_memory(self.path) as memory:
            memory.place({}, [], int(time.time()) + 60)
        other = self.put("new/1.same-text.mx", TEXTS[1])
        os.unlink(f"{self.path}/{name}")
        self.assertEqual([], self.look())
        os.unlink(f"{self.path}/{other}")

    def test_large_folder_teaches_its_newest(self) -> None:
        self.patch(moves, "MAX_LESSONS", 3)
        for number in range(5):
            self.put(f".Junk/cur/170000000{number}.x.mx:2,", TEXTS[number])
        self.assertEqual([True] * 3, self.look())
        self.assertEqual([], self.look())
        self.rename(".Junk/cur/1700000000.x.mx:2,", "cur/1700000000.x.mx:2,")
        self.assertEqual([False], self.look())

    def test_name_in_any_octets_is_known_again(self) -> None:
        self.put(os.fsdecode(b".Junk/cur/1.\xff\xfe.mx"), TEXTS[1])
        self.assertEqual([[True], []], [self.look(), self.look()])

    def test_account_without_junk_has_no_memory(self) -> None:
        shutil.rmtree(f"{self.path}/.Junk")
        self.assertEqual([], self.look())
        self.assertFalse(os.path.exists(path_in(self.path)))


class MoveTests(FoldersTestCase):
    def move(self, name: str, *, to_junk: bool) -> list[bool]:
        return [heard.is_junk for heard in move(self.path, name, to_junk=to_junk, now=time.time())]

    def test_newest_letters_are_told(self) -> None:
        for number in range(3):
            self.store(number, junk=True)
        found = newest(f"{self.path}/.Junk", 2)
        self.assertEqual([1700000002, 1700000001], [each.seconds for each in found])
        self.assertEqual(["+5 it sells things"], found[0].reasons)
        self.assertIn(".example", found[0].author)
        self.assertEqual([], newest(f"{self.path}/.Nothing", 2))

    def test_message_goes_and_comes_back_under_its_name(self) -> None:
        name = os.path.basename(self.store(1, junk=True))
        self.look()
        self.assertEqual([False], self.move(name, to_junk=False))
        self.assertEqual([name], os.listdir(f"{self.path}/new"))
        self.assertEqual([], self.look())  # learned already
        self.rename(f"new/{name}", f"cur/{name}:2,S")
        self.assertEqual([True], self.move(name, to_junk=True))
        self.assertEqual([f"{name}:2,S"], os.listdir(f"{self.path}/.Junk/cur"))
        self.assertEqual([], self.look())
        self.assertEqual((1, 0), self.learned())

    def test_message_that_is_gone_or_a_mailbox_that_is_open_moves_nothing(self) -> None:
        name = os.path.basename(self.store(1, junk=True))
        self.assertRaises(LookupError, self.move, "other", to_junk=False)
        self.assertRaises(LookupError, self.move, f"../new/{name}", to_junk=False)
        lock = MaildropLock(self.path, "somebody")
        self.addCleanup(lock.release)
        self.assertRaises(MaildropLocked, self.move, name, to_junk=False)
        self.assertEqual([name], os.listdir(f"{self.path}/.Junk/new"))


@implementer(IVerdicts)
class Ears:
    def __init__(self) -> None:
        self.heard: list[tuple[Address, bytes, bool]] = []

    def learn(self, account: Address, header: bytes, is_junk: bool) -> None:
        self.heard.append((account, header, is_junk))
        raise OSError("full")


class WatchTests(FoldersTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.root = self.mktemp()
        os.makedirs(f"{self.root}/example.org")
        os.rename(self.path, f"{self.root}/example.org/alice")
        self.path = f"{self.root}/example.org/alice"
        self.clock = Clock()
        self.clock.advance(time.time() + 10)
        self.ears = Ears()
        self.watch = FolderWatch(self.root, self.ears, self.blocking, self.clock)
        self.addCleanup(self.watch.stop)

    def test_moves_are_learned_at_the_start_and_then_each_minute_and_told(self) -> None:
        self.put(".Junk/cur/1.x.mx", TEXTS[1])
        self.watch.start()
        self.assertEqual(1, len(self.flushLoggedErrors(OSError)))  # of the ears, which is no harm
        [(account, header, is_junk)] = self.ears.heard
        self.assertEqual((Address("alice", "example.org"), True), (account, is_junk))
        self.assertTrue(TEXTS[1].startswith(header))
        self.rename(".Junk/cur/1.x.mx", "cur/1.x.mx")
        self.clock.advance(INTERVAL)
        self.flushLoggedErrors(OSError)
        self.assertEqual([True, False], [is_junk for _, _, is_junk in self.ears.heard])
        self.assertEqual(Count(0, 1), learned_in(self.path).messages)

    def test_folder_that_has_not_changed_is_not_looked_at(self) -> None:
        self.watch.start()
        self.clock.advance(INTERVAL)
        hops = self.hops
        self.clock.advance(INTERVAL)
        self.assertEqual(hops + 1, self.hops)

    def test_mailbox_that_cannot_be_looked_at_keeps_no_other_waiting(self) -> None:
        self.put(".Junk/cur/1.x.mx", TEXTS[1])
        os.mkdir(f"{self.root}/example.org/aaron")
        os.symlink(".Junk", f"{self.root}/example.org/aaron/.Junk")
        self.watch.start()
        self.flushLoggedErrors(OSError)
        self.assertEqual(["alice"], [account.local_part for account, _, _ in self.ears.heard])

    def test_mailbox_in_trouble_is_looked_at_again(self) -> None:
        self.put(".Junk/cur/1.x.mx", TEXTS[1])
        os.mkdir(path_in(self.path))
        self.watch.start()
        self.assertEqual(1, len(self.flushLoggedErrors(OSError)))
        os.rmdir(path_in(self.path))
        self.clock.advance(INTERVAL)
        self.flushLoggedErrors(OSError)
        self.assertEqual(1, len(self.ears.heard))
