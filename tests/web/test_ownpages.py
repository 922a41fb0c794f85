"""What a user does at the page with what is their own."""

from __future__ import annotations

import os
import re

from tests.web.visitor import ALICE, BOB, VisitorTestCase
from twisted_mail.auth.apppasswords import Purpose
from twisted_mail.durable import make_directory
from twisted_mail.records.journal import line_of


class AppPasswordTests(VisitorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.bob = self.visitor(BOB)

    def test_an_app_password_is_shown_once_and_works(self) -> None:
        told = self.bob.do("/account", "add-app-password", name="phone", **{"for": "smtp"})
        found = re.search(r"[a-z0-9]{4}(-[a-z0-9]{4}){4}", told)
        assert found is not None
        passwords = self.directory.app_passwords
        self.assertEqual("phone", passwords.match(BOB, found[0].encode(), Purpose.SMTP))
        self.assertIsNone(passwords.match(BOB, found[0].encode(), Purpose.POP3))
        text = self.bob.get("/account").text
        self.assertNotIn(found[0], text)
        self.assertIn("phone", text)

    def test_an_app_password_is_removed(self) -> None:
        self.bob.do("/account", "add-app-password", name="phone", **{"for": "both"})
        self.assertIn('Removed "phone"', self.bob.do("/account", "remove-app-password", name="phone"))
        self.assertEqual([], self.directory.app_passwords.list(BOB))

    def test_what_cannot_be_made_or_removed_is_told(self) -> None:
        for fields, told in (
            ({"name": "phone", "for": "imap"}, "Choose what it is for"),
            ({"name": "", "for": "both"}, "cannot name"),
        ):
            self.assertIn(told, self.bob.do("/account", "add-app-password", **fields))
        self.assertIn("has no app password", self.bob.do("/account", "remove-app-password", name="other"))
        self.assertEqual([], self.directory.app_passwords.list(BOB))

    def test_a_session_that_is_not_kept_cannot_be_restored(self) -> None:
        self.assertIn("Nothing is kept of that session", self.bob.do("/account", "restore", session="0123456789ab"))


class LoginListTests(VisitorTestCase):
    def test_a_user_sees_their_own_logins_only(self) -> None:
        make_directory(self.config.journal_folder)
        records = [
            {"time": 1.0, "event": "login.accepted", "user": str(BOB), "service": "pop3s", "peer": "192.0.2.7"},
            {
                "time": 2.0,
                "event": "login.refused",
                "user": str(BOB),
                "service": "web",
                "peer": "192.0.2.8",
                "reply": "No",
            },
            {"time": 3.0, "event": "login.accepted", "user": str(ALICE), "service": "smtp", "peer": "192.0.2.9"},
            {"time": 4.0, "event": "login.accepted", "user": str(BOB), "service": "pop3", "peer": "::1", "by": "phone"},
        ]
        with open(os.path.join(self.config.journal_folder, "0000000000001-0.jsonl"), "wb") as file:
            file.writelines(map(line_of, records))
        text = self.visitor(BOB).get("/account").text
        self.assertIn("refused: No", text)
        self.assertIn('app password "phone"', text)
        self.assertNotIn("192.0.2.9", text)
        self.assertLess(text.index("::1"), text.index("192.0.2.7"))
