"""The intake: each message once, its unique-id, date and flags kept, whatever was interrupted before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from twisted.trial.unittest import TestCase

from twisted_mail.mailbox import maildir
from twisted_mail.moving import intake, record
from twisted_mail.moving.intake import Intake, nobody_else
from twisted_mail.moving.letter import Letter, MovingError, arrival_of


class Letters:
    """A source that gives what it was told."""

    total = None

    def __init__(self, *letters: Letter, name: str = "/old/alice") -> None:
        self.name = name
        self.problems: list[str] = []
        self.read = 0
        self._letters = letters

    def letters(self, is_wanted: Callable[[str], bool]) -> Iterator[Letter]:
        for letter in self._letters:
            if letter.uid is None or is_wanted(letter.uid):
                self.read += 1
                yield letter


def letter(number: int, **more: object) -> Letter:
    return Letter(b"Subject: %d\r\n\r\nx" % number, **more)  # type: ignore[arg-type]


class IntakeTests(TestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()

    def take(self, source: Letters) -> tuple[int, int, int]:
        """Taken, earlier, without unique-id."""
        advanced = []
        self.intake = Intake(self.path, "mx.example", nobody_else)
        self.intake.take(source, advanced.append)
        count = self.intake.count
        self.assertEqual(count.taken + count.earlier, sum(advanced))
        return count.taken, count.earlier, count.without_uid

    def uids(self) -> list[str]:
        return maildir.unique_ids(maildir.scan(self.path))

    def test_old_unique_ids_are_kept_in_the_order_of_arrival(self) -> None:
        uids = ["0000012a5f3b2c1d", "a/b", ".", "x,y:z", "~" * 70, "1600000000.M1P2.host", "9999999999999"]
        letters = [letter(n, uid=uid, seconds=1600000000 + n) for n, uid in enumerate(uids)]
        letters[5] = letter(5, uid=uids[5], seconds=1600000000)
        self.assertEqual((7, 0, 0), self.take(Letters(*letters)))
        self.assertEqual({*uids}, {*self.uids()})
        self.assertEqual([uid for uid in uids if "host" not in uid], [uid for uid in self.uids() if "host" not in uid])
        self.assertEqual([], os.listdir(f"{self.path}/tmp"))

    def test_octets_sizes_dates_and_flags(self) -> None:
        self.take(
            Letters(
                letter(1, uid="a", seconds=1500000000.5),
                letter(2, uid="b", seconds=1500000001, flags="RS", is_new=False),
                letter(3, uid="c", is_new=False),
            )
        )
        c, a, b = maildir.scan(self.path)
        self.assertRegex(a, r"^new/1500000000\.[0-9a-f]{32}\.mx\.example,S=14,W=17,UIDL=YQ$")
        self.assertRegex(b, r"^cur/1500000001\.[^:]*:2,RS$")
        self.assertRegex(c, r"^cur/0\.[^:]*:2,$")
        self.assertEqual(b"Subject: 1\n\nx\n", Path(self.path, a).read_bytes())
        self.assertEqual(1500000000.5, os.stat(f"{self.path}/{a}").st_mtime)
        self.assertGreater(os.stat(f"{self.path}/{c}").st_mtime, 1700000000)
        self.assertEqual(0o600, os.stat(f"{self.path}/{a}").st_mode & 0o777)

    def test_second_run_takes_what_is_new_and_reads_nothing_again(self) -> None:
        first = [letter(n, uid=f"u{n}") for n in range(5)]
        self.take(Letters(*first))
        again = Letters(*first, letter(6, uid="u6"))
        self.assertEqual((1, 5, 0), self.take(again))
        self.assertEqual(1, again.read)

    def test_what_was_deleted_since_does_not_come_back(self) -> None:
        letters = [letter(n, uid=f"u{n}" if n % 2 else None) for n in range(4)]
        self.assertEqual((4, 0, 2), self.take(Letters(*letters)))
        for path in maildir.scan(self.path):
            os.unlink(f"{self.path}/{path}")
        self.assertEqual((0, 4, 0), self.take(Letters(*letters)))
        self.assertEqual([], self.uids())

    def test_messages_without_unique_id_are_told_apart_by_their_octets(self) -> None:
        letters = [letter(1), letter(2), letter(1)]
        self.assertEqual((3, 0, 3), self.take(Letters(*letters)))
        self.assertEqual((1, 3, 1), self.take(Letters(*letters, letter(1))))
        self.assertEqual(4, len(set(self.uids())))

    def test_second_message_of_one_unique_id_gets_another(self) -> None:
        letters = [letter(1, uid="a"), letter(2, uid="a")]
        for result in ((2, 0, 1), (0, 2, 0)):
            self.assertEqual(result, self.take(Letters(*letters)))
        self.assertEqual(2, len(set(self.uids())))
        self.assertIn("a", self.uids())

    def test_unique_ids_of_another_mailbox_may_be_the_same_by_chance(self) -> None:
        self.take(Letters(letter(1, uid="1"), letter(2, uid="2")))
        other = [letter(2, uid="2"), letter(3, uid="1"), letter(4, uid="3")]
        for result in ((2, 1, 1), (0, 3, 0)):
            self.assertEqual(result, self.take(Letters(*other, name="pop3s://b@old:995")))
        self.assertEqual(4, len(self.uids()))
        self.assertLessEqual({"1", "2", "3"}, {*self.uids()})

    def test_batch_that_a_crash_cut_off_is_found_in_the_maildir(self) -> None:
        letters = [letter(1, uid="a"), letter(2)]
        self.take(Letters(*letters))
        os.unlink(f"{self.path}/{record.FILE_NAME}")
        self.assertEqual((0, 2, 0), self.take(Letters(*letters)))

    def test_more_than_a_batch_and_large_messages(self) -> None:
        self.patch(intake, "BATCH", 3)
        self.patch(intake, "BATCH_SIZE", 50_000)
        letters = [Letter(b"Subject: x\n\n" + b"x" * (n % 4) * 20_000, uid=str(n)) for n in range(20)]
        self.assertEqual((20, 0, 0), self.take(Letters(*letters)))
        self.assertEqual({str(n) for n in range(20)}, {*self.uids()})

    def test_what_the_disk_refuses_is_taken_the_next_time(self) -> None:
        letters = [letter(n, uid=str(n)) for n in range(3)]
        self.take(Letters())
        os.rmdir(f"{self.path}/cur")
        Path(self.path, "cur").write_bytes(b"")
        broken = Letters(*letters, letter(4, uid="4", is_new=False))
        self.assertRaises(OSError, self.take, broken)
        self.assertEqual((3, 0), (self.intake.count.taken, self.intake.count.earlier))
        os.unlink(f"{self.path}/cur")
        self.assertEqual((1, 3, 0), self.take(broken))

    def test_interrupted_batch_leaves_nothing_and_comes_the_next_time(self) -> None:
        real, calls = os.utime, []

        def utime(*arguments: object) -> None:
            calls.append(real(*arguments))  # type: ignore[func-returns-value, arg-type]
            if len(calls) == 2:
                raise KeyboardInterrupt

        dated = [letter(n, uid=str(n), seconds=1500000000) for n in range(3)]
        self.patch(os, "utime", utime)
        self.assertRaises(KeyboardInterrupt, self.take, Letters(*dated))
        self.assertEqual([[], [], []], [os.listdir(f"{self.path}/{name}") for name in ("tmp", "new", "cur")])
        self.assertEqual((3, 0, 0), self.take(Letters(*dated)))

    def test_one_import_at_a_time(self) -> None:
        self.take(Letters())
        descriptor = record.open_record(self.path)
        self.assertRaisesRegex(MovingError, "under way", self.take, Letters())
        os.close(descriptor)
        self.take(Letters())


class ArrivalTests(TestCase):
    def test_topmost_received_counts_then_date(self) -> None:
        received = (
            b"Received: from a by b; Sat, 21 Nov\n 2026 06:09:41 +0000\nReceived: x; Mon, 1 Jan 2001 00:00:00 +0000\n"
        )
        date = b"Date: Fri, 06 Mar 2015 12:22:33 +0100 (CET)\n"
        for header, seconds in (
            (received + date, 1795241381),
            (date, 1425640953),
            (b"Received: nothing\n" + date, 1425640953),
            (b"Received: x; yesterday\n" + date, 1425640953),
            (b"Date: Thu, 1 Jan 99999 00:00:00 +0000\n", None),
            (b"Subject: x\n", None),
        ):
            self.assertEqual(seconds, arrival_of(header + b"\nDate: Mon, 1 Jan 2001 00:00:00 +0000\n"), header)
