"""Envelope files: everything that they must carry comes back, and what is none is refused."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from twisted.trial.unittest import TestCase

from tests.queue.queueing import ALICE, ORIGIN
from twisted_mail.queue.entry import LastAttempt, PendingReport, QueuedRecipient, QueueEntry, State
from twisted_mail.queue.envelope import EnvelopeError, decode, encode
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import (
    Body,
    DeliverBy,
    MailOptions,
    Notify,
    Overdue,
    Recipient,
    RecipientOptions,
    Return,
    TLSInfo,
)
from twisted_mail.smtp.reply import Reply

OPTIONS = MailOptions(
    size=1000,
    body=Body.BINARY_MIME,
    smtputf8=True,
    auth="",
    ret=Return.FULL,
    envelope_id="id 1",
    require_tls=True,
    deliver_by=DeliverBy(-5, Overdue.NOTIFY, True),
    release=timedelta(seconds=90),
    priority=-9,
    solicit=("org.example:ADV",),
)
LAST = LastAttempt(5.5, Reply(450, "2.0", 'say "hi"\n\u20ac'), "mx.example.net", "C: x\nS: y", True)
FULL = QueuedRecipient(
    Recipient(parse_address("bob@example.net"), RecipientOptions(Notify.NEVER, "rfc822;b@x")),
    7.25,
    State.FAILED,
    3,
    Notify.DELAY | Notify.FAILURE,
    LAST,
)
PLAIN = QueuedRecipient(Recipient(parse_address("eve@example.net")), 1.0)
ENTRY = QueueEntry(
    "01ab-ffffff", 1.5, ORIGIN, ALICE, OPTIONS, (FULL, PLAIN), 10, 100, 5, True, PendingReport("02", 9.0)
)


class EnvelopeTests(TestCase):
    def test_entry_comes_back_as_it_was(self) -> None:
        for entry in (
            ENTRY,
            replace(ENTRY, sender=None, report=None, options=MailOptions(), held=False),
            replace(ENTRY, options=MailOptions(release=datetime(2030, 1, 2, 3, 4, 5, 600, UTC))),
        ):
            self.assertEqual(entry, decode(encode(entry)))

    def test_every_option_is_other_than_its_default_in_the_test_above(self) -> None:
        for value, default in (
            (OPTIONS, MailOptions()),
            (FULL.recipient.options, RecipientOptions()),
            (FULL, QueuedRecipient(PLAIN.recipient, 0.0)),
        ):
            for field in fields(value):
                self.assertNotEqual(getattr(default, field.name), getattr(value, field.name), field.name)

    def test_tls_of_the_session_is_not_kept(self) -> None:
        entry = replace(ENTRY, origin=replace(ORIGIN, tls=TLSInfo("TLSv1.3", "x")))
        self.assertEqual(ENTRY, decode(encode(entry)))

    def test_strange_addresses_come_back(self) -> None:
        for local_part, domain in (
            ("postmaster", ""),
            ('a "b" @ c\\', "example.net"),
            ("\u4f8b\u3048", "xn--r8jz45g.example"),
            ("bob", "[IPv6:2001:db8::1]"),
            ("x" * 300, "example.net"),
        ):
            address = Address(local_part, domain)
            entry = replace(ENTRY, sender=address, recipients=(replace(PLAIN, recipient=Recipient(address)),))
            self.assertEqual(entry, decode(encode(entry)))

    def test_text_is_json_for_people(self) -> None:
        record = json.loads(encode(ENTRY))
        self.assertEqual("alice@example.org", record["sender"])
        self.assertEqual(["bob@example.net", "eve@example.net"], [each["address"] for each in record["recipients"]])
        self.assertTrue(encode(ENTRY).endswith(b"}\n"))

    def test_what_is_no_envelope_is_refused(self) -> None:
        good = json.loads(encode(ENTRY))
        recipient = good["recipients"][0]
        for text in (
            b"",
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe",
            encode(ENTRY)[:-20],
            json.dumps({**good, "version": 2}).encode(),
            json.dumps({key: good[key] for key in good if key != "recipients"}).encode(),
            json.dumps({**good, "recipients": [{**recipient, "state": "gone"}]}).encode(),
            json.dumps({**good, "recipients": [{**recipient, "address": 7}]}).encode(),
            json.dumps({**good, "options": {"colour": "red"}}).encode(),
        ):
            self.assertRaises(EnvelopeError, decode, text)
