"""Which events become lines, and how twistd's own observer comes to write them."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    LogBeginner,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    LogPublisher,
    textFileLogObserver,
)
from twisted.trial.unittest import TestCase

from twisted_mail.logline import as_json, as_text
from twisted_mail.records.logfile import SUBSYSTEMS, Levels, LineFormat, Reformatting, subsystem_of


class LineFormatTests(TestCase):
    def setUp(self) -> None:
        self.file = io.StringIO()
        self.format(LineFormat(Levels(), as_text))

    def format(self, line_format: LineFormat) -> None:
        publisher = LogPublisher(FileLogObserver(self.file, line_format))
        self.queue = Logger("twisted_mail.queue.rounds.Rounds", observer=publisher)
        self.smtp = Logger("twisted_mail.protocols.smtp.SMTPServer", observer=publisher)
        self.foreign = Logger("twisted.internet.app", observer=publisher)

    @property
    def text(self) -> str:
        return self.file.getvalue()

    def test_a_line_has_time_level_subsystem_words_and_fields(self) -> None:
        self.queue.info("to <{recipient}>", recipient="b@example.org", id="0198")
        self.assertRegex(
            self.text,
            r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info  queue: to <b@example.org> id=0198\n$",
        )

    def test_the_time_is_that_of_the_event(self) -> None:
        line_format = LineFormat(Levels(), as_text)
        event = {"log_level": LogLevel.info, "log_namespace": "twisted_mail.queue", "log_format": "x"}
        for seconds, shown in ((1.0, "1970-01-01T00:00:01.000Z"), (1.9995, "1970-01-01T00:00:01.999Z")):
            self.assertTrue(line_format({**event, "log_time": seconds}).startswith(f"{shown} info "))
        self.assertTrue(line_format({**event, "log_time": 86400.25}).startswith("1970-01-02T00:00:00.250Z "))

    def test_debug_is_not_written_unless_asked_for_its_subsystem(self) -> None:
        self.queue.debug("hidden")
        self.format(LineFormat(Levels("warn", {"queue": "debug"}), as_text))
        self.queue.debug("shown")
        self.smtp.info("hidden")
        self.smtp.error("also shown")
        self.assertEqual(["shown", "also shown"], [line.split(": ")[1] for line in self.text.splitlines()])

    def test_a_failure_brings_its_traceback(self) -> None:
        try:
            raise ValueError("broken")
        except ValueError:
            self.smtp.failure("our fault", session="ab12")
        first, *rest = self.text.splitlines()
        self.assertTrue(first.endswith(" critical smtp: our fault session=ab12"), first)
        self.assertIn("\tbuiltins.ValueError: broken", rest)

    def test_words_of_other_programs_are_left_as_they_are(self) -> None:
        self.foreign.info("Starting {what!r}", what="x", log_text="ignored")
        self.assertTrue(self.text.endswith(" info  twisted: Starting 'x'\n"), self.text)

    def test_a_format_that_does_not_fit_is_still_a_line(self) -> None:
        self.smtp.info("{missing}", other=1)
        self.assertEqual(1, self.text.count("\n"))
        self.assertIn("missing", self.text)

    def test_fields_of_the_process_are_in_each_line(self) -> None:
        self.format(LineFormat(Levels(), as_json, {"worker": 3}))
        self.smtp.info("a")
        self.foreign.info("b")
        self.assertEqual([3, 3], [json.loads(line)["worker"] for line in self.text.splitlines()])

    def test_a_line_that_a_worker_made_goes_through_unchanged(self) -> None:
        self.smtp.info("{finished_line}", finished_line="made before")
        self.assertEqual("made before\n", self.text)

    def test_each_namespace_has_a_subsystem_that_can_be_named(self) -> None:
        for namespace, expected in (
            ("twisted_mail.protocols.smtp.SMTPServer", "smtp"),
            ("twisted_mail.protocols.smtpclient.SMTPClient", "relay"),
            ("twisted_mail.protocols.connection.Connection", "server"),
            ("twisted_mail.delivery.attempt.Attempt", "delivery"),
            ("twisted_mail.serving.Serving", "server"),
            ("twisted.internet", "twisted"),
            ("stdout", "twisted"),
            ("", "twisted"),
        ):
            self.assertEqual(expected, subsystem_of(namespace))
            self.assertIn(expected, SUBSYSTEMS)


class ReformattingTests(TestCase):
    def lines(self, publisher: LogPublisher, make: object) -> list[str]:
        assert callable(make)
        file, errors = io.StringIO(), io.StringIO()
        beginner = LogBeginner(publisher, errors, None, SimpleNamespace(showwarning=None))
        Reformatting(publisher, LineFormat(Levels(), as_text))
        log = Logger("twisted_mail.service", observer=publisher)
        log.info("before", session="ab12")
        beginner.beginLoggingTo([make(file)], redirectStandardIO=False)
        log.info("after", session="ab12")
        return file.getvalue().splitlines()

    def test_all_lines_of_twistd_have_our_format_from_the_first_on(self) -> None:
        lines = self.lines(LogPublisher(), textFileLogObserver)
        self.assertEqual(["before session=ab12", "after session=ab12"], [line.split(": ")[1] for line in lines])

    def test_those_of_twist_too_whose_observer_stands_behind_a_filter(self) -> None:
        def make(file: io.StringIO) -> FilteringLogObserver:
            return FilteringLogObserver(textFileLogObserver(file), [LogLevelFilterPredicate(LogLevel.info)])

        lines = self.lines(LogPublisher(), make)
        self.assertEqual(["before session=ab12", "after session=ab12"], [line.split(": ")[1] for line in lines])
