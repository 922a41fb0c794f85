"""`mailserver send` in process: what it puts into the pickup folder, and which status stands for what was wrong."""

from __future__ import annotations

import errno
import os
import pwd
import sys
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from unittest import mock

from tests.cli.test_main import CommandCase
from twisted_mail.cli.main import main
from twisted_mail.queue import requests
from twisted_mail.queue.entry import QueueEntry
from twisted_mail.queue.requests import Verb
from twisted_mail.queue.spool import SpoolFiles
from twisted_mail.smtp.envelope import Body

TEXT = "Subject: hello\n\nHello\n"


class SendCase(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory().add_domain("example.org")
        self.succeed("account", "add", "alice@example.org", "--password-stdin", stdin="secret\n")
        self.files = SpoolFiles(os.path.join(self.folder, "maildirs", ".server", "pickup"))

    def sent(self) -> tuple[QueueEntry, Message]:
        """The only message that was sent."""
        (identifier,) = self.files.identifiers()
        entry = self.files.read(identifier)
        return entry, message_from_bytes(b"".join(self.files.open(entry).pieces()))

    def send(self, *arguments: str, text: str = TEXT) -> tuple[QueueEntry, Message]:
        self.assertEqual("", self.succeed("send", *arguments, stdin=text))
        entry, message = self.sent()
        return entry, message

    def refused(self, status: int, words: str, *arguments: str, text: str = TEXT) -> None:
        found, output, errors = self.run_command("send", *arguments, stdin=text)
        self.assertEqual((status, ""), (found, output), errors)
        self.assertIn(words, errors)
        self.assertEqual(1, errors.count("\n"))
        if os.path.isdir(self.files.folder):
            self.assertEqual([], self.files.identifiers())

    def to(self, entry: QueueEntry) -> list[str]:
        return [str(each.recipient.address) for each in entry.recipients]


class SendTests(SendCase):
    def test_message_is_queued_with_all_that_it_lacks(self) -> None:
        entry, message = self.send("alice@example.org", "bob@example.net", "alice@example.org")
        self.assertEqual(["alice@example.org", "bob@example.net"], self.to(entry))
        self.assertEqual(f"{pwd.getpwuid(os.getuid()).pw_name}@example.org", str(entry.sender))
        self.assertEqual(("hello", "Hello\n"), (message["Subject"], message.get_payload()))
        self.assertIn(f"<{entry.sender}>" if "<" in message["From"] else str(entry.sender), message["From"])
        self.assertEqual(f"<{entry.message_id}@mail.example.org>", message["Message-ID"])
        self.assertRegex(message["Date"], r"^\w{3}, \d\d \w{3} \d{4} ")
        self.assertEqual([(entry.id, Verb.NEW)], list(requests.asked(self.files.folder)))

    def test_options_of_sendmail_are_understood(self) -> None:
        entry, message = self.send(
            "-oi", "-oem", "-t", "-f", "alice@example.org", "-FAlice B.", "-bm", "-v", "-G", "--", "eve@example.net",
            text="To: bob@example.net\nBcc: carol@example.net\nSubject: hello\n\na\n.\nb\n",
        )  # fmt: skip
        self.assertEqual(["eve@example.net", "bob@example.net", "carol@example.net"], self.to(entry))
        self.assertEqual("alice@example.org", str(entry.sender))
        self.assertEqual('"Alice B." <alice@example.org>', message["From"])
        self.assertIsNone(message["Bcc"])
        self.assertEqual("a\n.\nb\n", message.get_payload())

    def test_command_lines_of_common_programs_are_understood(self) -> None:
        """cron, mutt, PHP, git send-email and smartd, as they call /usr/sbin/sendmail."""
        text = "To: alice@example.org\nSubject: x\n\nx\n"
        for number, line in enumerate(
            (
                "-FCronDaemon -i -B8BITMIME -oem alice",
                "-oem -oi -f alice@example.org -- alice@example.org bob@example.net",
                "-t -i",
                "-i alice@example.org bob@example.net",
                "-t -oi -oem -falice@example.org",
            )
        ):
            self.assertEqual("", self.succeed("send", *line.split(), stdin=text), line)
            self.assertEqual(number + 1, len(self.files.identifiers()), line)

    def test_dot_ends_the_message_unless_it_shall_not(self) -> None:
        _, message = self.send("alice@example.org", text="Subject: x\n\na\n.\nb\n")
        self.assertEqual("a\n", message.get_payload())

    def test_combined_flags_are_understood(self) -> None:
        entry, message = self.send("-ti", text="To: alice@example.org\n\n.\n")
        self.assertEqual((["alice@example.org"], ".\n"), (self.to(entry), message.get_payload()))

    def test_name_alone_is_of_the_first_domain_of_ours_above_the_host(self) -> None:
        entry, _ = self.send("-r", "daemon", "alice")
        self.assertEqual((["alice@example.org"], "daemon@example.org"), (self.to(entry), str(entry.sender)))

    def test_empty_sender_is_nobody(self) -> None:
        for number, sender in enumerate(("", "<>")):
            self.succeed("send", "-f", sender, "alice@example.org", stdin=TEXT)
            entries = [self.files.read(each) for each in self.files.identifiers()]
            self.assertEqual([None] * (number + 1), [each.sender for each in entries])
        message = message_from_bytes(b"".join(self.files.open(entries[0]).pieces()))
        self.assertIn("MAILER-DAEMON@mail.example.org", message["From"])

    def test_8bit_text_and_utf8_addresses_are_announced(self) -> None:
        entry, _ = self.send("jürgen@bücher.example", text="Subject: Größe\n\nx\n")
        self.assertEqual((Body.EIGHT_BIT_MIME, True), (entry.options.body, entry.options.smtputf8))

    def test_output_without_a_header_is_a_body(self) -> None:
        _, message = self.send("alice@example.org", text="it: does not work, says cron\nreally\n")
        self.assertIn("really", message.get_payload())

    def test_command_is_called_sendmail(self) -> None:
        with mock.patch.object(sys, "argv", ["/usr/sbin/sendmail", "-i", "alice@example.org"]):
            self.patch(sys, "stdin", open(self.text_file()))  # noqa: SIM115
            self.addCleanup(sys.stdin.close)
            self.assertEqual(0, main())
        self.assertEqual(["alice@example.org"], self.to(self.sent()[0]))

    def text_file(self) -> str:
        path = Path(self.folder, "text")
        path.write_text(TEXT)
        return str(path)

    def test_alias_is_a_recipient(self) -> None:
        self.succeed("alias", "add", "root@example.org", "alice@example.org")
        self.assertEqual(["root@example.org"], self.to(self.send("root")[0]))


class RefusedTests(SendCase):
    def test_each_failure_has_the_status_that_programs_know(self) -> None:
        for status, words, *arguments in (
            (os.EX_USAGE, "there is no recipient"),
            (os.EX_USAGE, "the message names none", "-t"),
            (os.EX_USAGE, "see: mailserver send --help", "--frogs", "alice@example.org"),
            (os.EX_USAGE, "invalid choice", "-bs"),
            (os.EX_USAGE, "not a domain name", "bob@exa mple"),
            (os.EX_USAGE, "the part before the @", "-f", "a b@example.org", "alice@example.org"),
            (os.EX_NOUSER, "there is no mailbox bob@example.org here", "alice@example.org", "bob@example.org"),
            (os.EX_CONFIG, "gone.toml", "--config", "gone.toml", "alice@example.org"),
            (os.EX_UNAVAILABLE, "mail.example.org is no domain of this server", "x@mail.example.org"),
        ):
            self.refused(int(status), str(words), *map(str, arguments))

    def test_mailbox_that_is_switched_off_takes_nothing(self) -> None:
        self.succeed("account", "disable", "alice@example.org")
        self.refused(os.EX_UNAVAILABLE, "switched off", "alice@example.org")

    def test_message_that_is_too_large_is_refused(self) -> None:
        Path(self.config).write_text('hostname = "mail.example.org"\n[limits]\nmessage_size = 50\n')
        self.refused(os.EX_DATAERR, "more than 50 octets", "alice@example.org", text=TEXT + "x" * 50)

    def test_server_that_does_not_relay_says_so_at_once(self) -> None:
        Path(self.config).write_text('hostname = "mail.example.org"\n[relay]\nenabled = false\n')
        self.refused(os.EX_UNAVAILABLE, "does not send mail to other domains", "bob@example.net")

    def test_disk_that_is_full_is_a_failure_for_now_and_leaves_nothing(self) -> None:
        full = OSError(errno.ENOSPC, "No space left on device")
        with mock.patch("twisted_mail.filecontents.Octets.write_to", side_effect=full):
            self.refused(os.EX_TEMPFAIL, "No space left on device; nothing was sent", "alice@example.org")
        self.assertEqual([], os.listdir(f"{self.files.folder}/tmp"))

    def test_other_users_are_told_who_may(self) -> None:
        with (
            mock.patch("twisted_mail.cli.send.put", side_effect=PermissionError(13, "Permission denied", "x")),
            mock.patch("os.geteuid", return_value=1000),
            mock.patch("os.access", return_value=False),
        ):
            self.refused(os.EX_NOPERM, "only that user and root may send this way", "alice@example.org")
