"""Maildirs as sources: of ours, of Dovecot and Courier, in use meanwhile."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from pathlib import Path

from twisted.trial.unittest import TestCase

from twisted_mail.moving.letter import Letter
from twisted_mail.moving.maildirs import MaildirSource
from twisted_mail.moving.uidlists import COURIER, DOVECOT, DOVECOT_FORMAT

LETTER = b"Subject: x\n\nx\n"


class MaildirSourceTests(TestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.make_folders(self.path)

    def make_folders(self, path: Path) -> None:
        for name in ("new", "cur", "tmp"):
            (path / name).mkdir(parents=True)

    def put(self, relative: str, octets: bytes = LETTER) -> None:
        (self.path / relative).write_bytes(octets)
        os.utime(self.path / relative, (1700000000, 1700000000))

    def letters(self, **options: bool) -> list[Letter]:
        self.source = MaildirSource(str(self.path), dovecot_format=DOVECOT_FORMAT, **options)
        return list(self.source.letters(lambda uid: uid != "unwanted"))

    def test_plain_maildir_has_our_unique_ids(self) -> None:
        self.put("new/1600000000.a.host,S=14")
        self.put("cur/nothing-about-time:2,SRx")
        self.put("cur/unwanted")
        self.assertEqual(
            [
                Letter(LETTER, "nothing-about-time", 1700000000, "RS", False),
                Letter(LETTER, "1600000000.a.host", 1600000000, "", True),
            ],
            self.letters(),
        )
        self.assertEqual(3, self.source.total)

    def test_lists_of_other_servers_count_and_what_is_not_in_them_nobody_knows(self) -> None:
        self.put("cur/1600000000.a.host,S=14:2,S")
        self.put("new/1600000001.b.host")
        for name, text, uid in (
            (COURIER, "/3 25 1275660208\n1600000000.a.host,S=14:2, 1355 7:1275660208:0\n", "UID7-1275660208"),
            (DOVECOT, "3 V1275660208 N2\n1 :1600000000.a.host,S=14:2,\n", "000000014c0907b0"),
        ):
            (self.path / name).write_text(text)
            self.assertEqual([uid, None], [letter.uid for letter in self.letters()])
        (self.path / "twisted-mail.lock").write_text("")
        self.assertEqual(["1600000000.a.host", "1600000001.b.host"], [letter.uid for letter in self.letters()])

    def test_subfolders_come_where_they_are_wanted_and_are_told_where_not(self) -> None:
        self.make_folders(self.path / ".Sent")
        self.make_folders(self.path / ".Trash")
        self.put(".Sent/cur/1600000000.a.host:2,S")
        self.assertEqual([], self.letters())
        self.assertEqual([(".Sent", 1)], self.source.left_out)
        self.assertEqual([Letter(LETTER, None, 1600000000, "S", False)], self.letters(with_folders=True))
        self.assertEqual([], self.source.left_out)

    def test_compressed_files_are_read(self) -> None:
        for number, compress in enumerate((gzip.compress, bz2.compress, lzma.compress)):
            self.put(f"new/160000000{number}.a.host", compress(LETTER))
        self.put("new/1600000009.a.host", gzip.compress(LETTER)[:20])
        self.assertEqual([LETTER] * 3, [letter.octets for letter in self.letters()])
        [problem] = self.source.problems
        self.assertIn("1600000009.a.host: ", problem)

    def test_what_another_program_moves_is_found_and_what_it_deletes_is_no_problem(self) -> None:
        for number in range(3):
            self.put(f"new/160000000{number}.a.host")
        found = MaildirSource(str(self.path)).letters(lambda uid: True)
        next(found)
        (self.path / "new/1600000001.a.host").rename(self.path / "cur/1600000001.a.host:2,S")
        (self.path / "new/1600000002.a.host").unlink()
        self.assertEqual([Letter(LETTER, "1600000001.a.host", 1600000001, "S", False)], list(found))
