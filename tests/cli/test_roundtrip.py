"""What `mailserver try` says and checks, with a script in the server's place (real ports: integration/test_try.py)."""

from __future__ import annotations

import base64
import io
import os
import sys

from twisted.trial.unittest import TestCase

from twisted_mail.auth.directory import Directory
from twisted_mail.cli.dialogue import STRUCK_OUT, Dialogue, TrialError
from twisted_mail.cli.roundtrip import Trial, fetch_message, send_message, service_of, throwaway_account
from twisted_mail.config import Config, load
from twisted_mail.smtp.address import Address

TRIAL = Trial(Address("try-1", "example.org"), "a secret", "This line comes back: 17")
SECRET = base64.b64encode(b"\0try-1@example.org\0a secret").decode()

SUBMISSION = """\
220 mail.example.org
250-mail.example.org
250 STARTTLS
220 Go
<TLS>
250 mail.example.org
235 Welcome
250 Ok
250 Ok
354 Go
250 Stored
221 Goodbye
"""
POP3 = """\
+OK ready
+OK Begin TLS
<TLS>
+OK
+OK Logged in
+OK 1 100
+OK 100 octets
Subject: mailserver try

This line comes back: 17
..
.
+OK
+OK
"""


class ScriptedWire:
    """Gives the lines of a script, whatever it is told; `<TLS>` is where TLS must start."""

    def __init__(self, script: str) -> None:
        self._lines = script.splitlines()
        self.written: list[str] = []
        self.closed = False

    def read_line(self) -> bytes:
        if not self._lines:
            return b""
        line = self._lines.pop(0)
        if line == "<silence>":
            raise TimeoutError("timed out")
        assert line != "<TLS>", "TLS was to start here"
        return f"{line}\r\n".encode()

    def write(self, octets: bytes) -> None:
        self.written += octets.decode().split("\r\n")[:-1]

    def start_tls(self) -> str:
        assert self._lines.pop(0) == "<TLS>"
        self.written.append("<TLS>")
        return "TLSv1.3"

    def close(self) -> None:
        self.closed = True


class DialogueCase(TestCase):
    def setUp(self) -> None:
        self.output = io.StringIO()
        self.patch(sys, "stdout", self.output)

    def send(self, script: str, security: str = "STARTTLS") -> list[str]:
        """What the client says."""
        wire = ScriptedWire(script)
        with Dialogue("Submission", wire) as dialogue:
            send_message(dialogue, TRIAL, security)
        self.assertTrue(wire.closed)
        return wire.written

    def fetch(self, script: str, security: str = "STARTTLS") -> list[str]:
        wire = ScriptedWire(script)
        with Dialogue("POP3", wire) as dialogue:
            fetch_message(dialogue, TRIAL, security)
        return wire.written


class SendTests(DialogueCase):
    def test_message_is_submitted_under_tls(self) -> None:
        said = self.send(SUBMISSION)
        self.assertEqual(["EHLO localhost", "STARTTLS", "<TLS>", "EHLO localhost", f"AUTH PLAIN {SECRET}"], said[:5])
        self.assertEqual([TRIAL.token, ".", "QUIT"], said[-3:])

    def test_tls_from_the_first_octet_comes_before_the_greeting(self) -> None:
        script = "<TLS>\n" + SUBMISSION.replace("250 STARTTLS\n220 Go\n<TLS>\n250 mail", "250 HELP\n220 x", 1)
        script = script.replace("220 x.example.org\n", "")
        said = self.send(script, "SSL/TLS")
        self.assertEqual(["<TLS>", "EHLO localhost", f"AUTH PLAIN {SECRET}"], said[:3])

    def test_dialogue_is_shown_without_the_secret(self) -> None:
        self.send(SUBMISSION)
        shown = self.output.getvalue()
        self.assertIn("  S: 250-mail.example.org\n  S: 250 STARTTLS\n  C: STARTTLS\n  S: 220 Go\n  -- TLSv1.3\n", shown)
        self.assertIn(f"  C: AUTH PLAIN {STRUCK_OUT}\n", shown)
        self.assertIn(f"  C: {TRIAL.token}\n  C: .\n", shown)
        for secret in (SECRET, TRIAL.password):
            self.assertNotIn(secret, shown)

    def test_refused_step_is_named_without_the_secret(self) -> None:
        error = self.assertRaises(TrialError, self.send, SUBMISSION.replace("235 Welcome", "535 5.7.8 Wrong"))
        self.assertIn("Submission answered AUTH with: 535 5.7.8 Wrong", str(error))
        self.assertNotIn(SECRET, str(error))

    def test_server_that_goes_away_or_falls_silent_is_told_from_one_that_refuses(self) -> None:
        self.assertIn("closed the connection", str(self.assertRaises(TrialError, self.send, "220 mail.example.org\n")))
        self.assertIn("timed out", str(self.assertRaises(TrialError, self.send, "220 mail.example.org\n<silence>\n")))


class FetchTests(DialogueCase):
    def test_message_is_fetched_deleted_and_shown_without_the_password(self) -> None:
        said = self.fetch(POP3)
        self.assertEqual(["STLS", "<TLS>", "USER try-1@example.org", "PASS a secret"], said[:4])
        self.assertEqual(["STAT", "RETR 1", "DELE 1", "QUIT"], said[4:])
        self.assertIn(f"  C: PASS {STRUCK_OUT}\n", self.output.getvalue())
        self.assertNotIn("a secret", self.output.getvalue())

    def test_another_message_is_a_failure_and_stays(self) -> None:
        error = self.assertRaises(TrialError, self.fetch, POP3.replace("back: 17", "back: 18"))
        self.assertIn("another message", str(error))
        self.assertNotIn("DELE", self.output.getvalue())


class AccountTests(TestCase):
    def setUp(self) -> None:
        self.config = Config(data=os.path.abspath(self.mktemp()))
        self.directory = Directory(self.config.directory_file)
        self.addCleanup(self.directory.close)

    def test_account_and_its_maildir_are_gone_afterwards_also_after_a_failure(self) -> None:
        self.directory.add_domain("example.org")
        for failure in (None, TrialError("broken"), KeyboardInterrupt()):
            try:
                with throwaway_account(self.config) as trial:
                    self.assertEqual([trial.account], [account.address for account in self.directory.accounts()])
                    maildir = os.path.join(self.config.data, "example.org", trial.account.local_part)
                    os.makedirs(os.path.join(maildir, "new"))
                    if failure is not None:
                        raise failure
            except (TrialError, KeyboardInterrupt) as error:
                self.assertIs(failure, error)
            self.assertEqual([], self.directory.accounts())
            self.assertFalse(os.path.exists(maildir))

    def test_without_a_domain_it_says_which_command_makes_one(self) -> None:
        with self.assertRaises(TrialError) as caught, throwaway_account(self.config):
            self.fail("there is no domain to have an account in")
        self.assertIn("mailserver domain add", str(caught.exception))


class ServiceTests(TestCase):
    def config(self, text: str) -> Config:
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            file.write(text)
        return load(path, check_files=False)

    def test_port_with_starttls_is_tried_before_that_with_tls_at_once(self) -> None:
        tls = '[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n'
        for listen, expected in (
            ("", ("127.0.0.1", 587, "STARTTLS")),
            ('submission = ["tcp6:2587"]', ("::1", 2587, "STARTTLS")),
            ('submission = ["tcp:2587:interface=0.0.0.0"]', ("127.0.0.1", 2587, "STARTTLS")),
            ('submission = ["tcp:2587:interface=192.0.2.1"]', ("192.0.2.1", 2587, "STARTTLS")),
            ("submission = []", ("127.0.0.1", 465, "SSL/TLS")),
            ('submission = ["unix:/run/submission"]', ("127.0.0.1", 465, "SSL/TLS")),
        ):
            found = service_of(self.config(f"[listen]\n{listen}\n{tls}"), "Submission", "submission", "submissions")
            self.assertEqual(expected, (found.host, found.port, found.security), listen)

    def test_without_certificate_passwords_go_in_the_clear_only_where_that_is_allowed(self) -> None:
        found = service_of(self.config("[auth]\nallow_plaintext = true\n"), "POP3", "pop3", "pop3s")
        self.assertEqual((110, "none"), (found.port, found.security))
        error = self.assertRaises(TrialError, service_of, self.config(""), "POP3", "pop3", "pop3s")
        self.assertIn("name a certificate and its key in [tls]", str(error))

    def test_service_that_is_switched_off_is_named(self) -> None:
        config = self.config("[listen]\npop3 = []\n[auth]\nallow_plaintext = true\n")
        self.assertIn("pop3", str(self.assertRaises(TrialError, service_of, config, "POP3", "pop3", "pop3s")))
