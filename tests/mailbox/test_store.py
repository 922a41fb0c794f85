"""Delivering into Maildirs: what a file's name says of the message in it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.internet.defer import Deferred

from tests.mailbox.disk import MaildirTestCase
from tests.targets import ORIGIN, recipients
from twisted_mail.content import Message
from twisted_mail.framing import wire_size
from twisted_mail.interfaces import IMaildrop, LoginTooSoon, MaildropLocked, NoSuchFolder, NoSuchView
from twisted_mail.mailbox import undo
from twisted_mail.mailbox.journal import Bounds
from twisted_mail.mailbox.maildrop import MaildirReader
from twisted_mail.mailbox.store import MailboxStore
from twisted_mail.mailbox.views import Views
from twisted_mail.message.downgrade import header_in_ascii
from twisted_mail.message.evidence import ENOUGH, Evidence
from twisted_mail.message.header import header_size
from twisted_mail.message.place import INBOX, Place
from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.terms import Terms
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions

ALICE = Address("alice", "example.org")
JUNK = Evidence(ENOUGH, "it sells things")
ASCII = b"Subject: hello\n\nHello\n"
UMLAUT = "From: Jürgen <juergen@example.org>\nSubject: Grüße\n\nHallo\n".encode()


class StoreTests(MaildirTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.root = self.mktemp()
        reader = MaildirReader(self.committer, self.blocking)
        views = Views(self.committer, self.blocking)
        self.store = MailboxStore(self.root, "mx.example", self.committer, reader, views)

    def open_maildrop(self, terms: Terms | None = None, view: str = "") -> IMaildrop:
        maildrop = self.result(self.store.open_maildrop(ALICE, ORIGIN, terms or Terms(), view))
        self.addCleanup(maildrop.release)
        return maildrop

    def deliver(
        self,
        text: bytes,
        *to: str,
        smtputf8: bool = False,
        junk: bool = False,
        places: tuple[Place, ...] = INBOX,
    ) -> None:
        size = header_size(text)
        message = Message("01" * 16, text[:size], text[size:], text.count(b"\n"), (JUNK,) if junk else (), places)
        delivery = self.result(self.store.begin(ORIGIN, None, MailOptions(smtputf8=smtputf8)))
        for recipient in recipients(*(to or ("alice@example.org",))):
            self.result(delivery.add_recipient(recipient))
        answers = self.result(delivery.deliver(message))
        self.assertEqual({None}, set(answers.values()))

    def listing(self) -> Listing:
        maildrop = self.open_maildrop()
        maildrop.release()
        return maildrop.listing

    def name(self) -> str:
        [name] = os.listdir(f"{self.root}/example.org/alice/new")
        return name

    def seen(self, view: str) -> int:
        maildrop = self.open_maildrop(view=view)
        maildrop.release()
        return len(maildrop.listing)

    def test_junk_is_in_its_view_only(self) -> None:
        self.deliver(ASCII, "alice@example.org", "bob@example.org", junk=True)
        self.assertEqual((0, 1, 1), (self.seen(""), self.seen("junk"), self.seen("JUNK")))
        self.assertEqual(["maildirfolder"], [n for n in os.listdir(self.junk("bob")) if n.startswith("m")])
        [name] = os.listdir(f"{self.junk('bob')}/new")
        text = Path(f"{self.junk('bob')}/new/{name}").read_bytes()
        self.assertEqual(b"Return-Path: <>\nX-Junk: yes (5 of 5);\n +5 it sells things\n" + ASCII, text)
        self.deliver(ASCII)
        self.assertEqual((1, 1), (self.seen(""), self.seen("junk")))

    def junk(self, name: str) -> str:
        return f"{self.root}/example.org/{name}/.Junk"

    def test_junk_that_is_deleted_can_be_restored(self) -> None:
        reader = MaildirReader(self.committer, self.blocking, journal=Bounds())
        self.store = MailboxStore(self.root, "mx.example", self.committer, reader, Views(self.committer, self.blocking))
        self.deliver(ASCII, junk=True)
        maildrop = self.open_maildrop(view="junk")
        self.result(maildrop.update({0}))
        maildrop.release()
        self.assertEqual(0, self.seen("junk"))
        path = f"{self.root}/example.org/alice"
        [item] = undo.undoable(path)
        self.assertEqual((1, "junk"), (item.messages, item.view))
        self.assertEqual(1, undo.restore(path, item.session))
        self.assertEqual((0, 1), (self.seen(""), self.seen("junk")))
        self.result((again := self.open_maildrop(view="junk")).update({0}))
        again.release()
        self.assertEqual(1, undo.purge(path, Bounds(0, 0, 0), time.time()))
        self.assertEqual([], undo.undoable(path))

    def test_junk_and_inbox_have_one_lock(self) -> None:
        self.deliver(ASCII, junk=True)
        junk = self.open_maildrop(view="junk")
        self.failureResultOf(
            Deferred.fromCoroutine(self.store.open_maildrop(ALICE, ORIGIN, Terms(), "")), MaildropLocked
        )
        junk.release()
        self.open_maildrop()

    def test_message_is_put_into_folders_each_with_its_flags_and_written_once(self) -> None:
        places = (Place(".Work.Invoices", "FS"), Place())
        self.deliver(ASCII, "alice@example.org", "bob@example.org", places=places)
        self.assertEqual((1, 1), (self.seen(""), self.seen(".Work.Invoices")))
        [marked] = os.listdir(f"{self.root}/example.org/bob/.Work.Invoices/cur")
        self.assertTrue(marked.endswith(":2,FS"), marked)
        self.assertTrue(os.path.isfile(f"{self.root}/example.org/bob/.Work.Invoices/maildirfolder"))
        self.assertEqual(4, os.stat(f"{self.root}/example.org/bob/.Work.Invoices/cur/{marked}").st_nlink)

    def test_junk_that_a_rule_puts_somewhere_is_there(self) -> None:
        self.deliver(ASCII, junk=True, places=(Place(), Place(".Lists")))
        self.assertEqual((0, 1, 1), (self.seen(""), self.seen("junk"), self.seen(".Lists")))
        self.deliver(ASCII, junk=True, places=(Place(""),))
        self.assertEqual((1, 1), (self.seen(""), self.seen("junk")))

    def test_folder_is_a_maildrop_of_its_own_whose_mail_can_be_restored(self) -> None:
        reader = MaildirReader(self.committer, self.blocking, journal=Bounds())
        self.store = MailboxStore(self.root, "mx.example", self.committer, reader, Views(self.committer, self.blocking))
        self.deliver(ASCII, places=(Place(".Entw&APw-rfe"),))
        self.assertEqual((1, 1), (self.seen(".Entwürfe"), self.seen(".Entw&APw-rfe")))
        maildrop = self.open_maildrop(view=".Entwürfe")
        self.result(maildrop.update({0}))
        maildrop.release()
        self.assertEqual(0, self.seen(".Entwürfe"))
        [item] = undo.undoable(f"{self.root}/example.org/alice")
        self.assertEqual((1, ".Entw&APw-rfe"), (item.messages, item.view))
        self.assertEqual(1, undo.restore(f"{self.root}/example.org/alice", item.session))
        self.assertEqual(1, self.seen(".Entwürfe"))

    def test_folder_that_is_not_there_is_refused(self) -> None:
        self.deliver(ASCII)
        self.deliver(ASCII, "bob@example.org", places=(Place(".Work"),))
        for view in (".Work", ".", "..", "./new", "../bob", ".\0", ".new", ".INBOX"):
            self.failure(self.store.open_maildrop(ALICE, ORIGIN, Terms(), view), NoSuchFolder)
        self.assertEqual(1, self.seen(""))

    def test_message_that_is_delivered_again_after_a_crash_is_one_message(self) -> None:
        self.deliver(ASCII, "alice@example.org", "bob@example.org")
        # what a crash in the middle of writing leaves
        with open(f"{self.root}/example.org/alice/tmp/{self.name().partition(',')[0]}", "wb") as left:
            left.write(b"Subject: he")
        self.deliver(ASCII, "alice@example.org", "bob@example.org")
        for user in ("alice", "bob"):
            (name,) = os.listdir(f"{self.root}/example.org/{user}/new")
            with open(f"{self.root}/example.org/{user}/new/{name}", "rb") as file:
                self.assertTrue(file.read().endswith(ASCII))

    def test_an_internationalised_message_says_its_size_in_ascii(self) -> None:
        self.deliver(UMLAUT, smtputf8=True)
        listing = self.listing()
        with_fields = b"Return-Path: <>\n" + UMLAUT
        self.assertEqual([wire_size(with_fields)], listing.sizes)
        size = header_size(with_fields)
        self.assertEqual([wire_size(header_in_ascii(with_fields[:size]) + with_fields[size:])], listing.in_ascii.sizes)

    def test_a_message_in_ascii_says_nothing_of_the_kind_even_if_it_came_with_smtputf8(self) -> None:
        self.deliver(ASCII, smtputf8=True)
        self.assertNotIn(",D=", self.name())

    def test_a_message_without_smtputf8_is_given_back_as_it_came(self) -> None:
        self.deliver(UMLAUT)
        self.assertNotIn(",D=", self.name())
        self.assertEqual({}, self.listing().downgraded)

    def test_one_file_is_linked_into_each_mailbox(self) -> None:
        self.deliver(ASCII, "alice@example.org", "bob@example.org")
        [other] = os.listdir(f"{self.root}/example.org/bob/new")
        self.assertEqual(self.name(), other)
        self.assertEqual(2, os.stat(f"{self.root}/example.org/bob/new/{other}").st_nlink)

    def test_a_name_that_would_lead_elsewhere_is_no_mailbox(self) -> None:
        for local, domain in (("..", "example.org"), ("a/b", "example.org"), ("", "example.org"), ("a", "..")):
            self.assertRaises(ValueError, self.store.path, Address(local, domain))

    def test_each_view_is_opened_for_itself(self) -> None:
        self.deliver(ASCII)
        self.open_maildrop(view="phone").release()
        laptop = self.open_maildrop(view="laptop")
        self.result(laptop.update({0}))
        laptop.release()
        self.assertEqual(0, len(self.open_maildrop(view="Laptop").listing))

    def test_a_view_that_cannot_be_leaves_the_maildrop_unlocked(self) -> None:
        self.failure(self.store.open_maildrop(ALICE, ORIGIN, Terms(), "not a name"), NoSuchView)
        self.assertEqual(0, len(self.listing()))

    def test_a_session_knows_the_terms_of_its_account_also_in_a_view(self) -> None:
        terms = Terms(30, 0)
        maildrop = self.open_maildrop(terms)
        maildrop.release()
        self.assertEqual([terms, terms], [maildrop.terms, self.open_maildrop(terms, "laptop").terms])

    def test_logins_are_as_far_apart_as_the_account_wants_also_without_mail(self) -> None:
        terms = Terms(login_delay=60)
        self.open_maildrop(terms).release()
        self.failure(self.store.open_maildrop(ALICE, ORIGIN, terms, ""), LoginTooSoon)
        self.deliver(ASCII)
        self.failure(self.store.open_maildrop(ALICE, ORIGIN, terms, "laptop"), LoginTooSoon)
        self.open_maildrop().release()
