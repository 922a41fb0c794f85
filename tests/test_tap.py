"""What `twistd mailserver` does where it cannot start; the rest is in integration/test_configuration.py."""

from __future__ import annotations

import os
import signal

from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from twisted_mail import config
from twisted_mail.config import ConfigError
from twisted_mail.mailserver import MailServer
from twisted_mail.tap import Options, makeService


class InterruptedStartTests(TestCase):
    def test_control_c_while_it_is_made_is_one_line(self) -> None:
        def interrupted(path: str | None) -> str:
            raise KeyboardInterrupt

        self.patch(config, "find_config", interrupted)
        end = self.assertRaises(SystemExit, makeService, Options())
        self.assertEqual("mailserver: interrupted before it had started", end.code)

    def test_control_c_while_its_ports_open_waits_for_the_reactor_and_is_no_failure(self) -> None:
        server, sent = self.server(), []
        self.patch(os, "kill", lambda *what: sent.append(what))
        server._cannot_open(Failure(KeyboardInterrupt()))
        server._reactor.run()
        self.assertEqual(([(os.getpid(), signal.SIGINT)], False), (sent, server.failed))

    def test_server_that_cannot_start_stops_the_reactor_and_says_so(self) -> None:
        server = self.server()
        server._cannot_open(Failure(ConfigError("the port has been taken")))
        server._reactor.run()
        self.assertEqual((True, True), (server._reactor.hasStopped, server.failed))

    def server(self) -> MailServer:
        """With a reactor only."""
        server = MailServer.__new__(MailServer)
        server._reactor = MemoryReactorClock()
        return server
