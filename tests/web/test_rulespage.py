"""A user changes the rules at the page."""

from __future__ import annotations

from html import unescape
from pathlib import Path

from tests.web.visitor import BOB, VisitorTestCase

RULES = '[[rule]]\nwhen = { header = "Subject", contains = "<b>" }\nfolder = "Work"\n'
SIEVE = 'require "fileinto";\nif header :is "subject" "x" { fileinto "Lists"; }\n'


class RulesPageTests(VisitorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.bob = self.visitor(BOB)
        self.maildir = Path(self.folder, "example.org", "bob")

    def set(self, do: str, text: str) -> str:
        return self.bob.do("/account/rules", do, text=text.replace("\n", "\r\n"))

    def area(self) -> str:
        return unescape(self.bob.get("/account/rules").text.split("<textarea")[1].split(">", 1)[1].split("</")[0])

    def test_rules_are_written_as_they_were_sent_and_shown(self) -> None:
        self.assertEqual("", self.area().strip())
        self.assertEqual("Your rules are followed from now on: 1.", self.set("rules", RULES))
        self.assertEqual(RULES, self.maildir.joinpath("twisted-mail.rules").read_text())
        self.assertEqual(f"\n{RULES}", self.area())
        self.assertNotIn("<b>", self.bob.get("/account/rules").text)
        self.assertTrue(self.maildir.joinpath(".Work", "new").is_dir())
        self.assertIn("You have no rules", self.set("rules", " \n"))
        self.assertFalse(self.maildir.joinpath("twisted-mail.rules").exists())

    def test_what_is_wrong_stands_above_what_was_written(self) -> None:
        self.set("rules", RULES)
        for do, text, problem in (
            ("rules", f"{RULES}zzz", "Nothing was changed. line 4: not valid TOML"),
            ("rules", f'{RULES}[[rule]]\nforward = "bob@example.org"\n', "bob@example.org would get it again"),
            ("script", "keep;\nkepe;\n", "Nothing was changed. The script, line 2: kepe is a command"),
        ):
            self.bob.get("/account/rules")
            shown = unescape(self.bob.send("/account/rules", do=do, text=text).text)
            self.assertIn(problem, shown)
            self.assertIn(text, shown)
            self.assertIn(RULES, shown)  # in its form, also where the script was wrong
        self.assertEqual(RULES, self.maildir.joinpath("twisted-mail.rules").read_text())

    def test_script_is_taken_over(self) -> None:
        self.assertIn("Your rules are followed from now on: 1.", self.set("script", SIEVE))
        self.assertIn('folder = "Lists"', self.area())

    def test_file_that_cannot_be_read_is_told(self) -> None:
        self.set("rules", RULES)
        self.maildir.joinpath("twisted-mail.rules").write_bytes(b"\xff")
        self.assertIn("is in trouble", self.bob.get("/account/rules").text)
