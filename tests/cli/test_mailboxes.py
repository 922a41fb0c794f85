"""`mailserver account show`, `restore` and `views`, on mailboxes that POP3 sessions have used."""

from __future__ import annotations

import json
import os
from pathlib import Path

from twisted.internet.defer import Deferred, execute

from tests.cli.test_main import CommandCase
from tests.mailbox.disk import PatientCommitter
from twisted_mail.interfaces import IMaildrop
from twisted_mail.mailbox import maildir
from twisted_mail.mailbox.journal import Bounds
from twisted_mail.mailbox.maildrop import MaildirReader
from twisted_mail.mailbox.store import MailboxStore
from twisted_mail.mailbox.views import Views
from twisted_mail.pop3.terms import Terms
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import Origin

ALICE = Address("alice", "example.org")


class MailboxCase(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.add_alice()
        self.root = os.path.join(self.folder, "maildirs")
        self.path = os.path.join(self.root, "example.org", "alice")
        committer = PatientCommitter()
        reader = MaildirReader(committer, execute, journal=Bounds())
        self.store = MailboxStore(self.root, "mx.example", committer, reader, Views(committer, execute))
        for folder in ("new", "cur", "tmp"):
            os.makedirs(os.path.join(self.path, folder))
        for number in range(3):
            name = maildir.final_name(f"{1_700_000_000 + number}.{number:032x}.mx", 10, 12)
            Path(self.path, "new", name).write_bytes(b"Subject:\n\n")

    def open_maildrop(self, session: str, view: str = "") -> IMaildrop:
        opening = self.store.open_maildrop(ALICE, Origin("192.0.2.1", session, "POP3"), Terms(), view)
        maildrop = self.successResultOf(Deferred.fromCoroutine(opening))
        self.addCleanup(maildrop.release)
        return maildrop

    def delete(self, session: str, *indexes: int, view: str = "") -> None:
        maildrop = self.open_maildrop(session, view)
        self.successResultOf(Deferred.fromCoroutine(maildrop.update(set(indexes))))
        maildrop.release()

    def account(self, *arguments: str) -> str:
        return self.succeed("account", *arguments)

    def shown(self) -> dict[str, object]:
        return json.loads(self.account("show", "alice@example.org", "--json"))


class ShowTests(MailboxCase):
    def test_show_tells_what_lies_there(self) -> None:
        self.assertEqual((3, 36, None), tuple(self.shown()[name] for name in ("messages", "octets", "open")))
        text = self.account("show", "alice@example.org")
        self.assertIn("\nfolder      " + self.path + "\n", text)
        self.assertIn("\nopen        -\n", text)

    def test_show_tells_who_has_the_mailbox_open_from_where_and_since_when(self) -> None:
        self.open_maildrop("abc")
        self.assertRegex(
            self.account("show", "alice@example.org"),
            r"\nopen +alice@example\.org from 192\.0\.2\.1 since \d{4}-\d\d-\d\d [\d:]{8} UTC, session abc, process",
        )

    def test_show_counts_foreign_messages_too(self) -> None:
        Path(self.path, "cur", "1.foreign:2,S").write_bytes(b"12345")
        self.assertEqual((4, 41), (self.shown()["messages"], self.shown()["octets"]))

    def test_show_names_views_settings_and_what_can_be_restored(self) -> None:
        self.delete("abc", 0, view="laptop")
        self.open_maildrop("def", "phone").release()
        self.delete("ghi", 1)
        self.account("set", "alice@example.org", "login-delay=60s")
        shown = self.shown()
        self.assertEqual((["laptop", "phone"], 2), (shown["views"], shown["restorable"]))
        self.assertEqual(["login-delay=1 minute"], shown["settings"])

    def test_an_account_without_mail_has_none(self) -> None:
        self.succeed("account", "add", "bob@example.org", "--password-stdin", stdin="secret\n")
        shown = json.loads(self.account("show", "bob@example.org", "--json"))
        self.assertEqual((0, 0, [], 0), tuple(shown[n] for n in ("messages", "octets", "views", "restorable")))

    def test_nobody_is_shown_as_such(self) -> None:
        for command in ("show", "restore", "views"):
            self.fail_with("there is no account nobody@example.org", "account", command, "nobody@example.org")


class RestoreTests(MailboxCase):
    def test_sessions_are_listed_and_restored(self) -> None:
        self.delete("abc", 0, 2)
        [row] = json.loads(self.account("restore", "alice@example.org", "--json"))
        self.assertEqual(("abc", 2, 24, None), tuple(row[name] for name in ("session", "messages", "octets", "view")))
        self.assertIn(" abc ", " " + self.account("restore", "alice@example.org").splitlines()[1])
        self.assertEqual(
            "restored 2 messages to alice@example.org\n",
            self.account("restore", "alice@example.org", "--session", "abc"),
        )
        self.assertEqual(3, self.shown()["messages"])
        self.assertIn("nothing of alice@example.org", self.account("restore", "alice@example.org"))

    def test_a_session_that_is_not_kept_is_told(self) -> None:
        self.fail_with("nothing is kept of session abc", "account", "restore", "alice@example.org", "--session", "abc")

    def test_an_open_mailbox_is_told_with_its_holder(self) -> None:
        self.delete("abc", 0)
        self.open_maildrop("def")
        restoring = ("account", "restore", "alice@example.org", "--session", "abc")
        self.fail_with("the mailbox is open: alice@example.org from 192.0.2.1", *restoring)


class ViewsTests(MailboxCase):
    def test_views_are_listed_with_what_they_hide(self) -> None:
        self.open_maildrop("abc", "phone").release()
        self.delete("def", 0, 1, view="laptop")
        rows = json.loads(self.account("views", "alice@example.org", "--json"))
        self.assertEqual(
            [("alice@example.org%laptop", 2), ("alice@example.org%phone", 0)],
            [(row["view"], row["hidden"]) for row in rows],
        )

    def test_a_view_is_removed_and_only_then_unknown(self) -> None:
        self.delete("abc", 0, view="laptop")
        remove = ("account", "views", "alice@example.org", "--remove", "Laptop")
        self.assertEqual("removed the view Laptop of alice@example.org\n", self.succeed(*remove))
        self.assertIn("no views yet", self.account("views", "alice@example.org"))
        self.fail_with("there is no view Laptop", *remove)

    def test_a_view_that_is_open_stays(self) -> None:
        self.open_maildrop("abc", "laptop")
        remove = ("account", "views", "alice@example.org", "--remove", "laptop")
        self.fail_with("the mailbox is open", *remove)
