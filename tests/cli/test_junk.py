"""`mailserver junk`: a filter is taught, asked and told to forget."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.cli.test_main import CommandCase
from tests.mailbox.junk.corpus import letters
from twisted_mail.mailbox.junk.memory import learned_in
from twisted_mail.mailbox.junk.opinion import MINIMUM, Count

ALICE = "alice@example.org"


class JunkTests(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.add_alice()
        self.mbox = Path(self.folder, "mbox")
        self.mbox.write_bytes(
            b"".join(b"From x Sat Nov 28 12:00:00 2026\n" + text + b"\n" for text in letters(1, MINIMUM, junk=True))
        )
        self.maildir = Path(self.folder, "old")
        for name in ("new", "cur", "tmp"):
            (self.maildir / name).mkdir(parents=True)
        for number, text in enumerate(letters(1, MINIMUM - 1, junk=False)):
            (self.maildir / f"cur/{number}.x.mx:2,S").write_bytes(text)
        self.file = Path(self.folder, "letter")
        self.file.write_bytes(letters(1, MINIMUM, junk=False)[-1].replace(b"\n", b"\r\n"))

    def shown(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.succeed("junk", "show", ALICE, "--json"))
        return found

    def train(self) -> str:
        return self.succeed(
            *("junk", "train", ALICE, "--junk", str(self.mbox), "--good", str(self.maildir), str(self.file))
        )

    def test_filter_is_taught_by_mboxes_maildirs_and_files_once(self) -> None:
        self.assertEqual(f"{ALICE}: learned 20 messages as junk and 20 messages as good\n", self.train())
        facts = self.shown()
        self.assertEqual((MINIMUM, MINIMUM, True), (facts["junk"], facts["good"], facts["judges"]))
        self.assertRegex(str(facts["since"]), r"^\d{4}-")
        self.assertGreater(int(str(facts["octets"])), 1000)
        self.assertEqual(f"{ALICE}: learned 0 messages as junk and 0 messages as good\n", self.train())
        self.assertEqual(facts, self.shown())

    def test_message_is_tested_and_the_words_are_named(self) -> None:
        self.train()
        [junk], [good] = (letters(7, 1, junk=is_junk) for is_junk in (True, False))
        for text, said in ((junk, f"+5 looks like what {ALICE} calls junk ("), (good, "-3 looks like what")):
            self.file.write_bytes(text)
            lines = self.succeed("junk", "test", ALICE, str(self.file)).splitlines()
            self.assertTrue(lines[0].startswith(said), lines)
            self.assertRegex(lines[1], r"^  \d\.\d{3} \S+$")
        self.file.write_bytes(b"\nword\n")
        self.assertEqual("0 looks like neither (0.500)\n", self.succeed("junk", "test", ALICE, str(self.file)))

    def test_filter_that_knows_too_little_says_what_is_missing(self) -> None:
        self.assertIn("so far 0 as junk and 0 as good", self.succeed("junk", "show", ALICE))
        self.fail_with("20 messages of each kind", "junk", "test", ALICE, str(self.file))
        output = self.succeed("junk", "train", ALICE, "--good", str(self.file))
        self.assertIn("so far 0 as junk and 1 as good", output)

    def test_all_is_forgotten(self) -> None:
        self.succeed("junk", "forget", ALICE)
        self.train()
        self.succeed("junk", "forget", ALICE)
        self.assertEqual((0, 0, 0, None), tuple(self.shown()[name] for name in ("junk", "good", "words", "since")))

    def test_backup_has_what_was_learned(self) -> None:
        self.train()
        self.succeed("backup", f"{self.folder}/backup")
        [copy] = Path(self.folder, "backup").glob("*/data/example.org/alice")
        self.assertEqual(Count(MINIMUM, MINIMUM), learned_in(str(copy)).messages)

    def test_what_cannot_be_learned_is_said_in_one_line(self) -> None:
        self.fail_with("name messages after --junk or --good", "junk", "train", ALICE)
        self.fail_with("there is no account bob@example.org", "junk", "train", "bob@example.org", "--junk", "x")
        self.fail_with("there is no account bob@example.org", "junk", "show", "bob@example.org")
        self.fail_with("No such file", "junk", "train", ALICE, "--good", os.path.join(self.folder, "nothing"))
        self.fail_with("is no Maildir; name the files in it", "junk", "train", ALICE, "--good", self.folder)
