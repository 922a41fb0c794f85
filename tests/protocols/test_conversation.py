"""What drives the coroutine of a connection."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.protocols.conversation import Conversation, pause


class ConversationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.said: list[object] = []

    def begun(self, *awaited: Deferred[object] | None) -> Conversation:
        """One that pauses, or waits for a Deferred, and says what came of it."""

        async def talk() -> None:
            try:
                for each in awaited:
                    try:
                        self.said.append(await pause() if each is None else await each)
                    except ValueError as error:
                        self.said.append(error)
                self.said.append("end")
            except CancelledError:
                self.said.append("cancelled")

        conversation = Conversation(talk())
        self.assertTrue(conversation.is_paused)
        conversation.go_on()
        return conversation

    def test_pause_goes_on_when_told(self) -> None:
        conversation = self.begun(None, None)
        self.assertTrue(conversation.is_paused)
        conversation.go_on()
        self.assertEqual(self.said, [None])
        conversation.go_on()
        self.assertEqual(self.said, [None, None, "end"])
        self.assertFalse(conversation.is_paused)

    def test_deferreds_are_awaited_as_ever(self) -> None:
        later: Deferred[object] = Deferred()
        error = ValueError()
        conversation = self.begun(succeed(1), fail(error), later)
        self.assertEqual(self.said, [1, error])
        self.assertFalse(conversation.is_paused)
        later.callback(3)
        self.assertEqual(self.said, [1, error, 3, "end"])

    def test_failure_that_comes_later_is_raised(self) -> None:
        later: Deferred[object] = Deferred()
        self.begun(later)
        error = ValueError()
        later.errback(error)
        self.assertEqual(self.said, [error, "end"])

    def test_cancelled_in_a_pause_ends(self) -> None:
        conversation = self.begun(None)
        conversation.cancel()
        self.assertEqual(self.said, ["cancelled"])
        conversation.cancel()
        self.assertFalse(conversation.is_paused)

    def test_cancelled_while_it_awaits_cancels_that(self) -> None:
        cancelled: list[object] = []
        conversation = self.begun(Deferred(cancelled.append))
        conversation.cancel()
        self.assertEqual(self.said, ["cancelled"])
        self.assertEqual(len(cancelled), 1)

    def test_cancelled_by_itself_ends_at_its_next_wait(self) -> None:
        async def talk() -> None:
            await pause()
            conversation.cancel()
            self.said.append("still here")
            try:
                await pause()
            except CancelledError:
                self.said.append("cancelled")

        conversation = Conversation(talk())
        conversation.go_on()
        conversation.go_on()
        self.assertEqual(self.said, ["still here", "cancelled"])

    def test_cancelled_while_it_is_shielded_ends_at_the_first_wait_behind_that(self) -> None:
        shielded: Deferred[object] = Deferred()
        cancelled: list[object] = []

        async def talk() -> None:
            conversation.is_shielded = True
            self.said.append(await shielded)
            conversation.is_shielded = False
            try:
                await Deferred(cancelled.append)
            except CancelledError:
                self.said.append("cancelled")

        conversation = Conversation(talk())
        conversation.go_on()
        conversation.cancel()
        self.assertEqual(self.said, [])
        shielded.callback("done")
        self.assertEqual(self.said, ["done", "cancelled"])
        self.assertEqual(len(cancelled), 1)

    def test_cancelled_after_its_end_is_nothing(self) -> None:
        conversation = self.begun()
        conversation.cancel()
        self.assertEqual(self.said, ["end"])
