"""A milter on a fake connection: what it is told, what it may change, and what becomes of one that misbehaves."""

from __future__ import annotations

import os
import struct
from typing import Any

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.targets import ORIGIN, message, recipients, text_of
from twisted_mail.content import MessageBuilder
from twisted_mail.message.evidence import ENOUGH, Evidence
from twisted_mail.policy.filters.contract import FilterFailed, Mail
from twisted_mail.policy.milter import codec
from twisted_mail.policy.milter.asked import Milter, MilterOptions
from twisted_mail.policy.milter.codec import Step, packet
from twisted_mail.protocols.stream import Stream
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import MailOptions
from twisted_mail.smtp.reply import SMTPError

LETTER = b"From: a@b.example\nSubject: hello\n folded\nX: 1\nx: 2\n\nHello\nyou\n"
CONTINUE = packet(b"c")
QUIET = (
    *(Step.NR_CONNECT, Step.NR_HELO, Step.NR_MAIL, Step.NR_RCPT, Step.NR_DATA, Step.NR_HEADER),
    *(Step.NR_END_OF_HEADER, Step.NR_BODY),
)


def agreed(*steps: Step, actions: int = 0xFF, version: int = 6) -> bytes:
    return packet(b"O", struct.pack(">III", version, actions, sum(steps)))


def indexed(kind: bytes, index: int, *texts: bytes) -> bytes:
    return packet(kind, struct.pack(">I", index) + codec.strings(*texts))


class MilterTests(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.stream = Stream()
        self.transport = StringTransport()
        self.stream.makeConnection(self.transport)
        self.connecting: Deferred[Stream] = succeed(self.stream)

    def options(self, max_body: int = 1000) -> MilterOptions:
        folder = self.mktemp()

        def new_body() -> MessageBuilder:
            return MessageBuilder("other", folder, lambda call: execute(call))

        return MilterOptions(
            lambda: self.connecting, "mx", 5.0, max_body, new_body, lambda call: execute(call), self.clock
        )

    def passing(self, text: bytes = LETTER, max_body: int = 1000) -> Deferred[Mail]:
        milter = Milter(self.options(max_body))

        async def send() -> Mail:
            asked = await milter.begin(ORIGIN, parse_address("a@b.example"), MailOptions(size=9))
            to = recipients("bob@example.org", "carol@example.org")
            try:
                for recipient in to:
                    await asked.recipient(recipient)
                return await asked.message(Mail(parse_address("a@b.example"), tuple(to), message(text)))
            except BaseException:
                asked.abort()
                raise

        return Deferred.fromCoroutine(send())

    def told(self) -> list[tuple[bytes, bytes]]:
        """Commands and their contents, since the last time."""
        octets, found = self.transport.value(), []
        self.transport.clear()
        while octets:
            (size,) = struct.unpack(">I", octets[:4])
            found.append((octets[4:5], octets[5 : 4 + size]))
            octets = octets[4 + size :]
        return found

    def changed(self, *answers: bytes, **passing: Any) -> Mail:
        """What comes of it, where the milter says nothing before the end and then *answers*."""
        sending = self.passing(**passing)
        self.stream.dataReceived(agreed(*QUIET) + b"".join(answers))
        return self.successResultOf(sending)

    def problem(self, sending: Deferred[Mail]) -> str:
        failed = str(self.failureResultOf(sending, FilterFailed).value)
        self.assertTrue(self.transport.disconnecting or self.connecting is None)
        return failed

    def refusal(self, *answers: bytes) -> str:
        sending = self.passing()
        self.stream.dataReceived(b"".join(answers))
        return str(self.failureResultOf(sending, SMTPError).value)

    # ---- what it is told

    def test_it_is_told_everything_in_order_and_waited_for(self) -> None:
        sending = self.passing()
        offered = struct.pack(">III", 6, 0xFF, codec.ALL_STEPS)
        self.assertEqual([(b"O", offered)], self.told())
        self.stream.dataReceived(agreed())
        steps = [
            [(b"C", b"[192.0.2.1]\x004\0\x00192.0.2.1\0")],
            [(b"H", b"client.example\0")],
            [(b"M", b"<a@b.example>\0SIZE=9\0")],
            [(b"R", b"<bob@example.org>\0")],
            [(b"R", b"<carol@example.org>\0")],
            [(b"T", b"")],
            [(b"L", b"From\0a@b.example\0")],
            [(b"L", b"Subject\0hello\n folded\0")],
            [(b"L", b"X\x001\0")],
            [(b"L", b"x\x002\0")],
            [(b"N", b"")],
            [(b"B", b"Hello\r\nyou\r\n")],
            [(b"E", b"")],
        ]
        for step in steps:
            self.assertEqual(step, [each for each in self.told() if each[0] != b"D"])
            self.assertNoResult(sending)
            self.stream.dataReceived(CONTINUE)
        mail = self.successResultOf(sending)
        self.assertEqual(LETTER, text_of(mail.message))
        self.assertEqual([(b"Q", b"")], self.told())
        self.assertTrue(self.transport.disconnecting)

    def test_macros_go_before_what_they_belong_to(self) -> None:
        sending = self.passing()
        self.stream.dataReceived(agreed(*QUIET))
        told = self.told()
        macros = {content[:1]: content[1:].split(b"\0") for kind, content in told if kind == b"D"}
        self.assertIn(b"{client_addr}", macros[b"C"])
        self.assertEqual([b"{mail_addr}", b"a@b.example"], macros[b"M"][:2])
        self.assertEqual([b"i", b"01" * 16, b""], macros[b"E"])
        kinds = b"".join(kind for kind, _ in told)
        self.assertIn(b"DE", kinds)
        self.stream.dataReceived(CONTINUE)
        self.successResultOf(sending)

    def test_it_is_not_told_what_it_does_not_want(self) -> None:
        sending = self.passing()
        no = (Step.NO_CONNECT, Step.NO_HELO, Step.NO_MAIL, Step.NO_RCPT, Step.NO_DATA, Step.NO_HEADERS)
        self.stream.dataReceived(agreed(*no, Step.NO_END_OF_HEADER, Step.NO_BODY))
        self.assertEqual([b"O", b"E"], [kind for kind, _ in self.told() if kind != b"D"])
        self.stream.dataReceived(CONTINUE)
        self.successResultOf(sending)

    def test_long_body_comes_in_pieces_until_it_has_seen_enough(self) -> None:
        body = b"x" * 99 + b"\n"
        sending = self.passing(b"Subject: long\n\n" + body * 3000)
        quiet = [step for step in QUIET if step is not Step.NR_BODY]
        self.stream.dataReceived(agreed(*quiet, Step.SKIP) + CONTINUE)
        pieces = [content for kind, content in self.told() if kind == b"B"]
        self.assertEqual([65_535, 65_535], [len(piece) for piece in pieces])
        self.stream.dataReceived(packet(b"s"))
        self.assertEqual(b"E", self.told()[-1][0])
        self.stream.dataReceived(CONTINUE)
        self.successResultOf(sending)

    def test_space_after_the_colon_is_left_to_it_where_it_asks(self) -> None:
        sending = self.passing(b"A:1\nB:  2\n\n")
        self.stream.dataReceived(agreed(*QUIET, Step.LEADING_SPACE))
        self.assertEqual([b"A\x001\0", b"B\0  2\0"], [content for kind, content in self.told() if kind == b"L"])
        self.stream.dataReceived(packet(b"h", b"C\x003\0") + CONTINUE)
        self.assertEqual(b"A:1\nB:  2\nC:3\n\n", text_of(self.successResultOf(sending).message))

    # ---- what it changes

    def test_header_is_changed_in_each_way(self) -> None:
        start, end = b"From: a@b.example\nSubject: hello\n folded\n", b"\nHello\nyou\n"
        for answer, wanted in (
            (packet(b"h", b"New\0last\0"), start + b"X: 1\nx: 2\nNew: last\n" + end),
            (indexed(b"i", 0, b"New", b"first"), b"New: first\n" + start + b"X: 1\nx: 2\n" + end),
            (indexed(b"i", 1, b"New", b"first"), b"New: first\n" + start + b"X: 1\nx: 2\n" + end),
            (
                indexed(b"i", 2, b"New", b"second"),
                b"From: a@b.example\nNew: second\n" + start[18:] + b"X: 1\nx: 2\n" + end,
            ),
            (indexed(b"m", 2, b"X", b"two"), start + b"X: 1\nX: two\n" + end),
            (indexed(b"m", 1, b"x", b""), start + b"x: 2\n" + end),
            (indexed(b"m", 3, b"X", b"three"), start + b"X: 1\nx: 2\nX: three\n" + end),
            (indexed(b"m", 3, b"X", b""), start + b"X: 1\nx: 2\n" + end),
            (packet(b"h", b"New\0a\r\nEvil: yes\n\tb\n\n\0"), start + b"X: 1\nx: 2\nNew: a\n\tEvil: yes\n\tb\n" + end),
            (packet(b"q", b"it smells\0"), b"X-Quarantine: it smells\n" + start + b"X: 1\nx: 2\n" + end),
        ):
            self.setUp()
            self.assertEqual(wanted, text_of(self.changed(answer, CONTINUE).message), answer)

    def test_what_it_wants_kept_apart_is_junk(self) -> None:
        for more in ((), (packet(b"b", b"another body\r\n"),)):
            self.setUp()
            message = self.changed(packet(b"q", b"it smells\0"), *more, CONTINUE).message
            self.assertEqual((Evidence(ENOUGH, "a filter says: it smells"),), message.evidence)

    def test_body_is_replaced_by_all_pieces(self) -> None:
        mail = self.changed(packet(b"b", b"New: no field\r"), packet(b"p"), packet(b"b", b"\nbody\r\n"), CONTINUE)
        header, _, body = text_of(mail.message).partition(b"\n\n")
        self.assertEqual((b"From: a@b.example", b"New: no field\nbody\n"), (header[:17], body))
        self.assertEqual(("01" * 16, text_of(mail.message).count(b"\n")), (mail.message.id, mail.message.lines))

    def test_large_new_body_goes_to_the_disk(self) -> None:
        folder = self.mktemp()
        os.mkdir(folder)
        self.patch(self, "mktemp", lambda: folder)
        pieces = [packet(b"b", b"x" * 65_000 + b"\r\n")] * 9
        mail = self.changed(*pieces, CONTINUE, max_body=1_000_000)
        self.assertEqual((b"x" * 65_000 + b"\n") * 9, text_of(mail.message).partition(b"\n\n")[2])

    def test_envelope_is_changed(self) -> None:
        mail = self.changed(
            packet(b"+", b"<dave@example.org>\0"),
            packet(b"2", b"<erin@example.org>\0NOTIFY=NEVER\0"),
            packet(b"+", b"<bob@example.org>\0"),
            packet(b"-", b"carol@example.org\0"),
            packet(b"e", b"<new@b.example>\0"),
            CONTINUE,
        )
        self.assertEqual("new@b.example", str(mail.sender))
        to = [str(recipient.address) for recipient in mail.recipients]
        self.assertEqual(["bob@example.org", "dave@example.org", "erin@example.org"], to)
        self.setUp()
        self.assertIsNone(self.changed(packet(b"e", b"<>\0"), CONTINUE).sender)

    def test_discarded_message_has_no_recipients(self) -> None:
        self.assertEqual((), self.changed(packet(b"d")).recipients)
        self.setUp()
        sending = self.passing()
        self.stream.dataReceived(agreed() + CONTINUE + packet(b"d"))
        self.assertEqual((), self.successResultOf(sending).recipients)

    def test_accepted_early_it_is_told_no_more(self) -> None:
        sending = self.passing()
        self.stream.dataReceived(agreed() + CONTINUE + CONTINUE + packet(b"a"))
        self.assertEqual(LETTER, text_of(self.successResultOf(sending).message))
        self.assertEqual(b"Q", self.told()[-1][0])
        self.assertTrue(self.transport.disconnecting)

    def test_refusals_have_its_words(self) -> None:
        later = "451 4.7.1 A filter of this server cannot take the message now, try again later"
        for answer, wanted in (
            (packet(b"r"), "550 5.7.1 The message is refused by a filter of this server"),
            (packet(b"t"), later),
            (packet(b"y", b"554 5.6.0 100%% bad\0"), "554 5.6.0 100% bad"),
            (packet(b"y", b"550-5.7.1 one\r\n550 5.7.1 two\0"), "550 5.7.1 one\ntwo"),
            (packet(b"y", b"450 wait\0"), "450 4.7.1 wait"),
            (packet(b"y", b"450 5.1.1 wait\0"), "450 4.7.1 wait"),
        ):
            for before in (agreed(), agreed() + CONTINUE * 2, agreed() + CONTINUE * 12):
                self.setUp()
                self.assertEqual(wanted, self.refusal(before, answer))

    def test_old_version_is_not_told_of_data(self) -> None:
        sending = self.passing()
        self.stream.dataReceived(agreed(version=2) + CONTINUE * 12)
        self.assertNotIn(b"T", [kind for kind, _ in self.told()])
        self.successResultOf(sending)

    # ---- where it misbehaves

    def test_silent_one_has_its_time(self) -> None:
        for said in (b"", agreed(), agreed() + CONTINUE * 3, agreed(*QUIET), agreed() + CONTINUE[:3]):
            self.setUp()
            sending = self.passing()
            self.stream.dataReceived(said)
            self.clock.advance(4.9)
            self.assertNoResult(sending)
            self.clock.advance(0.1)
            self.assertEqual("no answer within 5 seconds", self.problem(sending))

    def test_sign_of_being_at_work_gives_it_more_time(self) -> None:
        sending = self.passing()
        self.stream.dataReceived(agreed(*QUIET))
        for _ in range(3):
            self.clock.advance(4.0)
            self.stream.dataReceived(packet(b"p"))
        self.stream.dataReceived(CONTINUE)
        self.successResultOf(sending)

    def test_octets_one_by_one_give_it_no_more_time(self) -> None:
        sending = self.passing()
        for octet in agreed()[:5]:
            self.stream.dataReceived(bytes([octet]))
            self.clock.advance(1.0)
        self.assertEqual("no answer within 5 seconds", self.problem(sending))

    def test_answers_octet_by_octet_are_the_same(self) -> None:
        sending = self.passing()
        for octet in agreed(*QUIET) + packet(b"h", b"New\0last\0") + CONTINUE:
            self.stream.dataReceived(bytes([octet]))
        self.assertIn(b"New: last\n", text_of(self.successResultOf(sending).message))

    def test_closed_connection_is_a_failure_at_any_place(self) -> None:
        for said in (b"", agreed(), agreed() + CONTINUE * 4, agreed(*QUIET), agreed(*QUIET) + CONTINUE[:4]):
            self.setUp()
            sending = self.passing()
            self.stream.dataReceived(said)
            self.stream.connectionLost(Failure(ConnectionError()))
            self.assertIn("it closed the connection", str(self.failureResultOf(sending, FilterFailed).value))

    def test_one_that_is_not_there_is_a_failure(self) -> None:
        self.connecting = Deferred()
        sending = self.passing()
        self.connecting.errback(Failure(ConnectionRefusedError("nobody")))
        self.assertIn("it cannot be reached (nobody)", str(self.failureResultOf(sending, FilterFailed).value))

    def test_what_was_not_agreed_on_is_a_failure(self) -> None:
        for said in (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            packet(b"O", b"short"),
            agreed(version=7),
            agreed(actions=0x100),
            CONTINUE,
            agreed() + packet(b"h", b"New\0too early\0"),
            agreed() + packet(b"s"),
            agreed() + packet(b"?"),
            agreed() + packet(b"4"),
            agreed() + packet(b"y", b"250 2.0.0 fine\0"),
            agreed() + packet(b"y", b"no reply\0"),
            agreed() + b"\0\0\0\0",
            agreed() + b"\x7f\xff\xff\xff",
            agreed(*QUIET, actions=0x01) + packet(b"b", b"body"),
            agreed(*QUIET) + packet(b"h", b"no name\0x\0"),
            agreed(*QUIET) + packet(b"h", b"Name\0"),
            agreed(*QUIET) + packet(b"m", b"\0\0"),
            agreed(*QUIET) + packet(b"+", b"<no address>\0"),
            agreed(*QUIET) + packet(b"+", b"\xff\0"),
            agreed(*QUIET) + packet(b"b", b"x" * 1001),
            agreed(*QUIET) + packet(b"p") * 10_001,
        ):
            self.setUp()
            sending = self.passing()
            self.stream.dataReceived(said)
            self.assertTrue(self.problem(sending), said[:40])

    def test_client_that_goes_takes_the_connection_with_it(self) -> None:
        sending = self.passing()
        self.stream.dataReceived(agreed())
        sending.addErrback(lambda failure: None)
        sending.cancel()
        self.assertTrue(self.transport.disconnecting)
