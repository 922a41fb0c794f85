"""The queue as an administrator sees it."""

from __future__ import annotations

import os
from dataclasses import replace

from tests.queue.queueing import new_spool, now, put
from tests.web.visitor import ALICE, VisitorTestCase
from twisted_mail.queue.entry import LastAttempt
from twisted_mail.relayconfig import Relay
from twisted_mail.smtp.reply import Reply


class QueuePageTests(VisitorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.visitor(ALICE)

    def queue(self, *recipients: str) -> str:
        """Its id."""
        spool = new_spool(self.config.queue_folder, self.clock)
        before = set(spool.files.identifiers()) if os.path.isdir(spool.files.messages) else set()
        now(put(spool, *recipients))
        (identifier,) = set(spool.files.identifiers()) - before
        return identifier

    def said(self, identifier: str, reply: str) -> None:
        """That to all recipients, at an attempt."""
        spool = new_spool(self.config.queue_folder, self.clock)
        entry = spool.files.read(identifier)
        last = LastAttempt(1.0, Reply(451, "4.1", reply), "mx.example.net", "C: QUIT", by_remote=True)
        recipients = tuple(replace(each, attempts=1, last=last) for each in entry.recipients)
        now(spool.rewrite(replace(entry, recipients=recipients).hold()))

    def test_an_empty_queue_is_told(self) -> None:
        self.assertIn("No messages wait.", self.alice.get("/admin/queue").text)

    def test_what_waits_is_listed_and_found(self) -> None:
        first, second = self.queue("bob@example.net"), self.queue("x@else.example", "y@else.example", "z@else.example")
        text = self.alice.get("/admin/queue").text
        self.assertIn("2 messages wait.", text)
        self.assertIn(f'href="/admin/queue/{first}"', text)
        self.assertIn("x@else.example, y@else.example and 1 more", text)
        text = self.alice.get("/admin/queue?q=ELSE.example").text
        self.assertIn(second, text)
        self.assertNotIn(first, text)

    def test_a_message_is_shown_with_what_was_said_of_it(self) -> None:
        identifier = self.queue("bob@example.net")
        self.said(identifier, "<b>Later</b>")
        text = self.alice.get(f"/admin/queue/{identifier}").text
        for expected in ("held", "bob@example.net", "mx.example.net", "451 4.4.1 &lt;b&gt;Later&lt;/b&gt;", "C: QUIT"):
            self.assertIn(expected, text)

    def test_what_is_not_there_is_told(self) -> None:
        self.queue("bob@example.net")
        for path in ("/admin/queue/0123", "/admin/queue/..%2f..%2fx"):
            self.assertEqual("/admin/queue", self.alice.get(path).headers["Location"])
            self.assertIn("is not in the queue", self.alice.get("/admin/queue").text)

    def test_without_a_relay_there_is_no_queue(self) -> None:
        self.means = replace(self.means, config=replace(self.config, relay=Relay(enabled=False)))
        self.site = self.new_site()
        self.assertIn("sends nothing to others", self.visitor(ALICE).get("/admin/queue").text)
