"""`mailserver import`, `export` and `uidl-diff`: what they print, and what they leave."""

from __future__ import annotations

import mailbox
import os
import re
from pathlib import Path

from tests.cli.test_main import CommandCase
from twisted_mail.mailbox import maildir
from twisted_mail.moving.uidlists import DOVECOT

ALICE = "alice@example.org"


class MovingCase(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.add_alice()
        self.path = os.path.join(self.folder, "maildirs", "example.org", "alice")
        self.old = Path(self.folder, "old")

    def make_old(self, count: int = 3) -> None:
        """A Maildir as Dovecot leaves it."""
        for name in ("new", "cur", "tmp", ".Sent/new", ".Sent/cur", ".Sent/tmp"):
            (self.old / name).mkdir(parents=True)
        names = [f"160000000{number}.M1P{number}.host,S=20,W=22" for number in range(count)]
        for number, name in enumerate(names):
            (self.old / f"cur/{name}:2,S").write_text(f"Subject: {number}\n\nbody{number}\n")
        (self.old / ".Sent/cur/1600000009.M1P2.host:2,S").write_text("Subject: sent\n\n")
        rows = [f"{number + 1} :{name}:2,S\n" for number, name in enumerate(names)]
        (self.old / DOVECOT).write_text(f"3 V1275660208 N{count + 1}\n{''.join(rows)}")

    def uids(self) -> list[str]:
        return maildir.unique_ids(maildir.scan(self.path))


class ImportTests(MovingCase):
    def test_maildir_of_dovecot_comes_with_its_unique_ids(self) -> None:
        self.make_old()
        status, output, errors = self.run_command("import", ALICE, str(self.old))
        self.assertEqual((0, f"imported 3 messages into {ALICE}\n"), (status, output))
        self.assertEqual("left out: the folder .Sent with 1 message; --folders takes them, too\n", errors)
        self.assertEqual(["000000014c0907b0", "000000024c0907b0", "000000034c0907b0"], self.uids())

    def test_again_nothing_comes_twice(self) -> None:
        self.make_old()
        self.succeed("import", ALICE, str(self.old), "--folders")
        self.assertEqual(
            f"imported 0 messages into {ALICE}; 4 were there already\n",
            self.succeed("import", ALICE, str(self.old), "--folders"),
        )

    def test_other_formats_of_dovecot(self) -> None:
        self.make_old(1)
        self.succeed("import", ALICE, str(self.old), "--folders", "--uidl-format", "UID%u-%v")
        self.assertIn("UID1-1275660208", self.uids())
        self.fail_with('the UIDL format "%m" can have', "import", ALICE, str(self.old), "--uidl-format", "%m")

    def test_progress_is_for_terminals(self) -> None:
        self.make_old()
        _, _, errors = self.run_command("import", ALICE, str(self.old), "--folders", terminal=True)
        self.assertIn(f"importing into {ALICE}: 4 of 4", errors)

    def test_what_cannot_be_imported_is_said_in_one_line(self) -> None:
        self.fail_with("add it: mailserver account add bob@example.org", "import", "bob@example.org", self.folder)
        self.fail_with("is no mbox", "import", ALICE, self.config)
        self.fail_with("No such file", "import", ALICE, f"{self.folder}/nothing")
        self.fail_with("write it like pop3s://alice@old", "import", ALICE, "pop3://old.example")
        self.fail_with("leave the password out", "import", ALICE, "pop3s://a:secret@old.example")
        self.fail_with("use --password-stdin", "import", ALICE, "pop3s://a@old.example")

    def test_unreadable_messages_are_named_and_the_rest_is_there(self) -> None:
        self.make_old()
        [first, *_] = sorted((self.old / "cur").iterdir())
        first.write_bytes(b"\x1f\x8bbroken")
        status, _, errors = self.run_command("import", ALICE, str(self.old), "--folders")
        self.assertEqual((1, 3), (status, len(self.uids())))
        self.assertIn(f"not imported: {first}: ", errors)
        self.assertIn("\nmailserver: 1 message could not be read, see above", errors)


class ExportTests(MovingCase):
    def test_mbox_and_back(self) -> None:
        self.make_old()
        self.succeed("import", ALICE, str(self.old), "--folders")
        before = self.uids()
        file = f"{self.folder}/mbox"
        self.assertEqual(f"exported 4 messages of {ALICE} to {file}\n", self.succeed("export", ALICE, "--mbox", file))
        self.assertEqual(0o600, os.stat(file).st_mode & 0o777)
        read = mailbox.mbox(file)
        self.assertEqual(["0", "1", "2", "sent"], [message["Subject"] for message in read])
        self.assertEqual(["R"] * 4, [message.get_flags().replace("O", "") for message in read])
        os.rename(self.path, f"{self.folder}/aside")
        self.succeed("import", ALICE, file)
        self.assertEqual(before, self.uids())

    def test_maildir_has_the_same_files(self) -> None:
        self.make_old()
        self.succeed("import", ALICE, str(self.old), "--folders")
        copy = f"{self.folder}/copy"
        self.assertEqual(
            f"exported 4 messages of {ALICE} to {copy}\n", self.succeed("export", ALICE, "--maildir", copy)
        )
        self.assertEqual(maildir.scan(self.path), maildir.scan(copy))
        for relative in maildir.scan(copy):
            here, there = Path(self.path, relative), Path(copy, relative)
            self.assertEqual(here.read_bytes(), there.read_bytes())
            self.assertEqual(here.stat().st_mtime, there.stat().st_mtime)

    def test_nothing_is_overwritten(self) -> None:
        self.fail_with("is there already", "export", ALICE, "--mbox", self.config)
        self.fail_with("is not empty", "export", ALICE, "--maildir", self.folder)
        self.fail_with("one of the arguments --mbox --maildir is required", "export", ALICE)

    def test_account_without_mail_gives_an_empty_file(self) -> None:
        self.assertIn("exported 0 messages", self.succeed("export", ALICE, "--mbox", f"{self.folder}/mbox"))
        self.assertEqual(b"", Path(self.folder, "mbox").read_bytes())


class DifferenceTests(MovingCase):
    def test_after_an_import_nothing_would_be_downloaded_again(self) -> None:
        self.make_old()
        (self.old / ".Sent").rename(self.old.parent / "sent")
        self.succeed("import", ALICE, str(self.old))
        self.assertEqual("0 of 3 would be downloaded again\n", self.succeed("uidl-diff", str(self.old), ALICE))

    def test_what_would_be_is_named_and_the_status_is_1(self) -> None:
        self.make_old()
        self.succeed("import", ALICE, str(self.old), "--folders")
        status, output, errors = self.run_command("uidl-diff", str(self.old), self.path)
        self.assertEqual(1, status)
        self.assertRegex(
            output, r"^again: message 4, 1600000009\.[0-9a-f]{32}\.mail\.example\.org\n1 of 4 would be down"
        )
        self.assertRegex(errors, r"^mailserver: mail programs would fetch those above again")

    def test_listing_is_saved_and_compared_later(self) -> None:
        self.make_old()
        listing = self.succeed("uidl-diff", str(self.old))
        self.assertEqual("1 000000014c0907b0\n2 000000024c0907b0\n3 000000034c0907b0\n", listing)
        file = Path(self.folder, "before")
        file.write_text(f"+OK\r\n{listing}4 gone\n.\r\n")
        self.assertEqual(
            "1 of OLD are not in NEW, the first is gone\n0 of 3 would be downloaded again\n",
            self.succeed("uidl-diff", str(file), str(self.old)),
        )
        file.write_text("1 two words\n")
        self.fail_with("line 1: a line is a message's number", "uidl-diff", str(file), str(self.old))

    def test_what_nobody_has_seen_is_said(self) -> None:
        self.make_old()
        (self.old / "new/1600000008.fresh.host").write_text("Subject: x\n\n")
        output = self.succeed("uidl-diff", str(self.old))
        self.assertTrue(re.search(r"(?m)^4 -$", output), output)
        Path(self.folder, "empty").touch()
        _, output, _ = self.run_command("uidl-diff", str(self.old), f"{self.folder}/empty")
        self.assertIn("1 message of OLD no mail program has seen yet\n", output)

    def test_place_that_is_none_of_all_this_is_refused(self) -> None:
        self.fail_with("is no Maildir and no file", "uidl-diff", "nowhere", ALICE)
