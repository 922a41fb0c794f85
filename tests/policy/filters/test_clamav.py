"""ClamAV on a fake connection that speaks its protocol strictly: what it is sent, what it says, how it fails."""

from __future__ import annotations

import struct

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.targets import ORIGIN, message, recipients
from twisted_mail.policy.filters.clamav import MAX_ANSWER, ClamAV, ClamAVOptions
from twisted_mail.policy.filters.contract import FilterFailed, Mail
from twisted_mail.protocols.stream import Stream
from twisted_mail.smtp.envelope import MailOptions
from twisted_mail.smtp.reply import SMTPError

LETTER = b"Subject: hello\n\nHello\n"


def instream(octets: bytes) -> bytes:
    """What was scanned: all has its length in front, and the end is said."""
    assert octets.startswith(b"zINSTREAM\0"), octets
    octets, found = octets[10:], b""
    while size := struct.unpack(">I", octets[:4])[0]:
        assert len(octets) > 4 + size
        found += octets[4 : 4 + size]
        octets = octets[4 + size :]
    assert octets == b"\0\0\0\0"
    return found


class ClamAVTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.stream = Stream()
        self.transport = StringTransport()
        self.stream.makeConnection(self.transport)
        self.connecting: Deferred[Stream] = succeed(self.stream)

    def scanning(self, text: bytes = LETTER) -> Deferred[Mail]:
        options = ClamAVOptions(lambda: self.connecting, 5.0, lambda call: execute(call), self.clock)

        async def scan() -> Mail:
            asked = await ClamAV(options).begin(ORIGIN, None, MailOptions())
            to = recipients("bob@example.org")
            await asked.recipient(to[0])
            return await asked.message(Mail(None, tuple(to), message(text)))

        return Deferred.fromCoroutine(scan())

    def test_clean_message_goes_on(self) -> None:
        for text in (LETTER, b"\nbody alone\n", b"Subject: no body\n\n"):
            self.setUp()
            scanning = self.scanning(text)
            self.assertEqual(text, instream(self.transport.value()))
            self.assertNoResult(scanning)
            for octet in b"stream: OK\0":
                self.stream.dataReceived(bytes([octet]))
            self.assertEqual(text, b"".join(self.successResultOf(scanning).message.pieces()))
            self.assertTrue(self.transport.disconnecting)

    def test_virus_is_refused_with_its_name(self) -> None:
        scanning = self.scanning()
        self.stream.dataReceived(b"stream: Eicar-Signature FOUND\0")
        error = self.failureResultOf(scanning, SMTPError).value
        self.assertEqual("554 5.7.1 A virus is in this message: Eicar-Signature", str(error))

    def test_whatever_else_it_says_is_a_failure(self) -> None:
        said = (b"INSTREAM size limit exceeded. ERROR\0", b"stream: FOUND\0", b"OK\0", b"\0", b"x" * (MAX_ANSWER + 9))
        for answer in said:
            self.setUp()
            scanning = self.scanning()
            for start in range(0, len(answer), 1000):
                self.stream.dataReceived(answer[start : start + 1000])
            self.failureResultOf(scanning, FilterFailed)

    def test_silence_and_ends_are_failures(self) -> None:
        scanning = self.scanning()
        self.clock.advance(5.0)
        self.assertIn("no answer within 5", str(self.failureResultOf(scanning, FilterFailed).value))
        self.setUp()
        scanning = self.scanning()
        self.stream.connectionLost(Failure(ConnectionError()))
        self.assertIn("closed", str(self.failureResultOf(scanning, FilterFailed).value))
        self.connecting = Deferred()
        scanning = self.scanning()
        self.connecting.errback(Failure(ConnectionRefusedError("nobody")))
        self.assertIn("(nobody)", str(self.failureResultOf(scanning, FilterFailed).value))

    def test_one_that_does_not_read_has_its_time(self) -> None:
        self.stream.pauseProducing()
        scanning = self.scanning()
        self.clock.advance(5.0)
        self.failureResultOf(scanning, FilterFailed)
