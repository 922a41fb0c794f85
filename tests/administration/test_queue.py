"""What is asked for with a queued message: left for the scheduler, and waited for."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.queue.queueing import new_spool, now, put
from tests.web.visitor import VisitorTestCase
from twisted_mail.administration.queue import INTERVAL, PATIENCE, Queue
from twisted_mail.affairs import QueueChange, RefusedChange
from twisted_mail.queue import requests
from twisted_mail.queue.requests import Verb


class QueueTests(VisitorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.spool = new_spool(self.config.queue_folder, self.clock)
        self.folder = self.config.queue_folder
        now(put(self.spool, "bob@example.net"))
        (self.identifier,) = self.spool.files.identifiers()
        requests.done(self.folder, self.identifier, Verb.NEW)
        self.queue = Queue(self.folder, self.means)

    def ask(self, change: QueueChange) -> Deferred[str]:
        return Deferred.fromCoroutine(self.queue.ask(self.identifier, change))

    def test_each_change_is_a_request_that_is_told_once_it_is_done(self) -> None:
        for change in QueueChange:
            asking = self.ask(change)
            self.assertEqual([(self.identifier, Verb(change.value))], list(requests.asked(self.folder)))
            self.clock.advance(INTERVAL)
            self.assertNoResult(asking)
            requests.done(self.folder, self.identifier, Verb(change.value))
            self.clock.advance(INTERVAL)
            self.assertIn(self.identifier, self.successResultOf(asking))

    def test_a_scheduler_that_is_busy_is_not_waited_for_long(self) -> None:
        asking = self.ask(QueueChange.RETRY)
        self.clock.pump([INTERVAL] * int(PATIENCE / INTERVAL + 2))
        self.assertIn("still at it", self.successResultOf(asking))

    def test_what_has_left_the_queue_is_asked_for_in_vain(self) -> None:
        self.identifier = "../" + self.identifier
        self.failureResultOf(self.ask(QueueChange.DROP), RefusedChange)
        self.assertEqual([], list(requests.asked(self.folder)))
