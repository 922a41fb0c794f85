"""Addresses that others write to about problems."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import TestCase

from tests.cli.checks.situations import config_of, lines, situation
from twisted_mail.cli.checks.people import check_addresses


class AddressTests(TestCase):
    def test_all_there_is_one_line(self) -> None:
        self.assertEqual(
            ["ok: mail for postmaster and abuse of example.org arrives"], lines(check_addresses(situation()))
        )

    def test_missing_ones_are_told_with_the_command_that_makes_them(self) -> None:
        found = lines(check_addresses(situation(missing=["postmaster@example.org", "abuse@example.org"])))
        self.assertEqual(
            [
                "FAULT: there is no postmaster@example.org, to whom other servers' owners write about problems"
                " -> mailserver alias add postmaster@example.org ACCOUNT@example.org",
                "advice: there is no abuse@example.org, to whom people complain about spam"
                " -> mailserver alias add abuse@example.org ACCOUNT@example.org",
            ],
            found,
        )

    def test_server_without_domains_takes_no_mail(self) -> None:
        self.assertEqual(
            ["FAULT: there is no domain yet, so all mail is refused -> mailserver domain add example.org"],
            lines(check_addresses(replace(situation(), domains=[]))),
        )

    def test_nobody_writes_to_the_postmaster_of_a_trial(self) -> None:
        config = config_of('[listen]\nsmtp = ["tcp:1025:interface=127.0.0.1"]\n')
        self.assertEqual(
            ["ok: the server listens on this machine only, so nobody writes to its postmasters"],
            lines(check_addresses(situation(config, missing=["postmaster@example.org"]))),
        )
