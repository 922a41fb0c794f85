"""A connection as a stream: reading and writing wait where they must, and both hear of the end."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.protocols.stream import READ_AHEAD, Stream


class StreamTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.stream = Stream()
        self.transport = StringTransport()
        self.stream.makeConnection(self.transport)

    def reading(self) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self.stream.read())

    def lose(self) -> None:
        self.stream.connectionLost(Failure(ConnectionError()))

    def test_reading_gives_all_that_is_there_or_waits(self) -> None:
        reading = self.reading()
        self.assertNoResult(reading)
        self.stream.dataReceived(b"ab")
        self.assertEqual(b"ab", self.successResultOf(reading))
        self.stream.dataReceived(b"c")
        self.stream.dataReceived(b"d")
        self.assertEqual(b"cd", self.successResultOf(self.reading()))

    def test_what_came_before_the_end_is_read_first(self) -> None:
        self.stream.dataReceived(b"last")
        self.lose()
        self.assertEqual([b"last", b""], [self.successResultOf(self.reading()) for _ in range(2)])

    def test_end_wakes_who_reads(self) -> None:
        reading = self.reading()
        self.lose()
        self.assertEqual(b"", self.successResultOf(reading))

    def test_reader_that_gave_up_is_not_woken(self) -> None:
        reading = self.reading()
        reading.addErrback(lambda failure: None)
        reading.cancel()
        self.stream.dataReceived(b"late")
        self.assertEqual(b"late", self.successResultOf(self.reading()))

    def test_other_side_waits_where_nobody_reads(self) -> None:
        self.stream.dataReceived(b"x" * (READ_AHEAD + 1))
        self.assertEqual("paused", self.transport.producerState)
        self.successResultOf(self.reading())
        self.assertEqual("producing", self.transport.producerState)

    def test_writer_waits_until_there_is_room_or_an_end(self) -> None:
        for end in (self.stream.resumeProducing, self.lose):
            self.stream.pauseProducing()
            writing = Deferred.fromCoroutine(self.stream.write(b"x"))
            self.assertNoResult(writing)
            end()
            self.successResultOf(writing)
        self.failureResultOf(Deferred.fromCoroutine(self.stream.write(b"x")), ConnectionError)

    def test_last_words_are_said_to_who_reads(self) -> None:
        self.stream.close(b"bye")
        self.assertEqual((b"bye", True), (self.transport.value(), self.transport.disconnecting))

    def test_who_does_not_read_is_cut_off(self) -> None:
        self.stream.pauseProducing()
        self.stream.close(b"bye")
        self.assertEqual((b"", True), (self.transport.value(), self.transport.disconnecting))
