"""What becomes of connections on which nothing happens."""

from __future__ import annotations

from twisted.cred.portal import Portal
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import TestCase

from tests.support import NoInquiries
from twisted_mail.auth.realm import MailRealm
from twisted_mail.pop3.server import SessionOptions
from twisted_mail.protocols.connection import ConnectionFactory, Listener
from twisted_mail.protocols.crowd import SWEEP_INTERVAL
from twisted_mail.protocols.limits import ConnectionLimits
from twisted_mail.protocols.pop3 import POP3Server, POP3Service

IDLE_LIMIT = 600.0


class ClosingTransport(StringTransport):
    """One whose client never does its part of closing: as over TLS, nothing but abortConnection ends it."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class IdleTests(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        service = POP3Service(SessionOptions("mail.example.org"), Portal(MailRealm(None, None, None)), NoInquiries())
        listener = Listener(ConnectionLimits(10, 10), self.clock, idle_limit=IDLE_LIMIT)
        self.factory = ConnectionFactory(listener, lambda *wire: POP3Server(service, *wire))
        self.factory.doStart()
        self.addCleanup(self.factory.doStop)
        self.transport = ClosingTransport()
        self.protocol = self.factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)
        self.transport.clear()

    def pass_idle_limit(self) -> None:
        self.clock.advance(IDLE_LIMIT)
        self.clock.advance(SWEEP_INTERVAL)

    def test_an_idle_client_is_told_and_then_disconnected(self) -> None:
        self.pass_idle_limit()
        self.assertTrue(self.transport.value().startswith(b"-ERR [SYS/TEMP] "))
        self.assertEqual((True, False), (self.transport.disconnecting, self.transport.aborted))

    def test_a_client_that_does_not_end_tls_then_is_cut_off(self) -> None:
        self.pass_idle_limit()
        self.clock.advance(SWEEP_INTERVAL)
        self.assertTrue(self.transport.aborted)

    def test_a_client_that_does_not_end_tls_after_quit_is_cut_off(self) -> None:
        self.protocol.dataReceived(b"QUIT\r\n")
        self.assertEqual((True, False), (self.transport.disconnecting, self.transport.aborted))
        self.pass_idle_limit()
        self.assertTrue(self.transport.aborted)

    def test_a_client_that_says_something_stays(self) -> None:
        self.clock.advance(IDLE_LIMIT - 1)
        self.protocol.dataReceived(b"CAPA\r\n")
        self.clock.advance(IDLE_LIMIT - 1)
        self.assertFalse(self.transport.disconnecting)
