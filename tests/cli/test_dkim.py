"""`mailserver dkim`: keys come with their domain, and follow one another as DNS allows."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

from tests.cli.checks.situations import Table, TableResolver, lines, situation
from tests.cli.test_main import CommandCase
from twisted_mail.cli import dkim
from twisted_mail.cli.checks.signatures import check_signatures
from twisted_mail.config import load
from twisted_mail.policy.dkim.rotation import KEPT


class KeyCase(CommandCase):
    """A server with example.org, and a DNS that is a table."""

    def setUp(self) -> None:
        super().setUp()
        self.table: dict[tuple[str, str], list[str]] = {}
        self.patch(dkim, "Resolver", lambda servers: TableResolver(self.table))
        self.said = self.succeed("domain", "add", "example.org")

    def rows(self) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = json.loads(self.succeed("dkim", "show", "--json"))
        return rows

    def stages(self) -> list[str]:
        return [row["stage"] for row in self.rows()]

    def publish(self) -> None:
        """All that there is, and nothing else."""
        self.table.clear()
        self.table.update({(row["name"], "TXT"): [row["value"]] for row in self.rows()})

    def rotate(self, *arguments: str) -> str:
        return self.succeed("dkim", "rotate", "example.org", *arguments)


class DkimTests(KeyCase):
    def test_domain_comes_with_keys_and_says_their_records(self) -> None:
        rows = self.rows()
        self.assertEqual(["ed25519-sha256", "rsa-sha256"], [row["algorithm"] for row in rows])
        self.assertEqual(["active", "active"], self.stages())
        for row in rows:
            self.assertIn(row["line"], self.said)
            self.assertIn(row["line"], self.succeed("dkim", "show", "example.org"))
            self.assertRegex(row["name"], r"^\d{8}[er]\._domainkey\.example\.org$")
            strings = re.findall(r'"([^"]*)"', row["line"])
            self.assertEqual(row["value"], "".join(strings))
            self.assertLessEqual(max(map(len, strings)), 255)

    def test_keys_lie_closed_in_the_data_directory(self) -> None:
        folder = Path(self.folder, "maildirs", ".server", "keys", "dkim", "example.org")
        self.assertEqual(3, len(list(folder.iterdir())))
        for path in folder.iterdir():
            self.assertEqual(0o600, path.stat().st_mode & 0o777)

    def test_rotation_step_by_step(self) -> None:
        self.publish()
        said = self.rotate()
        self.assertIn("not used yet; publish these records", said)
        self.assertEqual(2, said.count("_domainkey"))
        self.assertEqual(["active", "active", "new", "new"], self.stages())
        again = self.rotate()
        self.assertIn("is not there", again)
        self.assertEqual(2, again.count(" IN TXT "))
        self.assertEqual(["active", "active", "new", "new"], self.stages())
        self.publish()
        self.assertIn("signs with its new keys from now on; leave the old records in DNS until 20", self.rotate())
        self.assertEqual(["old", "old", "active", "active"], self.stages())
        self.assertIn("wait until 20", self.rotate())
        later = time.time() + KEPT + 1
        self.patch(dkim.time, "time", lambda: later)
        said = self.rotate()
        self.assertIn("take these old records out of DNS", said)
        self.assertEqual(2, said.count(" IN TXT "))
        old = {row["name"] for row in self.rows() if row["stage"] == "old"}
        self.table = {key: value for key, value in self.table.items() if key[0] not in old}
        self.assertIn("all is done", self.rotate())
        self.assertEqual(["active", "active"], self.stages())

    def test_record_that_is_wrong_is_said_to_be(self) -> None:
        self.publish()
        self.rotate()
        for row in self.rows():
            if row["stage"] == "new":
                self.table[row["name"], "TXT"] = ["v=DKIM1; k=rsa; p=AAAA"]
        self.assertEqual(2, self.rotate().count("has another text"))
        self.table = {(row["name"], "*"): [] for row in self.rows()}
        self.assertEqual(2, self.rotate().count("cannot be looked up"))

    def test_timer_leaves_young_keys_alone(self) -> None:
        self.assertIn("not old enough", self.rotate("--older-than", "180"))
        self.assertEqual(["active", "active"], self.stages())
        self.fail_with("not a number of days", "dkim", "rotate", "example.org", "--older-than", "half a year")

    def test_domain_from_before_gets_its_first_keys(self) -> None:
        os.unlink(os.path.join(self.folder, "maildirs", ".server", "keys", "dkim", "example.org", "keys.json"))
        self.assertIn("no keys yet; make some: mailserver dkim rotate", self.succeed("dkim", "show"))
        self.assertIn("signs from now on; publish these records", self.rotate())
        self.assertEqual(["active", "active"], self.stages())

    def test_removed_domain_signs_nothing_any_more(self) -> None:
        names = [row["name"] for row in self.rows()]
        said = self.succeed("domain", "remove", "example.org")
        self.assertIn(f"its DKIM keys are deleted; take {' and '.join(names)} out of DNS", said)
        self.assertEqual([], self.rows())
        self.assertEqual(
            [], os.listdir(os.path.join(self.folder, "maildirs", ".server", "keys", "dkim", "example.org"))
        )
        self.assertIn("_domainkey", self.succeed("domain", "add", "example.org"))

    def test_domain_of_somebody_else_is_refused(self) -> None:
        self.fail_with("is not a domain of this server", "dkim", "rotate", "elsewhere.example")
        self.fail_with("is not a domain of this server", "dkim", "show", "elsewhere.example")

    def test_damaged_keys_are_one_line(self) -> None:
        path = Path(self.folder, "maildirs", ".server", "keys", "dkim", "example.org", "keys.json")
        path.write_text("nonsense")
        self.fail_with("is damaged; move it away", "dkim", "show")
        self.fail_with("is damaged; move it away", "dkim", "rotate", "example.org")


class CheckTests(KeyCase):
    def look(self, table: Table) -> list[str]:
        config = load(os.path.join(self.folder, "mailserver.toml"), check_files=False)
        return lines(check_signatures(situation(config, table)))

    def test_keys_in_dns_are_right(self) -> None:
        self.publish()
        self.assertEqual(["ok: DNS has the keys with which example.org signs its mail"], self.look(self.table))

    def test_keys_that_are_not_there_are_a_fault_each_with_its_record(self) -> None:
        found = self.look({})
        expected = [f"key {row['name']}, with which example.org signs its mail -> {row['line']}" for row in self.rows()]
        self.assertEqual([f"FAULT: DNS does not have the {each}" for each in expected], found)

    def test_domain_that_does_not_sign_is_told_how(self) -> None:
        os.unlink(os.path.join(self.folder, "maildirs", ".server", "keys", "dkim", "example.org", "keys.json"))
        self.assertEqual(
            ["advice: mail from example.org is not signed (DKIM) -> mailserver dkim rotate example.org"], self.look({})
        )
