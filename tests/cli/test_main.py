"""The `mailserver` command in process: what it prints, what it leaves in a real directory, and its exit status."""

from __future__ import annotations

import getpass
import io
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from twisted_mail.auth import passwords
from twisted_mail.auth.apppasswords import Purpose
from twisted_mail.auth.directory import Account, Directory
from twisted_mail.auth.names import alias_address
from twisted_mail.cli import opening
from twisted_mail.cli.main import FAMILIES, main


class TerminalIO(io.StringIO):
    def isatty(self) -> bool:
        return True


class CommandCase(TestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        self.config = os.path.join(self.folder, "mailserver.toml")
        Path(self.config).write_text('hostname = "mail.example.org"\n')
        self.patch(os, "environ", {**os.environ, "MAILSERVER_CONFIG": self.config})

    def run_command(self, *arguments: str, stdin: str = "", terminal: bool = False) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        output, errors = io.StringIO(), TerminalIO() if terminal else io.StringIO()
        with_buffer = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
        self.patch(sys, "stdin", TerminalIO(stdin) if terminal else with_buffer)
        self.patch(sys, "stdout", output)
        self.patch(sys, "stderr", errors)
        try:
            status = main(arguments)
        finally:
            self.patch(sys, "stdout", sys.__stdout__)
            self.patch(sys, "stderr", sys.__stderr__)
        return status, output.getvalue(), errors.getvalue()

    def succeed(self, *arguments: str, stdin: str = "") -> str:
        status, output, errors = self.run_command(*arguments, stdin=stdin)
        self.assertEqual((0, ""), (status, errors), output)
        return output

    def fail_with(self, words: str, *arguments: str, stdin: str = "") -> None:
        status, output, errors = self.run_command(*arguments, stdin=stdin)
        self.assertEqual((1, ""), (status, output))
        self.assertTrue(errors.startswith("mailserver: "), errors)
        self.assertEqual(1, errors.count("\n"), errors)
        self.assertIn(words, errors)

    def directory(self) -> Directory:
        directory = Directory(os.path.join(self.folder, "maildirs", ".server", "directory.sqlite"))
        self.addCleanup(directory.close)
        return directory

    def account(self, address: str) -> Account:
        account = self.directory().account(alias_address(address))
        assert account is not None
        return account

    def add_alice(self) -> None:
        self.succeed("domain", "add", "example.org")
        self.succeed("account", "add", "alice@example.org", "--password-stdin", stdin="secret\n")


class DomainTests(CommandCase):
    def test_added_domain_is_listed_with_what_it_holds(self) -> None:
        self.assertIn("no domains yet", self.succeed("domain", "list"))
        self.add_alice()
        (row,) = json.loads(self.succeed("domain", "list", "--json"))
        self.assertEqual(("example.org", 1, 0), (row["domain"], row["accounts"], row["aliases"]))
        self.assertRegex(row["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertRegex(self.succeed("domain", "list"), r"(?m)^example\.org +1 +0 ")

    def test_records_for_its_zone_are_shown_with_its_keys(self) -> None:
        self.succeed("domain", "add", "example.org")
        shown = self.succeed("domain", "records", "example.org")
        self.assertIn("\nexample.org. 3600 IN MX 10 mail.example.org.\n", shown)
        self.assertRegex(shown, r'(?m)^\w+\._domainkey\.example\.org\. 3600 IN TXT "v=DKIM1; ')
        self.fail_with("mailserver domain add example.net", "domain", "records", "example.net")

    def test_domain_may_leave_senders_as_they_are(self) -> None:
        self.succeed("domain", "add", "example.org")
        self.assertEqual("example.org: srs=off\n", self.succeed("domain", "set", "example.org", "srs=off"))
        (row,) = json.loads(self.succeed("domain", "list", "--json"))
        self.assertEqual(["srs=off"], row["settings"])
        output = self.succeed("domain", "set", "example.org", "srs=default")
        self.assertEqual("example.org: nothing in particular\n", output)
        self.fail_with("neither on nor off", "domain", "set", "example.org", "srs=no")
        self.fail_with("is not a domain", "domain", "set", "other.example", "srs=off")

    def test_new_domain_reminds_of_its_postmaster(self) -> None:
        output = self.succeed("domain", "add", "Example.ORG")
        self.assertIn("added example.org", output)
        self.assertIn("mailserver alias add postmaster@example.org", output)

    def test_removed_domain_is_gone_and_its_mail_stays(self) -> None:
        self.add_alice()
        os.makedirs(os.path.join(self.folder, "maildirs", "example.org", "alice", "new"))
        self.fail_with("use --force", "domain", "remove", "example.org")
        self.assertIn("maildirs/example.org", self.succeed("domain", "remove", "example.org", "--force"))
        self.assertEqual("[]\n", self.succeed("domain", "list", "--json"))
        self.assertTrue(os.path.isdir(os.path.join(self.folder, "maildirs", "example.org", "alice", "new")))


class AccountTests(CommandCase):
    def test_account_added_with_password_from_stdin_can_log_in(self) -> None:
        self.add_alice()
        stored = self.account("alice@example.org").password
        self.assertTrue(stored.startswith("$argon2id$"))
        self.assertTrue(passwords.verify(stored, "secret"))

    def test_account_without_its_domain_is_refused_and_nothing_is_made(self) -> None:
        self.fail_with(
            "mailserver domain add example.org", "account", "add", "a@example.org", "--password-stdin", stdin="x\n"
        )
        self.assertEqual("[]\n", self.succeed("account", "list", "--json"))

    def test_password_is_asked_twice_at_a_terminal(self) -> None:
        self.succeed("domain", "add", "example.org")
        answers = iter(["secret", "secret", "one", "other"])
        prompts: list[str] = []

        def ask(prompt: str) -> str:
            prompts.append(prompt)
            return next(answers)

        self.patch(getpass, "getpass", ask)
        status, output, _ = self.run_command("account", "add", "alice@example.org", terminal=True)
        self.assertEqual((0, "added alice@example.org\n"), (status, output))
        self.assertEqual(["New password for alice@example.org: ", "The same again: "], prompts)
        status, _, errors = self.run_command("account", "add", "bob@example.org", terminal=True)
        self.assertEqual(1, status)
        self.assertIn("differ", errors)
        self.assertEqual(1, len(self.directory().accounts()))

    def test_password_that_nobody_could_type_is_refused(self) -> None:
        self.succeed("domain", "add", "example.org")
        for stdin, words in (("", "empty"), ("\n", "empty"), ("a\0b\n", "control"), ("x" * 1025, "longer")):
            self.fail_with(words, "account", "add", "a@example.org", "--password-stdin", stdin=stdin)
        self.fail_with("--password-stdin", "account", "add", "a@example.org", stdin="secret\n")

    def test_accounts_are_listed_by_domain(self) -> None:
        self.add_alice()
        self.succeed("domain", "add", "other.example")
        self.succeed("account", "add", "bob@other.example", "--password-stdin", stdin="secret\n")
        rows = json.loads(self.succeed("account", "list", "other.example", "--json"))
        self.assertEqual([("bob@other.example", False)], [(row["address"], row["disabled"]) for row in rows])
        listing = self.succeed("account", "list")
        self.assertRegex(listing, r"(?m)^address +disabled +created$")
        self.assertRegex(listing, r"(?m)^alice@example\.org +no +\d{4}-")

    def test_passwd_changes_the_password_under_both_names(self) -> None:
        self.add_alice()
        for number, command in enumerate((["passwd"], ["account", "passwd"])):
            self.succeed(*command, "alice@example.org", "--password-stdin", stdin=f"new {number}\n")
            self.assertTrue(passwords.verify(self.account("alice@example.org").password, f"new {number}"))
        self.fail_with("account add", "passwd", "bob@example.org", "--password-stdin", stdin="x\n")

    def test_account_is_disabled_and_enabled(self) -> None:
        self.add_alice()
        self.succeed("account", "disable", "alice@example.org")
        self.assertTrue(self.account("alice@example.org").disabled)
        self.succeed("account", "enable", "alice@example.org")
        self.assertFalse(self.account("alice@example.org").disabled)
        self.fail_with("no account", "account", "disable", "bob@example.org")

    def test_removed_account_names_its_aliases_and_its_mail(self) -> None:
        self.add_alice()
        self.succeed("alias", "add", "@example.org", "alice@example.org")
        os.makedirs(os.path.join(self.folder, "maildirs", "example.org", "alice"))
        output = self.succeed("account", "remove", "alice@example.org")
        self.assertIn("@example.org no longer leads there", output)
        self.assertIn("maildirs/example.org/alice", output)
        self.fail_with("no account", "account", "remove", "alice@example.org")


class AliasTests(CommandCase):
    def test_aliases_are_added_listed_and_removed(self) -> None:
        self.add_alice()
        self.succeed("account", "add", "bob@example.org", "--password-stdin", stdin="secret\n")
        self.succeed("alias", "add", "info@example.org", "alice@example.org", "bob@example.org")
        self.succeed("alias", "add", "@example.org", "info@example.org")
        rows = json.loads(self.succeed("alias", "list", "example.org", "--json"))
        self.assertEqual(
            [
                {"alias": "@example.org", "targets": ["info@example.org"], "owner": None},
                {"alias": "info@example.org", "targets": ["alice@example.org", "bob@example.org"], "owner": None},
            ],
            rows,
        )
        self.assertIn("alice@example.org bob@example.org  -\n", self.succeed("alias", "list"))
        self.succeed("alias", "remove", "info@example.org", "bob@example.org")
        self.succeed("alias", "remove", "@example.org")
        rows = json.loads(self.succeed("alias", "list", "--json"))
        self.assertEqual([{"alias": "info@example.org", "targets": ["alice@example.org"], "owner": None}], rows)

    def test_alias_may_lead_to_another_domain_and_says_where_nothing_leaves(self) -> None:
        self.add_alice()
        add = ("alias", "add", "info@example.org", "alice@example.org", "bob@elsewhere.example")
        leads = "info@example.org now leads to alice@example.org, bob@elsewhere.example\n"
        self.assertEqual(leads, self.succeed(*add))
        Path(self.config).write_text('hostname = "mail.example.org"\n[relay]\nenabled = false\n')
        note = "nothing reaches bob@elsewhere.example while [relay] has enabled = false\n"
        self.assertEqual(leads + note, self.succeed(*add))
        self.fail_with("is no address", "alias", "add", "info@example.org", "@elsewhere.example")

    def owners(self) -> dict[str, str | None]:
        rows = json.loads(self.succeed("alias", "list", "--json"))
        return {row["alias"]: row["owner"] for row in rows}

    def test_list_has_an_owner_who_is_shown_changed_and_removed(self) -> None:
        self.add_alice()
        self.succeed("alias", "add", "list@example.org", "bob@elsewhere.example", "--owner", "Alice@example.org")
        self.assertEqual({"list@example.org": "alice@example.org"}, self.owners())
        self.assertIn("bob@elsewhere.example  alice@example.org\n", self.succeed("alias", "list"))
        output = self.succeed("alias", "set", "list@example.org", "owner=default")
        self.assertEqual("list@example.org: nothing in particular\n", output)
        self.assertEqual({"list@example.org": None}, self.owners())
        output = self.succeed("alias", "set", "list@example.org", "owner=alice@example.org")
        self.assertEqual("list@example.org: owner=alice@example.org\n", output)
        self.assertEqual({"list@example.org": "alice@example.org"}, self.owners())
        self.fail_with("no account", "alias", "set", "list@example.org", "owner=bob@elsewhere.example")
        self.fail_with("is no alias", "alias", "set", "other@example.org", "owner=alice@example.org")
        output = self.succeed("account", "remove", "alice@example.org")
        self.assertIn("list@example.org has no owner any more; name one: mailserver alias set", output)
        self.assertEqual({"list@example.org": None}, self.owners())
        self.fail_with("there is owner", "alias", "set", "list@example.org", "sender=alice@example.org")


class ImportTests(CommandCase):
    def import_text(self, text: str) -> str:
        path = os.path.join(self.folder, "users.csv")
        Path(path).write_bytes(text.encode())
        return path

    def test_passwords_are_hashed_and_hashes_taken_as_they_are(self) -> None:
        self.succeed("domain", "add", "example.org")
        sha = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
        path = self.import_text(
            "\ufeffAddress,Password\r\nAlice@example.org,secret\r\n\r\n"
            f'bob@example.org,{sha}\r\ncarol@example.org,"a,""b"\r\ndave@example.org,{{PLAIN}}{{x}}'
        )
        self.assertEqual("added 4 accounts\n", self.succeed("account", "import", path))
        for address, password in (("alice", "secret"), ("bob", "secret"), ("carol", 'a,"b'), ("dave", "{x}")):
            stored = self.account(f"{address}@example.org").password
            self.assertTrue(passwords.verify(stored, password), address)
            self.assertEqual(address != "bob", stored.startswith("$argon2id$"))
        self.assertEqual(sha, self.account("bob@example.org").password)

    def test_all_wrong_lines_are_named_and_nothing_is_changed(self) -> None:
        self.add_alice()
        path = self.import_text(
            "bob@example.org,secret\n"
            "alice@example.org,secret\n"
            "nonsense,secret\n"
            "carol@elsewhere.example,secret\n"
            "dave@example.org\n"
            "erin@example.org,{ROT13}frperg\n"
            "frank@example.org,\n"
            "bob@example.org,other\n"
            "grace@example.org, secret\n"
            "a/b@example.org,secret\n"
            "henry@example.org,{SSHA256}damaged\n"
        )
        status, output, errors = self.run_command("account", "import", path)
        self.assertEqual((1, ""), (status, output))
        expected = {
            2: "there already",
            3: "needs a domain",
            4: "mailserver domain add elsewhere.example",
            5: "needs 2 fields",
            6: "ROT13",
            7: "empty",
            8: "stands in line 1",
            9: "space",
            10: "choose another",
            11: "damaged",
        }
        *lines, last = errors.splitlines()
        self.assertEqual(len(expected), len(lines))
        for line, (number, words) in zip(lines, expected.items(), strict=True):
            self.assertTrue(line.startswith(f"{path}, line {number}: "), line)
            self.assertIn(words, line)
        self.assertTrue(last.startswith("mailserver: 10 lines are wrong; nothing was changed"), last)
        self.assertNotIn("frperg", errors)
        self.assertEqual(1, len(self.directory().accounts()))

    def test_what_is_not_csv_or_not_text_is_refused(self) -> None:
        self.succeed("domain", "add", "example.org")
        status, _, errors = self.run_command("account", "import", self.import_text('a@example.org,"x"y\n'))
        self.assertEqual(1, status)
        self.assertIn("line 1: not CSV", errors)
        path = os.path.join(self.folder, "latin.csv")
        Path(path).write_bytes(b"a@example.org,\xff\n")
        self.fail_with("UTF-8", "account", "import", path)
        self.fail_with("No such file", "account", "import", os.path.join(self.folder, "gone.csv"))

    def test_dash_reads_standard_input(self) -> None:
        self.succeed("domain", "add", "example.org")
        self.succeed("account", "import", "-", stdin="alice@example.org,secret\n")
        self.assertTrue(passwords.verify(self.account("alice@example.org").password, "secret"))

    def test_progress_is_shown_on_a_terminal_only(self) -> None:
        self.succeed("domain", "add", "example.org")
        path = self.import_text("".join(f"u{n}@example.org,secret\n" for n in range(3)))
        status, _, errors = self.run_command("account", "import", path, terminal=True)
        self.assertEqual(0, status)
        self.assertTrue(errors.endswith("\rhashing passwords: 3 of 3\n"), errors)

    def test_running_server_sees_the_new_accounts_at_once(self) -> None:
        self.succeed("domain", "add", "example.org")
        server = self.directory()
        self.assertEqual([], server.accounts())
        self.succeed("account", "import", self.import_text("alice@example.org,{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"))
        self.assertEqual(1, len(server.accounts()))


class AppPasswordTests(CommandCase):
    def test_password_is_shown_once_and_logs_in_for_its_purpose(self) -> None:
        self.add_alice()
        shown = self.succeed("account", "app-password", "add", "alice@example.org", "phone", "--for", "pop3")
        self.assertRegex(shown, r"^[a-z2-9-]{24}\n$")
        passwords = self.directory().app_passwords
        address = alias_address("alice@example.org")
        self.assertEqual("phone", passwords.match(address, shown.strip().encode(), Purpose.POP3))
        self.assertIsNone(passwords.match(address, shown.strip().encode(), Purpose.SMTP))
        listed = self.succeed("account", "app-password", "list", "alice@example.org", "--json")
        self.assertNotIn(shown.strip(), listed)
        (row,) = json.loads(listed)
        self.assertEqual(("phone", ["pop3"], None), (row["name"], row["for"], row["last_used"]))

    def test_removed_password_is_no_longer_listed(self) -> None:
        self.add_alice()
        self.assertIn("no app passwords yet", self.succeed("account", "app-password", "list", "alice@example.org"))
        self.succeed("account", "app-password", "add", "alice@example.org", "phone")
        table = self.succeed("account", "app-password", "list", "alice@example.org")
        self.assertRegex(table, r"(?m)^phone +smtp pop3 +\S+ +-$")
        self.succeed("account", "app-password", "remove", "alice@example.org", "phone")
        self.assertEqual("[]\n", self.succeed("account", "app-password", "list", "alice@example.org", "--json"))

    def test_what_is_not_there_is_refused(self) -> None:
        self.add_alice()
        self.fail_with("no account bob", "account", "app-password", "add", "bob@example.org", "phone")
        self.fail_with("no account bob", "account", "app-password", "list", "bob@example.org")
        self.fail_with("app-password list", "account", "app-password", "remove", "alice@example.org", "phone")
        self.fail_with("--help", "account", "app-password", "add", "alice@example.org", "phone", "--for", "imap")


class SharedSecretTests(CommandCase):
    def test_password_is_kept_readable_only_where_that_is_asked_for(self) -> None:
        self.add_alice()
        alice = alias_address("alice@example.org")
        self.assertIsNone(self.directory().shared_secret(alice))
        self.succeed("account", "passwd", "alice@example.org", "--password-stdin", "--cram-md5", stdin="new secret\n")
        self.assertEqual("new secret", self.directory().shared_secret(alice))
        self.assertTrue(passwords.verify(self.account("alice@example.org").password, "new secret"))
        self.succeed("passwd", "alice@example.org", "--password-stdin", stdin="another\n")
        self.assertIsNone(self.directory().shared_secret(alice))


class AttributeTests(CommandCase):
    def test_attributes_are_stored_in_seconds_and_removed_again(self) -> None:
        self.add_alice()
        output = self.succeed("account", "set", "alice@example.org", "expire=30d", "login-delay=60s")
        self.assertEqual("alice@example.org: expire=30 days, login-delay=1 minute\n", output)
        self.succeed("account", "set", "alice@example.org", "expire=default")
        self.assertIn("admin=true", self.succeed("account", "set", "alice@example.org", "admin=true"))
        self.assertEqual({alias_address("alice@example.org")}, self.directory().administrators())
        self.succeed("account", "set", "alice@example.org", "admin=default")
        self.assertEqual({"login-delay": "60"}, self.directory().attributes(alias_address("alice@example.org")))

    def test_wrong_settings_are_refused_and_nothing_is_changed(self) -> None:
        self.add_alice()
        for wrong in ("expire", "expires=30d", "expire=30", "expire=", "=30d", "expire=23h"):
            self.fail_with("expire", "account", "set", "alice@example.org", "login-delay=60s", wrong)
        self.fail_with("admin=default", "account", "set", "alice@example.org", "admin=yes")
        self.fail_with("no account bob", "account", "set", "bob@example.org", "expire=30d")
        self.assertEqual({}, self.directory().attributes(alias_address("alice@example.org")))

    def test_account_has_limits_of_its_own_for_what_it_sends(self) -> None:
        self.add_alice()
        output = self.succeed("account", "set", "alice@example.org", "messages-per-hour=100", "recipients-per-day=0500")
        self.assertEqual("alice@example.org: messages-per-hour=100, recipients-per-day=500\n", output)
        for wrong in ("messages-per-hour=0", "messages-per-hour=many", "messages-per-hour=-5", "messages-per-hour="):
            self.fail_with("is not a number from 1 up", "account", "set", "alice@example.org", wrong)


class MainTests(CommandCase):
    def test_config_is_taken_before_and_after_the_subcommand(self) -> None:
        del os.environ["MAILSERVER_CONFIG"]
        self.succeed("--config", self.config, "domain", "add", "one.example")
        self.succeed("domain", "add", "two.example", "--config", self.config)
        self.succeed("domain", "list", "--config", self.config)
        self.assertEqual(["one.example", "two.example"], [d.name for d in self.directory().domains()])

    def test_wrong_command_lines_say_where_to_look_and_leave_with_1(self) -> None:
        for arguments in ((), ("domain",), ("frobnicate",), ("account", "add"), ("account", "list", "--jsn")):
            self.fail_with("--help", *arguments)

    def test_wrong_configuration_is_one_line(self) -> None:
        Path(self.config).write_text("\nhostnam = 5\n")
        self.fail_with(f'{self.config}, line 2: hostnam: unknown key; write "hostname"', "domain", "list")
        os.unlink(self.config)
        self.fail_with("name a file that can with --config", "domain", "list")

    def test_directory_that_is_damaged_is_one_line(self) -> None:
        self.add_alice()
        path = os.path.join(self.folder, "maildirs", ".server", "directory.sqlite")
        for suffix in ("-wal", "-shm"):
            Path(path + suffix).unlink(missing_ok=True)
        Path(path).write_bytes(b"no database" * 1000)
        self.fail_with("cannot be opened", "account", "list")

    def test_our_own_mistake_is_one_line_too(self) -> None:
        def broken(path: str, *, keeps_verifiers: bool) -> Directory:
            raise TypeError("of ours\nin two lines")

        self.patch(opening, "Directory", broken)
        self.fail_with("TypeError: of ours in two lines", "account", "list")

    def test_every_command_has_help(self) -> None:
        for arguments in ((), ("domain",), ("account",), ("account", "import"), ("alias", "add"), ("passwd",)):
            status, output, errors = self.run_command(*arguments, "--help")
            self.assertEqual((0, ""), (status, errors))
            self.assertIn("usage: mailserver", output)
        _, output, _ = self.run_command("--help")
        for name, text, _ in FAMILIES:
            self.assertIn(name, output)
            self.assertIn(text, output)

    def test_without_configuration_demo_mode_is_meant(self) -> None:
        self.patch(os, "environ", {})
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        os.unlink(self.config)
        self.fail_with("twistd -n mailserver", "domain", "list")
        os.mkdir("maildirs")
        self.succeed("domain", "add", "example.org")
        self.assertEqual(1, len(self.directory().domains()))

    def test_root_acts_as_the_owner_of_the_data_directory_and_is_root_again(self) -> None:
        if os.geteuid() != 0:
            raise SkipTest("only root can become somebody else")
        # not below self.folder, which may be closed to others
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        data = os.path.join(self.folder, "maildirs")
        os.mkdir(data)
        os.chown(data, 65534, 65534)
        Path(self.config).write_text(f'data = "{data}"\n')
        groups = os.getgroups()
        self.succeed("domain", "add", "example.org")
        self.assertEqual((0, 0, groups), (os.geteuid(), os.getegid(), os.getgroups()))
        for name in ("", "directory.sqlite"):
            found = os.stat(os.path.join(data, ".server", name))
            self.assertEqual((65534, 65534), (found.st_uid, found.st_gid), name)
