"""What an administrator does at the page with accounts, aliases and domains: as the directory then has it."""

from __future__ import annotations

import os

from tests.web.visitor import ALICE, BOB, VisitorTestCase
from twisted_mail.auth.directory import NewAccount
from twisted_mail.mailbox.store import maildir_of
from twisted_mail.smtp.address import Address
from twisted_mail.web.accountpages import SHOWN

CAROL = Address("carol", "example.org")
BOBS = "/admin/accounts/bob@example.org"


class AccountTests(VisitorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.visitor(ALICE)

    def test_an_account_is_added_and_can_log_in(self) -> None:
        told = self.alice.do("/admin/accounts", "add", address="Carol@Example.org", password="some words")
        self.assertEqual("Added carol@example.org.", told)
        self.assertEqual(303, self.visitor().log_in(CAROL, "some words").status)

    def test_what_cannot_be_an_account_is_refused_in_words(self) -> None:
        for address, password, told in (
            ("carol", "x", "write it like alice@example.org"),
            ("carol@else.example", "x", "else.example"),
            ("bob@example.org", "x", "is there already"),
            ("carol@example.org", "", "the password is empty"),
        ):
            self.assertIn(told, self.alice.do("/admin/accounts", "add", address=address, password=password))
        self.assertEqual(2, len(self.directory.accounts()))

    def test_a_password_is_set(self) -> None:
        self.assertEqual("Changed the password of bob@example.org.", self.alice.do(BOBS, "password", password="new"))
        self.assertEqual(303, self.visitor().log_in(BOB, "new").status)

    def test_an_account_is_disabled_and_enabled(self) -> None:
        self.assertEqual("Disabled bob@example.org.", self.alice.do(BOBS, "disable"))
        self.assertIn("disabled", self.alice.get(BOBS).text)
        self.assertEqual(403, self.visitor().log_in(BOB).status)
        self.assertEqual("Enabled bob@example.org.", self.alice.do(BOBS, "enable"))
        self.assertEqual(303, self.visitor().log_in(BOB).status)

    def test_an_account_is_removed_with_what_led_to_it(self) -> None:
        self.directory.aliases.add(Address("info", "example.org"), [BOB])
        self.alice.get(BOBS)
        self.assertEqual(303, self.alice.send(BOBS, do="remove").status)
        self.assertIn("info@example.org no longer leads there.", self.alice.get("/admin/accounts").text)
        self.assertIsNone(self.directory.account(BOB))
        self.assertEqual(303, self.alice.get(BOBS).status)

    def test_administrators_do_not_lock_themselves_out(self) -> None:
        for do in ("disable", "remove"):
            told = self.alice.do("/admin/accounts/alice@example.org", do)
            self.assertIn("another administrator must do that", told)
        self.assertFalse(self.directory.account(ALICE).disabled)  # type: ignore[union-attr]

    def test_a_mailbox_is_shown_with_its_size(self) -> None:
        new = os.path.join(maildir_of(self.folder, BOB), "new")
        os.makedirs(new)
        with open(os.path.join(new, "1.x.host,S=2048,W=2060"), "wb") as file:
            file.write(bytes(2048))
        self.assertIn("1 messages, 2.0 KiB", self.alice.get(BOBS).text)

    def test_of_many_accounts_the_first_are_shown_and_others_found(self) -> None:
        names = [f"user{number:04}" for number in range(SHOWN + 5)]
        self.directory.add_accounts(NewAccount(Address(name, "example.org"), "{X}y") for name in names)
        text = self.alice.get("/admin/accounts").text
        self.assertIn("And 7 more", text)
        self.assertNotIn("user0204", text)
        self.assertIn("user0204@example.org", self.alice.get("/admin/accounts?q=R0204").text)

    def test_what_does_not_exist_is_told(self) -> None:
        for path in ("/admin/accounts/nobody@example.org", "/admin/accounts/%3Cb%3E", "/admin/accounts/../../etc"):
            self.assertEqual("/admin/accounts", self.alice.get(path).headers["Location"])
            self.assertIn("There is no account", self.alice.get("/admin/accounts").text)
        self.assertIn("no account nobody@example.org", self.alice.do("/admin/accounts/nobody@example.org", "disable"))


class AddressTests(VisitorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.visitor(ALICE)

    def test_an_alias_is_added_shown_and_removed(self) -> None:
        told = self.alice.do(
            "/admin/aliases", "add", alias="info@example.org", targets="bob@example.org,\n x@else.example", owner=""
        )
        self.assertEqual("info@example.org now leads to bob@example.org, x@else.example.", told)
        self.assertIn("bob@example.org, x@else.example", self.alice.get("/admin/aliases").text)
        self.assertEqual(
            "Removed info@example.org.", self.alice.do("/admin/aliases", "remove", alias="info@example.org")
        )
        self.assertEqual([], self.directory.aliases.all())

    def test_a_list_has_an_owner_and_a_catch_all_is_an_alias(self) -> None:
        self.alice.do("/admin/aliases", "add", alias="all@example.org", targets="bob@example.org", owner=str(ALICE))
        self.alice.do("/admin/aliases", "add", alias="@example.org", targets="bob@example.org", owner="")
        text = self.alice.get("/admin/aliases").text
        self.assertIn("(a list of alice@example.org)", text)
        self.assertEqual("Removed @example.org.", self.alice.do("/admin/aliases", "remove", alias="@example.org"))

    def test_what_leads_nowhere_is_refused(self) -> None:
        for targets, told in (
            ("", "at least one address"),
            ("nobody@example.org", "does not exist"),
            ("x", "write it"),
        ):
            said = self.alice.do("/admin/aliases", "add", alias="info@example.org", targets=targets, owner="")
            self.assertIn(told, said)

    def test_a_domain_is_added_and_removed_while_it_is_empty(self) -> None:
        self.assertIn("Added example.net", self.alice.do("/admin/domains", "add", name="Example.NET"))
        self.assertIn("is there already", self.alice.do("/admin/domains", "add", name="example.net"))
        self.assertIn("is not a domain name", self.alice.do("/admin/domains", "add", name="..."))
        self.assertIn("still has accounts", self.alice.do("/admin/domains", "remove", name="example.org"))
        self.assertIn("Removed example.net", self.alice.do("/admin/domains", "remove", name="example.net"))
        self.assertEqual(["example.org"], [domain.name for domain in self.directory.domains()])
