"""What the pages for people say is true, as far as a program can tell: commands, examples, links and file names."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

from twisted.trial.unittest import TestCase

from twisted_mail.cli.main import _parser
from twisted_mail.cli.newserver import SYSTEM_CONFIG, NewServer
from twisted_mail.config import load
from twisted_mail.rules.rulesfile import parse_rules
from twisted_mail.smtp.address import Address

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of the README in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


class ReadmeTests(TestCase):
    def test_every_command_is_one(self) -> None:
        commands = re.findall(r"^    (?:\S*/)?mailserver (.*)$", README, re.MULTILINE)
        self.assertGreater(len(commands), 15)
        for command in commands:
            arguments = _parser().parse_args(shlex.split(command, comments=True))
            self.assertTrue(callable(arguments.run), command)

    def test_every_family_of_commands_is_shown(self) -> None:
        for family in ("init", "check", "try", "domain", "account", "alias"):
            self.assertRegex(README, rf"(?m)^    mailserver {family}\b")

    def test_python_that_needs_no_reactor_runs(self) -> None:
        examples = [block for block in blocks("python") if "reactor" not in block]
        [session] = [block for block in examples if "ServerSession" in block]
        exec(compile(session, "README.md", "exec"), {})  # it ends in an assert

    def test_configuration_is_one(self) -> None:
        (text,) = blocks("toml")
        path = Path(self.mktemp())
        path.write_text(text)
        config = load(str(path), check_files=False)
        self.assertEqual("mail.example.org", config.hostname)
        self.assertIn(f"@{config.hostname.partition('.')[2]}", README)

    def test_rules_are_rules(self) -> None:
        [text] = re.findall(r"(?m)^    \[\[rule\]\]\n(?:(?:    .*)?\n)+", README)
        self.assertEqual(3, len(parse_rules(textwrap.dedent(text))))

    def test_files_of_a_new_server_are_where_it_says(self) -> None:
        new = NewServer("example.org", "mail.example.org", Address("alice", "example.org"), SYSTEM_CONFIG, False)
        self.assertIn(f"systemctl enable --now {new.unit}\n", README)
        self.assertIn(f"`{new.config}`", README)
        (text,) = blocks("toml")
        written = [line for line in new.texts()[new.config].splitlines() if line and not line.startswith(("#", "["))]
        self.assertEqual([line for line in text.splitlines() if " = " in line], written)


class LinkTests(TestCase):
    def test_every_link_leads_to_a_file(self) -> None:
        for page in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")):
            for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
                self.assertTrue((page.parent / link).exists(), f"{page.name}: {link}")

    def test_architecture_names_files_that_are_there(self) -> None:
        names = re.findall(r"`([\w./*-]+\.(?:py|toml|txt))`", ARCHITECTURE)
        self.assertGreater(len(names), 40)
        for name in names:
            places = [ROOT, ROOT / "twisted_mail", ROOT / "tests" / "integration"]
            self.assertTrue(any([*place.glob(name)] for place in places), name)

    def test_each_decision_has_a_number_of_its_own(self) -> None:
        numbers = [page.name[:4] for page in (ROOT / "docs" / "decisions").glob("*.md")]
        self.assertEqual(len(set(numbers)), len(numbers), sorted(numbers))
