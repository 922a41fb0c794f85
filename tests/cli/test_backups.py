"""`mailserver backup` and `restore`: what they print, and that what comes back is what was there."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from pathlib import Path

from tests.cli.test_main import CommandCase
from twisted_mail.mailbox import maildir
from twisted_mail.mailbox.views import FOLDER as VIEWS
from twisted_mail.moving import backup
from twisted_mail.moving.backup import Place, back_up
from twisted_mail.moving.intake import nobody_else


class BackupCase(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.add_alice()
        self.data = Path(self.folder, "maildirs")
        self.backup = Path(self.folder, "backup")
        # names that are those of folders elsewhere
        for user in ("alice", "tmp", "new", "incoming"):
            for name in ("new", "cur", "tmp"):
                (self.data / "example.org" / user / name).mkdir(parents=True)
        self.put("alice/new", 1)
        self.put("alice/cur", 2, ":2,S")
        self.put("tmp/new", 3)
        self.put("new/new", 4)
        self.put("incoming/cur", 5, ":2,")
        self.put("alice/tmp", 6)
        self.write("example.org/alice/twisted-mail.lock", b"")
        self.write(f"example.org/alice/{VIEWS}/laptop", b"")
        self.write("example.org/alice/twisted-mail.deleted/1.abc,M=1,S=2/new/1.gone", b"Subject: gone\n\n")
        self.write(".server/keys/dkim/example.org.pem", b"key", 0o640)
        self.write(".server/incoming/left", b"")
        for name in ("one.envelope", "one.message", "two.envelope"):
            self.write(f".server/queue/messages/{name}", b"{}")
        os.utime(self.data / ".server/queue/messages/one.envelope", (2e9, 2e9))
        self.patch(backup.time, "gmtime", self.gmtime)
        self.now = 1_700_000_000

    def gmtime(self) -> object:
        self.now += 1
        return self._gmtime(self.now)

    _gmtime = staticmethod(backup.time.gmtime)

    def write(self, path: str, octets: bytes, mode: int = 0o600) -> None:
        file = self.data / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(octets)
        file.chmod(mode)

    def put(self, folder: str, number: int, flags: str = "") -> Path:
        text = b"Subject: %d\n\n" % number
        name = maildir.final_name(f"{1700000000 + number}.{number:032x}.mx", len(text), len(text) + 2)
        file = self.data / "example.org" / folder / (name + flags)
        file.write_bytes(text)
        return file

    def snapshots(self) -> list[Path]:
        return sorted(path for path in self.backup.iterdir() if not path.name.startswith("."))

    def tree(self, data: Path) -> dict[str, tuple[int, bytes, float]]:
        """All files but those of SQLite, whose copies differ in their headers."""
        return {
            str(path.relative_to(data)): (path.stat().st_mode, path.read_bytes(), path.stat().st_mtime)
            for path in data.rglob("*")
            if path.is_file() and ".sqlite" not in path.name
        }

    def expected(self) -> dict[str, tuple[int, bytes, float]]:
        left_out = re.compile(r"/tmp/[0-9]|^\.server/incoming/|two\.envelope")
        return {path: facts for path, facts in self.tree(self.data).items() if not left_out.search(path)}


class BackupTests(BackupCase):
    def test_everything_is_in_it_with_modes_and_times(self) -> None:
        output = self.succeed("backup", str(self.backup))
        [snapshot] = self.snapshots()
        self.assertEqual(self.expected(), self.tree(snapshot / "data"))
        self.assertRegex(
            output,
            rf"^{re.escape(str(snapshot))}: 5 messages in 4 mailboxes, 15 files in all, \d of them copied, the rest",
        )
        self.assertEqual(0o640, (snapshot / "data/.server/keys/dkim/example.org.pem").stat().st_mode & 0o777)
        self.assertEqual(2e9, (snapshot / "data/.server/queue/messages/one.envelope").stat().st_mtime)
        self.assertEqual(0o700, snapshot.stat().st_mode & 0o777)
        self.assertEqual(Path(self.config).read_text(), (snapshot / "mailserver.toml").read_text())
        self.assertEqual(["laptop"], [path.name for path in snapshot.glob(f"data/example.org/alice/{VIEWS}/*")])
        self.assertIn(" is whole: 5 messages in 4 mailboxes", self.succeed("backup", str(self.backup), "--verify"))

    def test_messages_are_links_and_mutable_files_are_not(self) -> None:
        self.succeed("backup", str(self.backup))
        [snapshot] = self.snapshots()
        for path, linked in (
            ("example.org/alice/new", True),
            (".server/queue/messages/one.message", True),
            (".server/queue/messages/one.envelope", False),
            ("example.org/alice/twisted-mail.lock", False),
        ):
            here = self.data / path
            there = snapshot / "data" / path
            if here.is_dir():
                here, there = (next(folder.iterdir()) for folder in (here, there))
            self.assertEqual(linked, here.samefile(there), path)

    def test_second_backup_copies_only_what_has_changed(self) -> None:
        """As onto another disk: nothing of the server's can be linked."""
        real = os.link

        def link(source: str, target: str, **options: bool) -> None:
            if str(source).startswith(str(self.data)):
                raise OSError(18, "Invalid cross-device link")
            real(source, target, **options)

        self.patch(os, "link", link)
        self.succeed("backup", str(self.backup))
        # one is read, one comes, one goes
        [new] = (self.data / "example.org/alice/new").iterdir()
        new.rename(self.data / "example.org/alice/cur" / f"{new.name}:2,S")
        self.put("alice/new", 7)
        next((self.data / "example.org/tmp/new").iterdir()).unlink()
        output = self.succeed("backup", str(self.backup))
        first, second = self.snapshots()
        self.assertEqual(self.expected(), self.tree(second / "data"))
        self.assertIn("5 messages in 4 mailboxes, 15 files in all, 2 of them copied", output)  # and the database
        old = next((first / "data/example.org/alice/new").iterdir())
        self.assertTrue(old.samefile(second / "data/example.org/alice/cur" / f"{new.name}:2,S"))
        self.assertFalse(old.samefile(self.data / "example.org/alice/cur" / f"{new.name}:2,S"))
        for snapshot in (first, second):
            self.assertIn("is whole", self.succeed("backup", str(snapshot), "--verify"))

    def test_messages_that_move_meanwhile_are_there_once(self) -> None:
        real, moved = os.link, []

        def link(source: str, target: str, **options: bool) -> None:
            if "/alice/new/" in source and not moved:
                path = Path(source)
                moved.append(path.rename(path.parent.parent / "cur" / f"{path.name}:2,S"))
            real(source, target, **options)

        self.patch(os, "link", link)
        self.assertIn("5 messages in", self.succeed("backup", str(self.backup)))
        self.assertEqual(1, len(moved))

    def test_what_is_damaged_is_found(self) -> None:
        self.succeed("backup", str(self.backup))
        [snapshot] = self.snapshots()
        database = snapshot / "data/.server/directory.sqlite"
        key = snapshot / "data/.server/keys/dkim/example.org.pem"
        for file, spoil, words in (
            (key, lambda: key.write_bytes(b"kez"), "has other octets"),
            (key, lambda: key.write_bytes(b"long"), "has 4 octets, should have 3"),
            (key, key.unlink, "No such file"),
            (database, lambda: database.write_bytes(database.read_bytes()[:-100] + b"x" * 100), "other octets"),
        ):
            before = file.read_bytes()
            spoil()
            status, _, errors = self.run_command("backup", str(self.backup), "--verify")
            self.assertEqual(1, status)
            self.assertIn(f"{file}: ", errors)
            self.assertIn(words, errors)
            self.assertIn("is not whole, see above", errors)
            file.write_bytes(before)
            file.chmod(0o640)

    def test_links_are_told(self) -> None:
        (self.data / "example.net").symlink_to("/nowhere")
        status, _, errors = self.run_command("backup", str(self.backup))
        self.assertEqual(1, status)
        self.assertIn("example.net is a link: what it leads to is not in the backup", errors)

    def test_what_an_interrupted_backup_left_goes(self) -> None:
        left = self.backup / ".unfinished-20200101T000000Z"
        left.mkdir(parents=True)
        self.succeed("backup", str(self.backup))
        self.assertFalse(left.exists())

    def test_places_that_will_not_do(self) -> None:
        self.fail_with("is inside the data directory", "backup", str(self.data / "backup"))
        self.fail_with("there is no backup in", "backup", str(self.backup), "--verify")
        self.fail_with("there is no backup in", "restore", str(self.backup))
        os.rename(self.data, f"{self.folder}/away")
        self.fail_with("so there is nothing to keep", "backup", str(self.backup))

    def test_database_is_one_moment_of_a_live_one(self) -> None:
        live = sqlite3.connect(self.data / ".server/directory.sqlite", isolation_level=None)
        self.addCleanup(live.close)
        live.execute("BEGIN IMMEDIATE")
        live.execute("INSERT INTO domain VALUES (9, 'half.example', 1)")
        place = Place(str(self.data), None, "mx.example", nobody_else)
        done = back_up(place, str(self.backup), lambda count: None)
        live.execute("COMMIT")
        copy = sqlite3.connect(f"{done.snapshot}/data/.server/directory.sqlite")
        self.addCleanup(copy.close)
        self.assertEqual([("example.org",)], copy.execute("SELECT name FROM domain").fetchall())


class RestoreTests(BackupCase):
    def setUp(self) -> None:
        super().setUp()
        self.succeed("backup", str(self.backup))
        self.before = self.expected()

    def restore(self) -> str:
        os.rename(self.data, f"{self.folder}/away")
        return self.succeed("restore", str(self.backup))

    def test_everything_comes_back(self) -> None:
        output = self.restore()
        self.assertEqual(self.before, self.tree(self.data))
        self.assertEqual("alice@example.org", json.loads(self.succeed("account", "list", "--json"))[0]["address"])
        first, second, third = output.splitlines()
        self.assertRegex(
            first, r"^restored 5 messages in 4 mailboxes, 15 files in all, as of 2023-11-14T22:13:2\dZ, to "
        )
        self.assertTrue(second.startswith("1 message in the queue: what was sent since then will go again"), second)
        self.assertTrue(third.startswith("the configuration of then is in "), third)

    def test_backup_and_restored_files_are_not_the_same(self) -> None:
        self.restore()
        [snapshot] = self.snapshots()
        for path in self.before:
            self.assertFalse((self.data / path).samefile(snapshot / "data" / path), path)

    def test_nothing_is_overwritten(self) -> None:
        self.fail_with("is not empty; stop the server", "restore", str(self.backup))
        self.assertEqual(self.before, self.expected())

    def test_empty_folder_is_filled(self) -> None:
        os.rename(self.data, f"{self.folder}/away")
        self.data.mkdir()
        self.succeed("restore", str(self.backup))
        self.assertEqual(self.before, self.tree(self.data))

    def test_folder_around_the_data_directory_is_made(self) -> None:
        config = Path(self.mktemp()).absolute()
        config.write_text('data = "new/machine/maildirs"\n')
        self.succeed("restore", str(self.backup), "--config", str(config))
        self.assertTrue((config.parent / "new/machine/maildirs/.server/directory.sqlite").is_file())

    def test_damaged_backup_is_not_restored(self) -> None:
        [snapshot] = self.snapshots()
        (snapshot / "data/.server/keys/dkim/example.org.pem").write_bytes(b"kez")
        os.rename(self.data, f"{self.folder}/away")
        self.fail_with("not restored: ", "restore", str(snapshot))
        self.assertFalse(self.data.exists())
        (snapshot / "data/.server/keys/dkim/example.org.pem").write_bytes(b"key")
        self.succeed("restore", str(snapshot))

    def test_message_of_a_damaged_mailbox_is_missed(self) -> None:
        [snapshot] = self.snapshots()
        [message] = (snapshot / "data/example.org/alice/new").iterdir()
        text = (snapshot / "files").read_text().splitlines()
        (snapshot / "files").write_text("".join(f"{line}\n" for line in text if message.name not in line))
        message.unlink()
        status, _, errors = self.run_command("backup", str(snapshot), "--verify")
        self.assertEqual(1, status)
        self.assertIn("15 files with", errors)
        self.assertIn("alice: 2 messages should be there, with the same unique-ids", errors)

    def test_newer_format_is_refused(self) -> None:
        [snapshot] = self.snapshots()
        facts = json.loads((snapshot / "backup.json").read_text())
        (snapshot / "backup.json").write_text(json.dumps(facts | {"version": 2}))
        self.fail_with("by a newer version", "restore", str(snapshot))
