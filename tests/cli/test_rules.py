"""`mailserver account rules`, on files as people have them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.test_main import CommandCase

RULES = """[[rule]]
name = "shop"
when = { envelope = "to", part = "detail", is = "shop" }
folder = "Shops.All"
copy = true
reply = "Thank you."

[[rule]]
name = "no junk"
when = { junk = true }
discard = true
"""
SIEVE = """require ["fileinto"];
if header :contains "subject" "invoice" {
    fileinto "Work";
}
"""


class RulesTests(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.add_alice()
        self.maildir = Path(self.folder, "maildirs", "example.org", "alice")

    def file(self, name: str, text: str) -> str:
        path = Path(self.folder, name)
        path.write_text(text)
        return str(path)

    def rules(self, *arguments: str, stdin: str = "") -> str:
        return self.succeed("account", "rules", "alice@example.org", *arguments, stdin=stdin)

    def test_rules_are_set_shown_and_removed(self) -> None:
        self.assertIn("no rules", self.rules())
        self.assertIn("rules: 2, from now on", self.rules("--set", "-", stdin=RULES))
        self.assertEqual(RULES, self.rules())
        self.assertTrue((self.maildir / ".Shops.All" / "cur").is_dir())
        self.assertIn("no rules", self.rules("--off"))
        self.assertIn("no rules", self.rules("--off"))
        self.assertEqual("alice@example.org: no rules\n", self.rules())
        self.assertTrue((self.maildir / ".Shops.All" / "cur").is_dir())

    def test_what_is_wrong_is_said_and_nothing_is_changed(self) -> None:
        self.rules("--set", "-", stdin=RULES)
        broken = self.file("rules.toml", f"{RULES}[[rule]]\nfoldre = 'x'\n")
        for option in ("--set", "--check"):
            self.fail_with(
                f"{broken}, line 13, rule 3, foldre: unknown key; write folder",
                *("account", "rules", "alice@example.org", option, broken),
            )
        self.assertEqual(RULES, self.rules())
        for text, problem in (
            ('[[rule]]\nforward = "Alice+x@example.org"', "alice@example.org would get it again"),
            ('[[rule]]\nreply = { text = "x", from = "eve@example.org" }', "is no address of alice@example.org"),
        ):
            self.fail_with(problem, "account", "rules", "alice@example.org", "--check", "-", stdin=text)
        self.fail_with("cannot be read", "account", "rules", "alice@example.org", "--set", f"{self.folder}/none")
        self.fail_with("there is no account", "account", "rules", "bob@example.org")

    def test_script_is_taken_over_and_shown(self) -> None:
        script = self.file("old.sieve", SIEVE)
        self.assertIn("nothing is wrong", self.rules("--check", script))
        self.assertIn("no rules", self.rules())
        shown = self.rules("--import", script)
        self.assertIn('when = { header = "subject", contains = "invoice" }\nfolder = "Work"\n', shown)
        self.assertIn('folder = "Work"', self.rules())
        bad = self.file("bad.sieve", f'{SIEVE}\nreject "no";\n')
        self.fail_with(
            f"{bad}, line 6: reject is not supported here", "account", "rules", "alice@example.org", "--import", bad
        )

    def test_message_is_tested(self) -> None:
        self.rules("--set", "-", stdin=RULES)
        plain = self.file("a.eml", "Return-Path: <bob@else.example>\nSubject: x\n\nx\n")
        self.assertEqual("rules that apply: none\nkept in the inbox\n", self.rules("--test", plain))
        tested = self.rules("--test", plain, "--to", "alice+shop@example.org")
        self.assertIn("rules that apply: shop\nput into Shops.All\nkept in the inbox\nthe sender would be", tested)
        self.assertTrue(tested.endswith("\nThank you.\n"))
        junk = self.file("b.eml", "X-Junk: yes (9 of 5);\r\n +9 x\r\nSubject: x\r\n\r\nx\r\n")
        self.assertEqual("rules that apply: no junk\nthrown away\n", self.rules("--test", junk))

    def test_rules_that_were_broken_later_are_said_to_be(self) -> None:
        self.rules("--set", "-", stdin=RULES)
        os.truncate(self.maildir / "twisted-mail.rules", 20)
        plain = self.file("a.eml", "Subject: x\n\nx\n")
        self.fail_with("all mail is kept in the inbox", "account", "rules", "alice@example.org", "--test", plain)
