"""The SQLite file over the versions of the server."""

from __future__ import annotations

import errno
import os
import sqlite3

from twisted.trial.unittest import TestCase

from twisted_mail.auth import database as module
from twisted_mail.auth.database import VERSION, Database
from twisted_mail.auth.directory import Directory, DirectoryError
from twisted_mail.smtp.address import Address

ALICE = Address("alice", "example.org")


class MigrationTests(TestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, "directory.sqlite")

    def make_first_version(self) -> None:
        connection = sqlite3.connect(self.path)
        connection.executescript(module._FIRST)
        connection.execute("INSERT INTO domain (name, created) VALUES ('example.org', 1)")
        connection.execute("INSERT INTO account VALUES ('example.org', 'alice', 'hash', 0, 2)")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
        connection.close()

    def test_file_of_the_first_version_keeps_its_accounts_and_learns_the_new_tables(self) -> None:
        self.make_first_version()
        directory = Directory(self.path)
        self.addCleanup(directory.close)
        account = directory.account(ALICE)
        assert account is not None
        self.assertEqual(("hash", "", 2), (account.password, account.verifier, account.created))
        self.assertFalse(directory.everybody_has_a_verifier())
        directory.set_password(ALICE, "hash", "verifier")
        self.assertTrue(directory.everybody_has_a_verifier())
        self.assertEqual([], directory.app_passwords.list(ALICE))

    def test_file_that_is_damaged_needs_a_backup_and_not_another_user(self) -> None:
        with open(self.path, "wb") as file:
            file.write(b"no database" * 100)
        error = self.assertRaises(DirectoryError, Database, self.path)
        self.assertIn("it is damaged: move it away and bring it back from a backup", str(error))

    def test_full_disk_is_told_as_such(self) -> None:
        def full(path: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", path)

        self.patch(module, "_create", full)
        error = self.assertRaises(DirectoryError, Database, self.path)
        self.assertIn("is its disk full (df) or broken?", str(error))

    def test_file_of_the_first_version_ends_up_like_a_new_one(self) -> None:
        self.make_first_version()
        Database(self.path).close()
        other = os.path.join(self.folder, "new.sqlite")
        Database(other).close()
        self.assertEqual(self.tables(self.path), self.tables(other))

    def tables(self, path: str) -> list[tuple[str, str]]:
        connection = sqlite3.connect(path)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()
            self.assertEqual((VERSION,), version)
            return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        finally:
            connection.close()

    def test_key_of_the_salts_is_made_once(self) -> None:
        salts = []
        for _ in range(2):
            directory = Directory(self.path)
            salts.append(directory.salt(ALICE))
            directory.close()
        self.assertEqual(1, len(set(salts)))
        other = Directory(os.path.join(self.folder, "new.sqlite"))
        self.addCleanup(other.close)
        self.assertNotEqual(salts[0], other.salt(ALICE))

    def test_file_of_a_later_version_is_refused(self) -> None:
        Database(self.path).close()
        connection = sqlite3.connect(self.path)
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        connection.close()
        error = self.assertRaises(DirectoryError, Database, self.path)
        self.assertIn("newer version", str(error))
