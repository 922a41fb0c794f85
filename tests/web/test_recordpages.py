"""What has happened, as an administrator reads it."""

from __future__ import annotations

import os
from dataclasses import replace

from tests.web.visitor import ALICE, VisitorTestCase
from twisted_mail.durable import make_directory
from twisted_mail.records.journal import line_of
from twisted_mail.sections import Journal

ID = "0193500000007000800000000000000a"
MOMENT = 1_700_000_000.0  # 2023-11-14 22:13:20
RECORDS = [
    {"event": "login.accepted", "session": "0123456789ab", "user": "x@example.org", "service": "pop3", "peer": "::7"},
    {
        "event": "message.accepted",
        "session": "abcdef012345",
        "id": ID,
        "sender": "them@else.example",
        "recipients": ["bob@example.org"],
        "message_id": "<1@else.example>",
        "service": "smtp",
        "peer": "192.0.2.1",
        "size": 17,
    },
    {"event": "message.stored", "id": ID, "mailboxes": ["bob@example.org"], "file": f"new/1.{ID}.host"},
    {"event": "command.refused", "session": "00112233aabb", "peer": "::8", "reply": "500 <No>", "dialogue": "C: <X>"},
    {"event": "fault", "text": "the disk is gone", "error": "Traceback"},
    {"event": "web.answered", "text": "web ::1 GET / 200"},
]


class RecordPageTests(VisitorTestCase):
    def setUp(self) -> None:
        super().setUp()
        make_directory(self.config.journal_folder)
        with open(os.path.join(self.config.journal_folder, "1700000000000-0.jsonl"), "wb") as file:
            file.writelines(line_of({"time": MOMENT + index, **each}) for index, each in enumerate(RECORDS))
        self.alice = self.visitor(ALICE)

    def test_the_last_things_are_told_by_kind(self) -> None:
        for kind, there, missing in (
            ("", "from &lt;them@else.example&gt;", "logged in"),
            ("messages", "on disk in the mailbox", "the disk is gone"),
            ("sessions", "x@example.org logged in", "them@else.example"),
            ("faults", "the disk is gone", "logged in"),
            ("everything", "the disk is gone", "GET /"),
        ):
            text = self.alice.get(f"/admin/activity?kind={kind}").text
            self.assertIn(there, text, kind)
            self.assertNotIn(missing, text, kind)

    def test_the_newest_goes_first_and_what_was_said_is_escaped(self) -> None:
        text = self.alice.get("/admin/activity?kind=everything").text
        self.assertLess(text.index("the disk is gone"), text.index("x@example.org logged in"))
        self.assertIn("<pre>C: &lt;X&gt;</pre>", text)

    def test_only_what_contains_a_text_is_shown(self) -> None:
        text = self.alice.get("/admin/activity?kind=everything&q=ELSE.example").text
        self.assertIn("them@else.example", text)
        self.assertNotIn("the disk is gone", text)

    def test_a_message_leads_to_its_story(self) -> None:
        link = f"/admin/story?q={ID}"
        self.assertIn(f'href="{link}"', self.alice.get("/admin/activity").text)
        for question in (ID, "1@else.example", "bob@example.org", "2023-11-14"):
            text = self.alice.get(f"/admin/story?q={question}").text
            self.assertIn("from &lt;them@else.example&gt;", text, question)
            self.assertIn("on disk in the mailbox of bob@example.org", text, question)

    def test_what_is_not_known_is_told(self) -> None:
        for question in ("nobody@example.org", "<script>", "2001-01-01"):
            text = self.alice.get(f"/admin/story?q={question}").text
            self.assertIn("Nothing is known of", text)
            self.assertNotIn("<script>", text)

    def test_without_a_journal_there_is_nothing(self) -> None:
        self.means = replace(self.means, config=replace(self.config, journal=Journal(keep=0)))
        self.site = self.new_site()
        alice = self.visitor(ALICE)
        for path in ("/admin/activity", "/admin/story?q=x"):
            self.assertIn("[journal] keep is 0", alice.get(path).text)
