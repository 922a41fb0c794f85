"""`mailserver check`: what it shows and its exit status (with the real checks: integration/test_check.py)."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_main import CommandCase
from twisted_mail.cli import check
from twisted_mail.cli.checks.finding import Check, Situation, advice, fault, ok

GOOD = Check("good", "", lambda situation: [ok("all is well")])
FAIR = Check("fair", "", lambda situation: [advice("it could be better", "do this\nand that")])
BAD = Check("bad", "", lambda situation: [fault("it is broken", "mend it"), ok("but not all of it")])


class CheckTests(CommandCase):
    def table(self, *checks: Check) -> None:
        self.patch(check, "CHECKS", checks)

    def test_findings_stand_in_the_order_of_the_table_with_what_mends_them(self) -> None:
        self.table(FAIR, GOOD)
        self.assertEqual(
            f"ok      configuration  {self.config} is right\n"
            "advice  fair           it could be better\n"
            "                         do this\n"
            "                         and that\n"
            "ok      good           all is well\n",
            self.succeed("check"),
        )

    def test_fault_is_exit_status_1_and_advice_is_not(self) -> None:
        self.table(GOOD, BAD, FAIR)
        status, output, errors = self.run_command("check")
        self.assertEqual((1, "mailserver: 1 thing matters; see above what mends that\n"), (status, errors))
        self.assertIn("FAULT   bad            it is broken\n                         mend it\n", output)

    def test_json_has_each_finding(self) -> None:
        self.table(FAIR)
        rows = json.loads(self.succeed("check", "--json"))
        self.assertEqual(
            {"check": "fair", "level": "advice", "finding": "it could be better", "remedy": "do this\nand that"},
            rows[1],
        )
        self.table(BAD)
        status, output, _ = self.run_command("check", "--json")
        self.assertEqual((1, "fault"), (status, json.loads(output)[1]["level"]))

    def test_only_those_that_are_named_are_run(self) -> None:
        self.table(GOOD, BAD)
        self.assertNotIn("broken", self.succeed("check", "good"))
        self.fail_with('there is no check "god"; there is good, bad', "check", "god")

    def test_wrong_configuration_is_the_only_finding(self) -> None:
        self.table(GOOD)
        Path(self.config).write_text('[tls]\ncertificate = "gone.pem"\nkey = "gone.pem"\n')
        status, output, _ = self.run_command("check")
        self.assertEqual(1, status)
        self.assertIn("FAULT   configuration  ", output)
        self.assertIn("gone.pem cannot be read (No such file or directory)", output)
        self.assertNotIn("good", output)
        Path(self.config).write_text("[lisen]\n")
        status, output, _ = self.run_command("check", "--json")
        (row,) = json.loads(output)
        self.assertEqual((1, "configuration", "fault"), (status, row["check"], row["level"]))
        self.assertIn('write "listen"', row["finding"])

    def test_what_is_missing_in_the_directory_is_in_the_situation(self) -> None:
        seen: list[Situation] = []
        self.table(Check("see", "", lambda situation: seen.append(situation) or []))
        self.succeed("domain", "add", "example.org")
        self.succeed("account", "add", "abuse@example.org", "--password-stdin", stdin="secret\n")
        self.succeed("check")
        (domain,) = seen[0].domains
        self.assertEqual(("example.org", ["postmaster@example.org"]), (domain.name, domain.missing))

    def test_round_trip_has_an_account_meanwhile_and_says_why_it_has_none(self) -> None:
        seen: list[Situation] = []
        self.table(Check("try", "", lambda situation: seen.append(situation) or []))
        self.succeed("check")
        self.assertIn("mailserver domain add", seen[0].no_trial)
        self.succeed("domain", "add", "example.org")
        self.succeed("check")
        assert seen[1].trial is not None
        self.assertEqual("example.org", seen[1].trial.account.domain)
        self.assertIn("no accounts", self.succeed("account", "list"))
