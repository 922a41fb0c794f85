"""The directory on a real SQLite file: what exists, what it expands to, and what may be changed."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from twisted_mail.auth.database import NOTICED_AFTER
from twisted_mail.auth.directory import Directory, DirectoryError, NewAccount
from twisted_mail.auth.names import alias_address
from twisted_mail.interfaces import IUsers, NoSuchUser, UserDisabled, Way
from twisted_mail.smtp.address import Address

T = TypeVar("T")

ALICE = Address("alice", "example.org")
BOB = Address("bob", "example.org")
CAROL = Address("carol", "other.example")
INFO = Address("info", "example.org")


class DirectoryCase(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.path = os.path.join(os.path.abspath(self.mktemp()), ".server", "directory.sqlite")
        self.directory = self.open()
        for name in ("example.org", "other.example"):
            self.directory.add_domain(name)
        for address in (ALICE, BOB, CAROL):
            self.directory.add_account(address, "hash")

    def open(self) -> Directory:
        directory = Directory(self.path, clock=self.clock.seconds)
        self.addCleanup(directory.close)
        return directory

    def result(self, awaitable: Awaitable[T]) -> T:
        async def wait() -> T:
            return await awaitable

        return self.successResultOf(Deferred.fromCoroutine(wait()))

    def expand(self, text: str) -> tuple[str, ...]:
        expansion = self.result(self.directory.expand(alias_address(text)))
        self.assertEqual((), expansion.outside)
        return tuple(map(str, expansion.mailboxes))

    def alias(self, text: str, *targets: str) -> None:
        self.directory.aliases.add(alias_address(text), [alias_address(target) for target in targets])

    def refused(self, words: str, act: Callable[..., object], *arguments: object, **options: object) -> None:
        with self.assertRaises(DirectoryError) as caught:
            act(*arguments, **options)
        self.assertIn(words, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))


class UsersTests(DirectoryCase):
    def test_directory_provides_users(self) -> None:
        self.assertTrue(IUsers.providedBy(self.directory))

    def test_only_added_domains_are_local(self) -> None:
        self.assertTrue(self.result(self.directory.is_local("example.org")))
        self.assertFalse(self.result(self.directory.is_local("example.com")))

    def test_account_is_found_in_any_case_and_unicode_form(self) -> None:
        self.directory.add_account(Address("j\u00f6rg", "example.org"), "hash")
        self.assertEqual(("alice@example.org",), self.expand("Alice@EXAMPLE.org"))
        self.assertEqual(("j\u00f6rg@example.org",), self.expand("JO\u0308RG@example.org"))

    def test_what_does_not_exist_is_no_such_user(self) -> None:
        for text in ("nobody@example.org", "carol@example.org", "nobody+alice@example.org", "+alice@example.org"):
            with self.assertRaises(NoSuchUser, msg=text):
                self.directory.expansion(alias_address(text))

    def test_tag_after_plus_is_ignored(self) -> None:
        self.assertEqual(("alice@example.org",), self.expand("alice+shop@example.org"))
        self.assertEqual(("alice@example.org",), self.expand("alice+shop+more@example.org"))
        self.assertEqual(("alice@example.org",), self.expand("alice+@example.org"))

    def test_tagged_alias_comes_before_the_tag_is_ignored(self) -> None:
        self.alias("alice+bills@example.org", "bob@example.org")
        self.assertEqual(("bob@example.org",), self.expand("alice+bills@example.org"))
        self.assertEqual(("alice@example.org",), self.expand("alice+other@example.org"))

    def test_alias_is_followed_to_each_target_once_and_in_order(self) -> None:
        self.alias("info@example.org", "carol@other.example", "alice@example.org")
        self.alias("all@example.org", "bob@example.org", "info@example.org", "alice@example.org")
        self.assertEqual(
            ("bob@example.org", "alice@example.org", "carol@other.example"), self.expand("all+x@example.org")
        )

    def test_alias_may_lead_to_a_tagged_address(self) -> None:
        self.alias("info@example.org", "alice+info@example.org")
        self.assertEqual(("alice@example.org",), self.expand("info@example.org"))

    def test_catch_all_takes_what_is_left_in_its_domain(self) -> None:
        self.alias("@example.org", "bob@example.org")
        self.assertEqual(("bob@example.org",), self.expand("anything@example.org"))
        self.assertEqual(("alice@example.org",), self.expand("alice+x@example.org"))
        with self.assertRaises(NoSuchUser):
            self.directory.expansion(alias_address("anything@other.example"))

    def test_loop_of_aliases_ends(self) -> None:
        self.alias("a@example.org", "alice@example.org")
        self.alias("b@example.org", "a@example.org")
        self.alias("a@example.org", "b@example.org")
        self.assertEqual(("alice@example.org",), self.expand("b@example.org"))
        self.directory.aliases.remove(alias_address("a@example.org"), [ALICE])
        with self.assertRaises(NoSuchUser):
            self.directory.expansion(alias_address("a@example.org"))

    def test_aliases_are_followed_ten_deep_and_no_deeper(self) -> None:
        self.alias("a0@example.org", "alice@example.org")
        for depth in range(1, 10):
            self.alias(f"a{depth}@example.org", f"a{depth - 1}@example.org")
        self.assertEqual(("alice@example.org",), self.expand("a9@example.org"))
        self.refused("more than 10 aliases", self.alias, "a10@example.org", "a9@example.org")

    def test_postmaster_without_domain_is_that_of_the_first_domain(self) -> None:
        with self.assertRaises(NoSuchUser):
            self.directory.expansion(Address("postmaster", ""))
        self.alias("postmaster@other.example", "carol@other.example")
        with self.assertRaises(NoSuchUser):
            self.directory.expansion(Address("postmaster", ""))
        self.alias("postmaster@example.org", "alice@example.org")
        self.assertEqual((ALICE,), self.directory.expansion(Address("Postmaster", "")).mailboxes)

    def test_disabled_account_is_named_so_and_left_out_of_aliases(self) -> None:
        self.alias("info@example.org", "alice@example.org", "bob@example.org")
        self.directory.set_disabled(ALICE, True)
        with self.assertRaises(UserDisabled):
            self.directory.expansion(ALICE)
        self.assertEqual(("bob@example.org",), self.expand("info@example.org"))
        self.directory.set_disabled(BOB, True)
        with self.assertRaises(UserDisabled):
            self.directory.expansion(INFO)
        self.directory.set_disabled(ALICE, False)
        self.assertEqual(("alice@example.org",), self.expand("alice@example.org"))

    def test_account_sends_as_itself_its_tags_and_its_aliases(self) -> None:
        self.alias("info@example.org", "alice@example.org")
        may = {
            text: self.result(self.directory.may_send_as(ALICE, alias_address(text)))
            for text in (
                "Alice@example.org",
                "alice+shop@example.org",
                "info@example.org",
                "bob@example.org",
                "nobody@example.org",
                "alice@other.example",
                "alice@elsewhere.example",
            )
        }
        self.assertEqual([True, True, True, False, False, False, False], list(may.values()))

    def test_change_by_another_process_is_seen_at_once(self) -> None:
        self.assertEqual(("alice@example.org",), self.expand("alice@example.org"))
        other = self.open()
        other.add_domain("third.example")
        other.add_account(Address("dave", "third.example"), "hash")
        other.remove_account(BOB)
        self.assertTrue(self.result(self.directory.is_local("third.example")))
        self.assertEqual(("dave@third.example",), self.expand("dave@third.example"))
        with self.assertRaises(NoSuchUser):
            self.directory.expansion(BOB)

    def test_questions_are_answered_while_another_process_writes(self) -> None:
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM account")
        self.assertEqual(("alice@example.org",), self.expand("alice@example.org"))
        other.execute("COMMIT")
        self.clock.advance(NOTICED_AFTER)
        with self.assertRaises(NoSuchUser):
            self.directory.expansion(ALICE)


class LoginTests(DirectoryCase):
    def test_login_is_found_by_address_in_any_case(self) -> None:
        account = self.directory.find_login("Alice@Example.ORG")
        assert account is not None
        self.assertEqual((ALICE, "hash", False), (account.address, account.password, account.disabled))

    def test_local_part_alone_is_enough_while_there_is_one_domain(self) -> None:
        self.assertIsNone(self.directory.find_login("alice"))
        self.directory.remove_domain("other.example", force=True)
        account = self.directory.find_login("alice")
        assert account is not None
        self.assertEqual(ALICE, account.address)

    def test_what_is_no_account_is_no_login(self) -> None:
        self.alias("info@example.org", "alice@example.org")
        for user in ("", "@", "info@example.org", "alice+x@example.org", "alice@", "a b@example.org", "\0@example.org"):
            self.assertIsNone(self.directory.find_login(user), user)

    def test_a_login_to_a_view_means_the_account(self) -> None:
        for user in ("alice@example.org%laptop", "Alice@Example.ORG%"):
            account = self.directory.find_login(user)
            assert account is not None
            self.assertEqual(self.directory.login_salt("alice@example.org"), self.directory.login_salt(user))

    def test_password_is_replaced_only_while_the_old_one_is_stored(self) -> None:
        account = self.directory.account(ALICE)
        assert account is not None
        self.assertTrue(self.directory.replace_password(account, "new"))
        self.assertFalse(self.directory.replace_password(account, "newer"))
        account = self.directory.account(ALICE)
        assert account is not None
        self.assertEqual("new", account.password)


class AdministrationTests(DirectoryCase):
    def test_files_are_readable_by_their_owner_only(self) -> None:
        folder = os.path.dirname(self.path)
        self.assertEqual(0o700, stat.S_IMODE(os.stat(folder).st_mode))
        for name in os.listdir(folder):
            self.assertEqual(0o600, stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode), name)
        self.assertIn("directory.sqlite-wal", os.listdir(folder))

    def test_file_of_a_newer_version_is_refused(self) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA user_version = 99")
        self.refused("newer version", Directory, self.path)

    def test_file_that_is_not_a_database_is_refused(self) -> None:
        path = self.mktemp()
        os.makedirs(path)
        path = os.path.join(os.path.abspath(path), "directory.sqlite")
        with open(path, "w") as file:
            file.write("this is not a database" * 100)
        self.refused("cannot be opened", Directory, path)

    def test_domains_are_listed_in_order_with_what_they_hold(self) -> None:
        self.alias("info@example.org", "alice@example.org", "bob@example.org")
        found = [(d.name, d.accounts, d.aliases) for d in self.directory.domains()]
        self.assertEqual([("example.org", 2, 1), ("other.example", 1, 0)], found)

    def test_domain_is_added_once(self) -> None:
        self.refused("there already", self.directory.add_domain, "example.org")

    def test_domain_is_removed_when_empty_or_by_force(self) -> None:
        self.refused("mailserver domain add", self.directory.remove_domain, "nowhere.example")
        self.alias("info@other.example", "alice@example.org")
        self.alias("info@example.org", "carol@other.example")
        self.refused("--force", self.directory.remove_domain, "other.example")
        self.directory.remove_domain("other.example", force=True)
        self.assertEqual(["example.org"], [d.name for d in self.directory.domains()])
        self.assertEqual([ALICE, BOB], [a.address for a in self.directory.accounts()])
        self.assertEqual([], self.directory.aliases.all())

    def test_account_needs_its_domain_and_a_free_address(self) -> None:
        self.alias("info@example.org", "alice@example.org")
        self.refused(
            "mailserver domain add elsewhere.example",
            self.directory.add_account,
            Address("alice", "elsewhere.example"),
            "hash",
        )
        self.refused("there already", self.directory.add_account, ALICE, "hash")
        self.refused("is an alias", self.directory.add_account, INFO, "hash")

    def test_account_whose_name_is_not_safe_on_disk_is_refused(self) -> None:
        for local in ("", "..", ".", ".alice", "a/b", "a+b", "a\0b", "a b", "a%b", 'a"b', "a\\b", "Alice", "a" * 65):
            self.refused("example.org", self.directory.add_account, Address(local, "example.org"), "hash")
        self.assertEqual(3, len(self.directory.accounts()))

    def test_accounts_are_added_all_or_none(self) -> None:
        new = [NewAccount(Address("dave", "example.org"), "hash"), NewAccount(ALICE, "hash")]
        self.refused("alice@example.org is there already", self.directory.add_accounts, new)
        self.assertIsNone(self.directory.account(new[0].address))

    def test_removed_account_is_gone_with_the_aliases_that_led_to_it(self) -> None:
        self.alias("info@example.org", "alice@example.org", "bob@example.org")
        self.alias("sales@example.org", "alice@example.org")
        removed = self.directory.remove_account(ALICE)
        self.assertEqual(["info@example.org", "sales@example.org"], sorted(map(str, removed)))
        self.assertEqual([(INFO, (BOB,))], [(a.address, a.targets) for a in self.directory.aliases.all("example.org")])
        self.refused("no account", self.directory.remove_account, ALICE)

    def test_what_is_missing_cannot_be_changed(self) -> None:
        nobody = Address("nobody", "example.org")
        self.refused("no account", self.directory.set_password, nobody, "hash")
        self.refused("no account", self.directory.set_disabled, nobody, True)
        self.refused("no alias", self.directory.aliases.remove, nobody)

    def test_alias_needs_targets_that_exist(self) -> None:
        self.refused("is no address", self.alias, "info@example.org", "@elsewhere.example")
        self.refused("does not exist", self.alias, "info@example.org", "nobody@example.org")
        self.refused("itself", self.alias, "info@example.org", "info@example.org")
        self.refused("is an account", self.alias, "alice@example.org", "bob@example.org")
        self.refused("domain add", self.alias, "info@elsewhere.example", "bob@example.org")
        self.refused("does not exist", self.alias, "info@example.org", "bob@example.org", "nobody@example.org")
        self.assertEqual([], self.directory.aliases.all())

    def test_targets_are_added_to_and_removed_from_an_alias(self) -> None:
        self.alias("info@example.org", "alice@example.org")
        self.alias("info@example.org", "alice@example.org", "bob@example.org")
        self.assertEqual((ALICE, BOB), self.directory.aliases.all()[0].targets)
        self.refused("does not lead", self.directory.aliases.remove, INFO, [CAROL])
        self.directory.aliases.remove(INFO, [ALICE])
        self.assertEqual((BOB,), self.directory.aliases.all()[0].targets)
        self.directory.aliases.remove(INFO)
        self.assertEqual([], self.directory.aliases.all())


DAVE = Address("dave", "elsewhere.example")
ERIN = Address("erin", "elsewhere.example")
LIST = Address("list", "example.org")


class ForwardingTests(DirectoryCase):
    def expansion(self, text: str) -> tuple[set[str], dict[str, Way]]:
        found = self.directory.expansion(alias_address(text))
        return {str(a) for a in (*found.mailboxes, *found.outside)}, {str(a): way for a, way in found.ways.items()}

    def test_alias_leads_to_other_domains_and_says_which_way(self) -> None:
        self.alias("info@example.org", "alice@example.org", "dave@elsewhere.example")
        found = self.directory.expansion(INFO)
        self.assertEqual(((ALICE,), (DAVE,)), (found.mailboxes, found.outside))
        self.assertEqual({ALICE: Way("example.org"), DAVE: Way("example.org")}, found.ways)
        self.assertEqual({}, self.directory.expansion(ALICE).ways)

    def test_the_domain_of_the_last_alias_is_the_one_that_mail_leaves(self) -> None:
        self.alias("@other.example", "dave@elsewhere.example")
        self.alias("info@example.org", "anything@other.example")
        self.assertEqual({DAVE: Way("other.example")}, self.directory.expansion(INFO).ways)

    def test_domain_may_leave_senders_as_they_are(self) -> None:
        self.alias("info@example.org", "dave@elsewhere.example")
        self.alias("info@other.example", "dave@elsewhere.example")
        self.directory.set_domain_attributes("example.org", {"srs": "off"})
        self.assertEqual({"srs": "off"}, self.directory.domain_attributes("example.org"))
        self.assertFalse(self.directory.expansion(INFO).ways[DAVE].rewrites)
        self.assertTrue(self.directory.expansion(Address("info", "other.example")).ways[DAVE].rewrites)
        self.directory.set_domain_attributes("example.org", {"srs": None})
        self.assertTrue(self.directory.expansion(INFO).ways[DAVE].rewrites)
        self.refused("is not a domain", self.directory.set_domain_attributes, "elsewhere.example", {"srs": "off"})

    def test_owner_of_a_list_is_told_of_all_its_members(self) -> None:
        self.directory.aliases.add(LIST, [BOB, DAVE], ALICE)
        self.alias("inner@example.org", "carol@other.example")
        self.directory.aliases.add(LIST, [Address("inner", "example.org")])
        ways = self.directory.expansion(LIST).ways
        self.assertEqual({BOB: ALICE, DAVE: ALICE, CAROL: ALICE}, {member: way.owner for member, way in ways.items()})
        self.directory.aliases.set_owner(Address("inner", "example.org"), BOB)
        self.assertEqual(BOB, self.directory.expansion(LIST).ways[CAROL].owner)
        self.directory.aliases.set_owner(LIST, None)
        self.assertIsNone(self.directory.expansion(LIST).ways[BOB].owner)

    def test_owner_must_be_an_account_and_the_alias_an_address(self) -> None:
        self.refused("no account dave", self.directory.aliases.add, LIST, [BOB], DAVE)
        self.assertEqual([], self.directory.aliases.all())
        self.refused("is no alias", self.directory.aliases.set_owner, LIST, ALICE)
        self.refused("needs an address", self.directory.aliases.add, Address("", "example.org"), [BOB], ALICE)

    def test_name_of_a_return_path_can_be_neither_account_nor_alias(self) -> None:
        address = Address("srs0=x", "example.org")
        self.refused("return address", self.directory.add_account, address, "hash")
        self.refused("return address", self.directory.aliases.add, address, [ALICE])

    def test_owner_goes_with_the_account_and_with_the_alias(self) -> None:
        self.directory.aliases.add(LIST, [BOB], ALICE)
        self.assertEqual(ALICE, self.directory.aliases.all()[0].owner)
        self.directory.remove_account(ALICE)
        self.assertIsNone(self.directory.aliases.all()[0].owner)
        for remove in (
            lambda: self.directory.aliases.remove(LIST),
            lambda: self.directory.remove_domain("other.example", force=True),
            lambda: self.directory.remove_account(CAROL),
        ):
            self.directory.aliases.remove(LIST)
            if "other.example" not in [domain.name for domain in self.directory.domains()]:
                self.directory.add_domain("other.example")
            if self.directory.account(CAROL) is None:
                self.directory.add_account(CAROL, "hash")
            self.directory.aliases.add(LIST, [CAROL], BOB)
            remove()
            self.directory.aliases.add(LIST, [BOB])
            self.assertIsNone(self.directory.aliases.all()[0].owner)

    def test_members_are_told_to_the_owner_only(self) -> None:
        self.directory.aliases.add(LIST, [BOB, DAVE], ALICE)
        for text in ("list@example.org", "LIST@example.org"):
            self.assertEqual([BOB, DAVE], self.result(self.directory.members(alias_address(text), ALICE)))
        self.assertEqual([BOB, DAVE], self.result(self.directory.members(Address("list", ""), ALICE)))
        self.alias("info@example.org", "alice@example.org")
        for address, owner in ((LIST, BOB), (INFO, ALICE), (ALICE, ALICE), (Address("list", ""), CAROL)):
            waiting = Deferred.fromCoroutine(self.directory.members(address, owner))
            self.failureResultOf(waiting, NoSuchUser)

    def test_alias_to_another_domain_lets_nobody_send_as_it(self) -> None:
        self.alias("info@example.org", "alice@example.org", "dave@elsewhere.example")
        self.assertTrue(self.result(self.directory.may_send_as(ALICE, INFO)))
        self.assertFalse(self.result(self.directory.may_send_as(DAVE, INFO)))

    def test_aliases_that_lead_out_are_followed_ten_deep_and_no_deeper(self) -> None:
        self.alias("a0@example.org", "dave@elsewhere.example")
        for depth in range(1, 10):
            self.alias(f"a{depth}@example.org", f"a{depth - 1}@example.org")
        self.assertEqual({"dave@elsewhere.example"}, self.expansion("a9@example.org")[0])
        self.refused("more than 10 aliases", self.alias, "a10@example.org", "a9@example.org")

    def test_key_of_return_paths_is_the_server_s_own_and_stays(self) -> None:
        self.assertEqual(32, len(self.directory.srs_key))
        self.assertEqual(self.directory.srs_key, self.open().srs_key)
        self.assertNotEqual(self.directory.srs_key, self.directory.salt(ALICE))
