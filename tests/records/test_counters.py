"""What is counted of which event, and the sum over the processes of a server."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.logger import Logger, LogPublisher
from twisted.trial.unittest import TestCase

from twisted_mail.records.counters import COUNTED, Counters, Numbers, forget, total
from twisted_mail.records.live import MINUTES, LastDay


class CountersCase(TestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        self.counters = Counters(self.folder, "0")
        self.log = Logger("twisted_mail.queue.rounds", observer=LogPublisher(self.counters))

    def happens(self, name: str, **fields: object) -> None:
        self.log.info("x", event=name, **{"service": "smtp", **fields})

    def counted(self, counters: Counters | None = None) -> dict[tuple[str, ...], float]:
        return dict((counters or self.counters).numbers.counts)


class CountersTests(CountersCase):
    def test_each_event_adds_what_the_table_says(self) -> None:
        refusals = ("refusals_total", "smtp")
        for name, fields, *expected in (
            (
                "message.refused",
                {"stage": "RCPT", "reply": "550 5.1.1 nobody"},
                (*refusals, "RCPT", "5.1.1"),
            ),
            (
                "command.refused",
                {"command": "MAIL FROM:<a", "reply": "501 5.1.7 no"},
                (*refusals, "MAIL", "5.1.7"),
            ),
            ("command.refused", {"command": "x", "reply": "500 what"}, (*refusals, "other", "500")),
            ("command.refused", {"service": "pop3", "command": "X", "reply": "-ERR what"}),
            ("login.accepted", {"service": "pop3s"}, ("logins_total", "pop3s", "accepted")),
            ("login.refused", {}, ("logins_total", "smtp", "refused")),
            ("connection.refused", {}, ("connections_refused_total", "smtp")),
            ("message.stored", {"mailboxes": ["a"]}, ("stored_total",)),
            ("message.filtered", {"filter": "x", "action": "refused"}, ("filtered_total", "x", "refused")),
            ("message.checked", {"action": "greylist"}, ("checked_total", "greylist")),
            ("filter.failed", {"filter": "x"}, ("filter_failures_total", "x")),
            ("message.queued", {}, ("queued_total",)),
            ("messages.deleted", {"count": 1}, ("pop3_deleted_total",)),
            ("attempt.ended", {"state": "waiting", "seconds": 1.0}, ("attempts_total", "waiting")),
            ("report.sent", {}, ("reports_total", "sent")),
            ("report.failed", {}, ("reports_total", "failed")),
            ("worker.ended", {}, ("worker_restarts_total",)),
            ("something.else", {}),
        ):
            self.counters.numbers = Numbers()
            self.happens(name, **fields)
            wanted = {(f"mailserver_{key[0]}", *key[1:]): 1.0 for key in expected}
            self.assertEqual(wanted, self.counted(), name)

    def test_a_message_has_octets_and_a_time(self) -> None:
        for seconds in (0.004, 0.2, 100.0):
            self.happens("message.accepted", size=10, seconds=seconds)
        self.assertEqual(3, self.counters.numbers.total("mailserver_messages_total", "accepted"))
        self.assertEqual(30, self.counters.numbers.total("mailserver_message_octets_total"))
        [histogram] = self.counters.numbers.histograms.values()
        self.assertEqual((3, 100.204), (sum(histogram[:-1]), round(histogram[-1], 6)))
        self.assertEqual([2, 7, 14], [index for index, count in enumerate(histogram[:-1]) if count])

    def test_a_message_that_is_refused_whole_is_ours_or_the_clients(self) -> None:
        self.happens("message.refused", stage="DATA", reply="552 5.3.4 too large")
        self.happens("message.refused", stage="DATA", reply="452 4.3.1 disk full")
        numbers = self.counters.numbers
        for outcome in ("refused", "failed"):
            self.assertEqual(1, numbers.total("mailserver_messages_total", outcome))
        self.happens("message.refused", stage="DATA", reply="451 4.7.1 come again")
        self.assertEqual(2, numbers.total("mailserver_messages_total", "refused"))

    def test_top_is_no_octets(self) -> None:
        self.happens("message.retrieved", count=3, octets=100, lines=None)
        self.happens("message.retrieved", count=1, octets=100, lines=0)
        self.assertEqual(4, self.counters.numbers.total("mailserver_pop3_retrieved_total"))
        self.assertEqual(100, self.counters.numbers.total("mailserver_pop3_octets_total"))

    def test_faults_are_counted_by_subsystem(self) -> None:
        self.log.error("broken")
        self.log.warn("not so bad")
        self.assertEqual({("mailserver_faults_total", "queue"): 1.0}, self.counted())

    def test_an_event_without_the_usual_fields_does_no_harm(self) -> None:
        self.log.info("x", event="login.accepted")
        self.assertEqual({("mailserver_logins_total", "", "accepted"): 1.0}, self.counted())

    def test_every_metric_has_a_help_and_a_good_name(self) -> None:
        for metric in COUNTED:
            self.assertRegex(metric.name, "^mailserver_[a-z0-9_]+_(total|seconds)$")
            self.assertTrue(metric.help.endswith("."), metric.name)


class FileTests(CountersCase):
    def test_the_numbers_of_all_processes_are_added_up(self) -> None:
        other = Counters(self.folder, "1")
        for counters in (self.counters, other):
            log = Logger("twisted_mail.x", observer=LogPublisher(counters))
            log.info("x", event="message.accepted", service="smtp", size=5, seconds=0.01)
            counters.write()
        numbers = total(self.folder)
        self.assertEqual(10, numbers.total("mailserver_message_octets_total"))
        self.assertEqual([2.0], [sum(value[:-1]) for value in numbers.histograms.values()])

    def test_the_numbers_of_an_earlier_run_are_forgotten(self) -> None:
        self.happens("login.accepted")
        self.counters.write()
        self.assertEqual(1, total(self.folder).total("mailserver_logins_total"))
        forget(self.folder)
        self.assertEqual(0, total(self.folder).total("mailserver_logins_total"))

    def test_a_file_that_cannot_be_read_counts_for_nothing(self) -> None:
        self.happens("login.accepted")
        self.counters.write()
        for text in (b"", b"{", b"[]", b'{"counts": [["a", "b"]], "histograms": []}'):
            Path(self.folder, "numbers-7.json").write_bytes(text)
            self.assertEqual(1, total(self.folder).total("mailserver_logins_total"))

    def test_nothing_is_written_where_nothing_is_new(self) -> None:
        self.happens("login.accepted")
        self.counters.write()
        forget(self.folder)
        self.counters.write()
        self.assertEqual([], os.listdir(self.folder))


class LastDayTests(CountersCase):
    def sample(self, day: LastDay, minute: int, queue: int = 0) -> None:
        day.sample(60.0 * minute, Numbers.decode(self.counters.numbers.encode()), queue)

    def test_a_minute_has_what_happened_in_it(self) -> None:
        day = LastDay()
        self.happens("login.accepted")
        self.sample(day, 0)
        self.assertEqual([], day.minutes)
        self.happens("login.accepted")
        self.happens("login.refused")
        for seconds in (0.1, 0.3):
            self.happens("message.accepted", size=5, seconds=seconds)
        self.happens("message.refused", stage="DATA", reply="552 5.3.4 too large")
        self.happens("attempt.ended", state="relayed", seconds=2.0)
        self.sample(day, 1, queue=7)
        self.sample(day, 2)
        first, second = day.minutes
        self.assertEqual((60.0, 2, 1, 1), (first.time, first.received, first.sent, first.refused))
        self.assertEqual((1, 1, 0, 7), (first.logins, first.failed_logins, first.retrieved, first.queue))
        self.assertEqual((0.2, None), (round(first.latency or 0.0, 6), second.latency))
        self.assertEqual((0, 0, 0), (second.received, second.logins, second.queue))

    def test_only_a_day_is_kept(self) -> None:
        day = LastDay()
        for minute in range(MINUTES + 10):
            self.sample(day, minute)
        self.assertEqual((MINUTES, 10 * 60.0), (len(day.minutes), day.minutes[0].time))
