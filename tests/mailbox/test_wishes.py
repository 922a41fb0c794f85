"""What the files in a Maildir say, and that a change is seen."""

from __future__ import annotations

import os
import time

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.mailbox.absence import TEXT_FILE
from twisted_mail.mailbox.wishes import (
    LOOKED_AFTER,
    NONE,
    RULES_FILE,
    Wishes,
    WishReader,
    remove_rules,
    rules_in,
    write_rules,
)
from twisted_mail.rules.rulesfile import RulesError
from twisted_mail.smtp.address import Address, parse_address

ALICE = parse_address("alice@example.org")
KEEP = b"[[rule]]\nkeep = true\n"
STOP = b"[[rule]]\nstop = true\n"


class WishTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = time.time_ns() + 3600 * 10**9  # all that was written is old
        self.reader = WishReader(
            lambda account: self.path if account == ALICE else f"{self.path}/none", lambda: self.now
        )

    def of(self, account: Address = ALICE) -> Wishes:
        """At the next look."""
        self.now += LOOKED_AFTER
        return self.reader.of(account)

    def test_nobody_wants_anything_where_there_are_no_files(self) -> None:
        self.assertEqual(NONE, self.of())
        self.assertEqual(NONE, self.of(parse_address("bob@example.org")))

    def test_files_that_come_and_go_are_seen(self) -> None:
        self.of()
        self._older()
        self.put(TEXT_FILE, b"Away.\n")
        self.assertTrue(self.of().is_away)
        self._older()
        self.put(RULES_FILE, KEEP)
        self.assertEqual((True, 1), (self.of().is_away, len(self.of().rules)))
        self._older()
        os.unlink(f"{self.path}/{TEXT_FILE}")
        remove_rules(self.path)
        self.assertEqual(NONE, self.of())

    def test_file_that_is_written_in_place_is_seen(self) -> None:
        self.put(RULES_FILE, KEEP)
        self.assertTrue(self.of().rules[0].keep)
        with open(f"{self.path}/{RULES_FILE}", "wb") as file:
            file.write(STOP + STOP)
        self.assertEqual(2, len(self.of().rules))

    def test_what_has_just_changed_is_not_remembered(self) -> None:
        self.now = time.time_ns()
        self.put(RULES_FILE, KEEP)
        changed = os.stat(self.path).st_mtime_ns
        self.assertTrue(self.of().rules[0].keep)
        with open(f"{self.path}/{RULES_FILE}", "wb") as file:
            file.write(STOP)
        os.utime(f"{self.path}/{RULES_FILE}", ns=(changed, changed))
        self.assertTrue(self.of().rules[0].stop)

    def test_files_are_looked_at_once_in_a_moment(self) -> None:
        self.of()
        self.put(RULES_FILE, KEEP)
        self._older()
        self.now += LOOKED_AFTER - 1
        self.assertIs(NONE, self.reader.of(ALICE))
        self.now += 1
        self.assertTrue(self.reader.of(ALICE).rules[0].keep)

    def test_clock_that_is_set_back_keeps_nothing_from_being_seen(self) -> None:
        self.of()
        self.put(RULES_FILE, KEEP)
        self._older()
        self.now -= 10**9
        self.assertTrue(self.reader.of(ALICE).rules[0].keep)

    def test_remembered_rules_are_not_read_again(self) -> None:
        self.put(RULES_FILE, KEEP)
        self.assertIs(self.of().rules, self.of().rules)

    def test_what_cannot_be_read_is_a_problem(self) -> None:
        self.put(RULES_FILE, b"[[rule]]\nkepe = true\n")
        self.assertEqual("line 2, rule 1, kepe: unknown key; write keep", self.of().problem)
        for octets in (b"\xff", b"#" * 100_000):
            with open(f"{self.path}/{RULES_FILE}", "wb") as file:
                file.write(octets)
            self.assertTrue(self.of().problem)
        os.unlink(f"{self.path}/{RULES_FILE}")
        os.mkdir(f"{self.path}/{RULES_FILE}")
        self.assertEqual("Is a directory", self.of().problem)

    def test_rules_are_written_with_their_folders(self) -> None:
        write_rules(self.path, '[[rule]]\nfolder = ["Work.A", "INBOX"]\n')
        self.assertEqual('[[rule]]\nfolder = ["Work.A", "INBOX"]\n', rules_in(self.path))
        self.assertEqual(["cur", "maildirfolder", "new", "tmp"], sorted(os.listdir(f"{self.path}/.Work.A")))
        self.assertRaises(RulesError, write_rules, self.path, "[[rule]]\n")
        self.assertIn("Work.A", rules_in(self.path) or "")

    def _older(self) -> None:
        found = os.stat(self.path)
        os.utime(self.path, ns=(found.st_mtime_ns - 10**9, found.st_mtime_ns - 10**9))
