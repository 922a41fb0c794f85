"""The logger for what happens often."""

from __future__ import annotations

from twisted.logger import Logger, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.eventlog import EventLog


class Usual:
    log = Logger()


class Often:
    log = EventLog()


class Oftener(Often):
    pass


class EventLogTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.events: list[dict[str, object]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def test_event_is_that_of_a_usual_logger(self) -> None:
        for each in (Usual(), Often()):
            each.log.info("{what} came", event="message.stored", what="mail")
        usual, often = self.events
        self.assertEqual(list(often), list(usual))
        for name in ("event", "what", "log_format", "log_level"):
            self.assertEqual(often[name], usual[name])
        self.assertEqual(often["log_namespace"], f"{__name__}.Often")
        self.assertIs(often["log_source"], Often)

    def test_each_class_has_one(self) -> None:
        self.assertIs(Often().log, Often().log)
        self.assertIsNot(Often.log, Oftener.log)
        Oftener().log.emit(LogLevel.warn, "x")
        self.assertEqual(self.events[0]["log_namespace"], f"{__name__}.Oftener")
