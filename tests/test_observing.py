"""How the lines of the log look where nobody says: text for people, JSON for systemd's journal."""

from __future__ import annotations

import os

from twisted.logger import LogPublisher
from twisted.trial.unittest import TestCase

from twisted_mail import observing
from twisted_mail.config import Config, Log, demo_config
from twisted_mail.observing import format_log, is_systemd_journal


class FormatTests(TestCase):
    def setUp(self) -> None:
        self.patch(observing, "globalLogPublisher", LogPublisher())
        self.patch(os, "environ", {})

    def chosen(self, log: Log | None = None, program: object = None) -> str:
        config = Config(hostname="mail.example.org", log=log or Log())
        return format_log(config, program).log.format

    def test_text_on_a_terminal_and_in_files(self) -> None:
        self.assertEqual("text", self.chosen())
        self.assertEqual("text", format_log(demo_config(), {}).log.format)

    def test_json_where_the_journal_of_systemd_takes_it(self) -> None:
        status = os.fstat(1)
        os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
        self.assertTrue(is_systemd_journal(os.environ))
        self.assertEqual("json", self.chosen())
        os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino + 1}"  # redirected since
        self.assertEqual("text", self.chosen())

    def test_what_twist_was_told_comes_before_that(self) -> None:
        self.assertEqual("json", self.chosen(program={"logFormat": "json"}))

    def test_what_the_configuration_says_comes_first(self) -> None:
        self.assertEqual("text", self.chosen(Log(format="text"), {"logFormat": "json"}))
        self.assertEqual("json", self.chosen(Log(format="json")))
