"""The journal on disk: what is kept of an event, files and their bounds, a disk that fails; and finding it again."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.trial.unittest import TestCase

from twisted_mail.records import journal as module
from twisted_mail.records.background import Background
from twisted_mail.records.journal import Bounds, Journal, files, sweep
from twisted_mail.records.search import between, find, newest
from twisted_mail.smtp.address import parse_address

DAY = 86_400.0
NOW = 1_795_240_000.0


class JournalCase(TestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        self.now = NOW
        self.complaints: list[OSError] = []
        self.journal = self.make("0", Bounds(30 * DAY, 1 << 30))

    def make(self, process: str, bounds: Bounds) -> Journal:
        journal = Journal(self.folder, process, bounds, self.complaints.append, lambda: self.now)
        self.log = Logger("twisted_mail.protocols.smtp", observer=LogPublisher(journal))
        return journal

    def write(self, journal: Journal, count: int = 1, **fields: object) -> None:
        own = {"log_level": LogLevel.info, "log_time": self.now, "log_format": "x"}
        for _ in range(count):
            journal({"event": "queue.done", **fields, **own})
        journal.flush()

    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for path in files(self.folder) for line in Path(path).read_bytes().splitlines()]


class JournalTests(JournalCase):
    def test_an_event_with_a_name_is_kept_with_its_fields(self) -> None:
        address = parse_address("grün@example.org")
        self.log.debug("{id}", event="queue.done", id="0198", sender=address, to=[address], user="", due=None, size=5)
        self.journal.flush()
        [record] = self.records()
        self.assertLess(abs(time.time() - float(str(record.pop("time")))), 60)
        expected = {"event": "queue.done", "id": "0198", "sender": "grün@example.org", "to": ["grün@example.org"]}
        self.assertEqual({**expected, "size": 5}, record)

    def test_other_events_are_not_kept_but_faults_are(self) -> None:
        self.log.info("just words", session="ab12")
        self.log.warn("worse", event="")
        try:
            raise ValueError("broken")
        except ValueError:
            self.log.failure("our fault in {what}", what="this", session="ab12")
        self.journal.flush()
        [record] = self.records()
        self.assertEqual(("fault", "our fault in this", "ab12"), (record["event"], record["text"], record["session"]))
        self.assertIn("ValueError: broken", str(record["error"]))

    def test_an_event_that_the_table_does_not_know_is_kept_with_its_words(self) -> None:
        self.log.info("{what} was new", event="something.new", what="this")
        self.log.info("{missing}", event="something.newer")
        self.journal.flush()
        first, second = self.records()
        self.assertEqual(("something.new", "this was new"), (first["event"], first["text"]))
        self.assertIn("missing", str(second["text"]))

    def test_nothing_is_written_before_the_thread_flushes_and_all_at_the_stop(self) -> None:
        background = Background([self.journal.flush])
        background.start()
        self.log.info("x", event="queue.done")
        background.stop()
        self.journal.close()
        self.assertEqual(1, len(self.records()))

    def test_files_are_for_the_server_alone(self) -> None:
        self.write(self.journal)
        [path] = files(self.folder)
        self.assertEqual(0o600, os.stat(path).st_mode & 0o777)
        self.assertEqual(0o700, os.stat(self.folder).st_mode & 0o777)
        self.assertEqual(f"{int(NOW * 1000)}-0.jsonl", os.path.basename(path))

    def test_a_new_file_begins_when_one_is_full_or_a_day_old(self) -> None:
        journal = self.make("0", Bounds(30 * DAY, 64 * 1024))
        self.write(journal, 200)
        self.now += 1
        self.write(journal)
        self.assertEqual(2, len(files(self.folder)))
        self.now += DAY
        self.write(journal)
        self.assertEqual(3, len(files(self.folder)))

    def test_a_disk_that_fails_is_told_once_and_what_was_lost_is_counted(self) -> None:
        Path(self.folder).write_text("not a folder")
        for _ in range(3):
            self.write(self.journal, 2)
        self.assertEqual(1, len(self.complaints))
        os.unlink(self.folder)
        self.write(self.journal)
        done, lost = self.records()
        self.assertEqual(("queue.done", "journal.lost"), (done["event"], lost["event"]))
        self.assertGreaterEqual(int(str(lost["count"])), 6)

    def test_memory_is_bounded(self) -> None:
        self.patch(module, "MOST_WAITING", 3)
        for _ in range(5):
            self.log.info("x", event="queue.done")
        self.journal.flush()
        self.assertEqual((4, 2), (len(self.records()), self.records()[-1]["count"]))


class SweepTests(JournalCase):
    def put(self, age: float, process: str = "0", size: int = 100) -> str:
        os.makedirs(self.folder, exist_ok=True)
        path = Path(self.folder, f"{int((NOW - age) * 1000):013d}-{process}.jsonl")
        path.write_bytes(b"x" * size)
        os.utime(path, (NOW - age, NOW - age))
        return str(path)

    def test_what_is_too_old_goes(self) -> None:
        old, kept, newest = self.put(31 * DAY), self.put(29 * DAY), self.put(0)
        sweep(self.folder, Bounds(30 * DAY, 1 << 30), NOW)
        self.assertNotIn(old, files(self.folder))
        self.assertEqual([kept, newest], files(self.folder))

    def test_the_oldest_goes_where_it_is_too_much(self) -> None:
        paths = [self.put(age) for age in (4.0, 3.0, 2.0, 1.0)]
        sweep(self.folder, Bounds(30 * DAY, 250), NOW)
        self.assertEqual(paths[2:], files(self.folder))

    def test_the_file_that_a_process_may_be_writing_stays(self) -> None:
        other = self.put(40 * DAY, "1", 1000)
        self.put(39 * DAY)
        mine = self.put(0)
        sweep(self.folder, Bounds(30 * DAY, 10), NOW)
        self.assertEqual([other, mine], files(self.folder))


class SearchTests(JournalCase):
    def setUp(self) -> None:
        super().setUp()
        other = self.make("1", Bounds(30 * DAY, 1 << 30))
        for number in range(6):
            self.now = NOW + number
            journal = other if number % 2 else self.journal
            self.write(journal, number=number, sender=f"Alice{number}@example.org")

    def numbers(self, records: list[dict[str, object]]) -> list[object]:
        return [record["number"] for record in records]

    def test_texts_are_found_in_all_files_in_order_of_time(self) -> None:
        self.assertEqual([1, 2, 5], self.numbers(find(self.folder, "Alice5@", "Alice2@", "Alice1@")))
        self.assertEqual([], find(self.folder, "Bob"))
        self.assertEqual([], find(self.folder, ""))
        self.assertEqual([], find("/nowhere", "Alice"))

    def test_a_text_is_found_as_it_stands_in_json(self) -> None:
        self.write(self.journal, number=7, words='say "hello" \\ grün')
        self.assertEqual([7], self.numbers(find(self.folder, 'say "hello" \\ grün')))

    def test_a_span_of_time(self) -> None:
        self.assertEqual([2, 3], self.numbers(between(self.folder, NOW + 2, NOW + 3.5)))
        self.assertEqual([], between(self.folder, NOW + 100, NOW + 200))

    def test_the_newest_of_several_processes(self) -> None:
        every = lambda record: True  # noqa: E731 (said once)
        self.assertEqual([5, 4, 3], self.numbers(newest(self.folder, every, 3)))
        self.assertEqual([4], self.numbers(newest(self.folder, every, 3, "ALICE4@")))
        self.assertEqual([4, 2], self.numbers(newest(self.folder, lambda r: r["number"] in (0, 2, 4), 2)))

    def test_a_line_that_a_crash_cut_off_is_passed_over(self) -> None:
        with open(files(self.folder)[0], "ab") as file:
            file.write(b'{"time":1795240009.0,"event":"queue.done","sender":"Alice9@exam')
        self.assertEqual([], find(self.folder, "Alice9@"))
        self.assertEqual([5], self.numbers(newest(self.folder, lambda record: True, 1)))
        self.assertEqual(6, len(between(self.folder, NOW - 1, NOW + 20)))
