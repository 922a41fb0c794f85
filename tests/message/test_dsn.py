"""Reports, as a person reads them and as a program does."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage, Message

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from twisted_mail.message.dsn import MAX_HEADER, Action, RecipientReport, Report, compose, reason
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.reply import Reply

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
BOB = RecipientReport(
    parse_address("bob@example.net"),
    Action.FAILED,
    Reply(550, "1.1", "No such user here"),
    host="mx.example.net",
    by_remote=True,
    dialogue="S: 220 mx.example.net\nC: RCPT TO:<bob@example.net>\nS: 550 5.1.1 No such user here",
    last_attempt=NOW,
)
LATE = RecipientReport(
    parse_address("eve@example.com"),
    Action.DELAYED,
    Reply(451, "4.1", "Connection refused"),
    host="mx.example.com",
    last_attempt=NOW,
    until=NOW + timedelta(days=5),
)
REPORT = Report(
    id="01" * 16,
    hostname="mx.example.org",
    sender=parse_address("alice@example.org"),
    now=NOW,
    arrival=NOW - timedelta(hours=4),
    recipients=[BOB],
    header=b"Subject: x\nMessage-ID: <1@example.org>\n\n",
)


def parsed(report: Report) -> EmailMessage:
    text = compose(report)
    found = email.message_from_bytes(text, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def parts(report: Report) -> list[Message]:
    return list(parsed(report).iter_parts())


def person_text(report: Report) -> str:
    payload = parts(report)[0].get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def program_groups(report: Report) -> list[Message]:
    groups = parts(report)[1].get_payload()
    assert isinstance(groups, list)
    return groups


class PersonTests(TestCase):
    def test_first_sentence_says_what_happened(self) -> None:
        for code, detail, by_remote, expected in (
            (550, "1.1", True, "there is no such user"),
            (552, "2.2", True, "their mailbox is full"),
            (452, "2.2", True, "their mailbox is full"),
            (550, "1.2", False, "there is no mail server for example.net"),
            (556, "1.10", False, "example.net takes no mail at all"),
            (451, "4.1", False, "mx.example.net did not answer"),
            (451, "4.2", False, "mx.example.net broke off the connection"),
            (552, "3.4", True, "the message is too large for mx.example.net"),
            (550, "7.1", True, "mx.example.net refused it"),
            (550, "7.26", True, "mx.example.net refused it"),
            (554, "6.3", True, "mx.example.net cannot take a message of this form"),
            (550, "0.0", True, "mx.example.net refused it"),
            (550, "", True, "mx.example.net refused it"),
            (552, "", True, "their mailbox is full"),
            (554, "9.9", False, "it could not be passed on to mx.example.net"),
        ):
            each = replace(BOB, reply=Reply(code, detail, "Whatever"), by_remote=by_remote)
            self.assertEqual(expected, reason(each), f"{code} {detail}")
            first = person_text(replace(REPORT, recipients=[each])).split("\n\n")[0].replace("\n", " ")
            self.assertTrue(first.startswith(f"Your message to bob@example.net was not delivered: {expected}."), first)

    def test_delay_says_until_when(self) -> None:
        text = person_text(replace(REPORT, recipients=[LATE]))
        self.assertTrue(text.startswith("Your message to eve@example.com is delayed: mx.example.com did not answer.\n"))
        self.assertIn("Still trying until 2026-02-05 12:00 UTC. You need not send it again.", text)

    def test_what_was_given_up_says_since_when_it_was_tried(self) -> None:
        text = person_text(replace(REPORT, recipients=[replace(LATE, action=Action.FAILED, until=None)]))
        self.assertIn("This server has tried since 2026-01-31 08:00 UTC, and has given up.", text)

    def test_reply_is_that_of_who_gave_it(self) -> None:
        self.assertIn("mx.example.net said: 550 5.1.1 No such user here", person_text(REPORT))
        self.assertIn("In detail: 451 4.4.1 Connection refused", person_text(replace(REPORT, recipients=[LATE])))

    def test_dialogue_of_what_failed_is_shown(self) -> None:
        text = person_text(REPORT)
        self.assertIn("\n    C: RCPT TO:<bob@example.net>\n    S: 550 5.1.1 No such user here\n", text)
        self.assertNotIn("session", person_text(replace(REPORT, recipients=[replace(BOB, action=Action.DELAYED)])))

    def test_subject_is_that_of_the_worst(self) -> None:
        relayed = RecipientReport(parse_address("joe@example.com"), Action.RELAYED, Reply(250, "0.0", ""))
        for recipients, subject in (
            ([relayed, LATE, BOB], "Your message was not delivered"),
            ([relayed, LATE], "Your message is delayed"),
            ([relayed], "Your message was passed on"),
        ):
            self.assertEqual(subject, parsed(replace(REPORT, recipients=recipients))["Subject"])


class ProgramTests(TestCase):
    def test_header_is_that_of_an_automatic_answer_in_the_same_thread(self) -> None:
        found = parsed(REPORT)
        for name, value in (
            ("From", "Mail Delivery System <mailer-daemon@mx.example.org>"),
            ("To", "alice@example.org"),
            ("Auto-Submitted", "auto-replied"),
            ("Message-ID", f"<{REPORT.id}@mx.example.org>"),
            ("In-Reply-To", "<1@example.org>"),
            ("References", "<1@example.org>"),
        ):
            self.assertEqual(value, found[name])
        self.assertEqual("multipart/report", found.get_content_type())
        self.assertEqual("delivery-status", found.get_param("report-type"))
        self.assertNotIn("In-Reply-To", parsed(replace(REPORT, header=b"Message-ID: <a b>\n\n")))

    def test_fields_are_those_of_rfc_3464(self) -> None:
        bob = replace(BOB, original_recipient="rfc822;Bob@Example.NET")
        about, first, second = program_groups(replace(REPORT, recipients=[bob, LATE], envelope_id="id 1"))
        self.assertEqual(
            [
                ("Reporting-MTA", "dns; mx.example.org"),
                ("Original-Envelope-Id", "id 1"),
                ("Arrival-Date", "Sat, 31 Jan 2026 08:00:00 +0000"),
            ],
            about.items(),
        )
        self.assertEqual(
            [
                ("Original-Recipient", "rfc822; Bob@Example.NET"),
                ("Final-Recipient", "rfc822; bob@example.net"),
                ("Action", "failed"),
                ("Status", "5.1.1"),
                ("Remote-MTA", "dns; mx.example.net"),
                ("Diagnostic-Code", "smtp; 550 5.1.1 No such user here"),
                ("Last-Attempt-Date", "Sat, 31 Jan 2026 12:00:00 +0000"),
            ],
            first.items(),
        )
        self.assertEqual(
            [
                ("Final-Recipient", "rfc822; eve@example.com"),
                ("Action", "delayed"),
                ("Status", "4.4.1"),
                ("Remote-MTA", "dns; mx.example.com"),
                ("Diagnostic-Code", "x-twisted-mail; 451 4.4.1 Connection refused"),
                ("Last-Attempt-Date", "Sat, 31 Jan 2026 12:00:00 +0000"),
                ("Will-Retry-Until", "Thu, 05 Feb 2026 12:00:00 +0000"),
            ],
            second.items(),
        )

    def test_code_without_enhanced_status_gets_one(self) -> None:
        for code, status in ((550, "5.0.0"), (552, "5.2.2"), (421, "4.4.2"), (599, "5.0.0")):
            (_, group) = program_groups(replace(REPORT, recipients=[replace(BOB, reply=Reply(code, "", "x"))]))
            self.assertEqual(status, group["Status"])

    def test_message_returns_whole_or_by_its_header(self) -> None:
        text = REPORT.header + b"Hello\n--=_" + REPORT.id[:30].encode() + b"\nbye"
        whole = parts(replace(REPORT, original=text))[2]
        self.assertEqual("message/rfc822", whole.get_content_type())
        self.assertIn("bye", whole.as_string())
        header = parts(REPORT)[2]
        self.assertEqual("text/rfc822-headers", header.get_content_type())
        self.assertEqual(REPORT.header, header.get_payload(decode=True))

    def test_endless_header_is_cut_off_between_lines(self) -> None:
        header = b"X-Long: 0123456789\n" * (MAX_HEADER // 10)
        shown = parts(replace(REPORT, header=header))[2].get_payload(decode=True)
        assert isinstance(shown, bytes)
        self.assertLessEqual(len(shown), MAX_HEADER)
        self.assertEqual({b"X-Long: 0123456789"}, set(shown.splitlines()))

    def test_addresses_beyond_ascii_make_the_report_international(self) -> None:
        address = Address("m\u00fcller", "xn--mller-kva.example")
        report = replace(REPORT, recipients=[replace(BOB, address=address)])
        self.assertTrue(report.is_international)
        self.assertFalse(REPORT.is_international)
        text = compose(report).decode()
        self.assertIn("Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n", text)
        self.assertIn("Final-Recipient: utf-8; m\u00fcller@xn--mller-kva.example\n", text)
        self.assertIn("Content-Type: message/global-headers\n", text)

    def test_reply_beyond_ascii_does_not(self) -> None:
        report = replace(REPORT, recipients=[replace(BOB, reply=Reply(550, "1.1", "gibt es nicht \u2014 n\u00f6"))])
        self.assertIn("Diagnostic-Code: smtp; 550 5.1.1 gibt es nicht ? n?\n", compose(report).decode())
        self.assertIn("n\u00f6", person_text(report))

    def test_report_is_ascii_where_nothing_is_beyond_it(self) -> None:
        self.assertTrue(compose(replace(REPORT, recipients=[BOB, LATE])).isascii())


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=1200)


@given(
    text=TEXT, host=TEXT, dialogue=TEXT, header=st.binary(max_size=300), original=st.none() | st.binary(max_size=300)
)
def test_nothing_that_a_server_says_breaks_the_report(
    text: str, host: str, dialogue: str, header: bytes, original: bytes | None
) -> None:
    """Three parts, the fields that belong there and no others, lines within bounds."""
    each = replace(BOB, reply=Reply(550, "1.1", text), host=host, dialogue=dialogue)
    report = replace(REPORT, recipients=[each], header=header, original=original)
    composed = compose(report)
    ours = composed[: composed.rindex(b"--=_%s\nContent-Type: " % report.id.encode())]
    assert max(map(len, ours.split(b"\n"))) <= 998
    assert not set(ours) & (set(range(32)) - {10})
    assert ours.count(f"--=_{report.id}\n".encode()) == 2
    status = ours.rpartition(b"Content-Transfer-Encoding: ")[2].split(b"\n", 2)[2].decode()
    names = [line.partition(":")[0] for line in status.split("\n") if line and not line.startswith(" ")]
    expected = ["Reporting-MTA", "Arrival-Date", "Final-Recipient", "Action", "Status"]
    assert [name for name in names if name != "Remote-MTA"] == [*expected, "Diagnostic-Code", "Last-Attempt-Date"]
