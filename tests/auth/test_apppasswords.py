"""App passwords in the real directory."""

from __future__ import annotations

import os
import sqlite3

from twisted.trial.unittest import TestCase

from twisted_mail.auth import apppasswords as module
from twisted_mail.auth.apppasswords import MAX_NAME, MAX_PASSWORDS, NOTED_EVERY, Purpose
from twisted_mail.auth.directory import Directory, DirectoryError
from twisted_mail.smtp.address import Address

ALICE = Address("alice", "example.org")
BOTH = (Purpose.SMTP, Purpose.POP3)


class AppPasswordTests(TestCase):
    def setUp(self) -> None:
        self.path = os.path.join(os.path.abspath(self.mktemp()), "directory.sqlite")
        self.directory = Directory(self.path)
        self.addCleanup(self.directory.close)
        self.directory.add_domain("example.org")
        self.directory.add_account(ALICE, "hash")
        self.passwords = self.directory.app_passwords

    def add(self, name: str, purposes: tuple[Purpose, ...] = BOTH) -> str:
        return self.passwords.add(ALICE, name, purposes, b"salt")

    def refused(self, words: str, name: str, account: Address = ALICE) -> None:
        error = self.assertRaises(DirectoryError, self.passwords.add, account, name, BOTH, b"salt")
        self.assertIn(words, str(error))

    def test_password_is_readable_and_new_each_time(self) -> None:
        passwords = {self.add(str(number)) for number in range(20)}
        self.assertEqual(20, len(passwords))
        for password in passwords:
            self.assertRegex(password, r"^[a-km-np-z2-9]{4}(-[a-km-np-z2-9]{4}){4}$")

    def test_password_matches_for_its_purpose_and_its_account_only(self) -> None:
        phone, both = self.add("phone", (Purpose.POP3,)), self.add("both")
        self.directory.add_account(Address("bob", "example.org"), "hash")
        for account, password, purpose, name in (
            (ALICE, phone, Purpose.POP3, "phone"),
            (ALICE, phone, Purpose.SMTP, None),
            (ALICE, both, Purpose.SMTP, "both"),
            (ALICE, phone.upper(), Purpose.POP3, None),
            (ALICE, "", Purpose.POP3, None),
            (Address("bob", "example.org"), phone, Purpose.POP3, None),
        ):
            self.assertEqual(name, self.passwords.match(account, password.encode(), purpose))

    def test_password_itself_is_not_stored(self) -> None:
        password = self.add("phone")
        dump = "".join(sqlite3.connect(self.path).iterdump())
        self.assertNotIn(password, dump)

    def test_removed_password_is_void_at_once_and_the_others_stay(self) -> None:
        phone, laptop = self.add("phone"), self.add("laptop")
        self.passwords.remove(ALICE, "phone")
        self.assertIsNone(self.passwords.match(ALICE, phone.encode(), Purpose.POP3))
        self.assertEqual("laptop", self.passwords.match(ALICE, laptop.encode(), Purpose.POP3))
        error = self.assertRaises(DirectoryError, self.passwords.remove, ALICE, "phone")
        self.assertIn("app-password list alice@example.org", str(error))

    def test_passwords_go_with_their_account(self) -> None:
        password = self.add("phone")
        self.directory.remove_account(ALICE)
        self.directory.add_account(ALICE, "hash")
        self.assertEqual([], self.passwords.list(ALICE))
        self.assertIsNone(self.passwords.match(ALICE, password.encode(), Purpose.POP3))

    def test_list_tells_purposes_and_last_use(self) -> None:
        self.add("phone", (Purpose.POP3,))
        self.add("laptop")
        self.passwords.note_use(ALICE, "phone")
        laptop, phone = self.passwords.list(ALICE)
        self.assertEqual(("laptop", BOTH, None), (laptop.name, laptop.purposes, laptop.last_used))
        self.assertEqual((Purpose.POP3,), phone.purposes)
        self.assertGreaterEqual(phone.last_used or 0, phone.created)

    def test_use_is_noted_once_in_an_hour(self) -> None:
        self.add("phone")
        self.assertTrue(self.passwords.needs_note(ALICE, "phone"))
        self.passwords.note_use(ALICE, "phone")
        self.assertFalse(self.passwords.needs_note(ALICE, "phone"))
        later = module.now() + NOTED_EVERY
        self.patch(module, "now", lambda: later)
        self.assertTrue(self.passwords.needs_note(ALICE, "phone"))
        self.assertFalse(self.passwords.needs_note(ALICE, "another"))

    def test_name_is_taken_once_and_must_be_readable(self) -> None:
        self.add("phone")
        self.refused("already", "phone")
        for name in ("", " phone", "phone ", "pho\nne", "x" * (MAX_NAME + 1)):
            self.refused('as in "phone"', name)
        self.refused("no account bob@example.org", "phone", Address("bob", "example.org"))

    def test_number_of_passwords_is_limited(self) -> None:
        self.patch(module, "verifier_of", lambda password, salt: "")
        for number in range(MAX_PASSWORDS):
            self.add(str(number))
        self.refused("remove those not in use", "one more")
