"""Messages that go in a circle are refused; those that only look a little like it are not."""

from __future__ import annotations

from tests.delivery.test_policies import WHOLE, PolicyCase
from twisted_mail.delivery.trace import Traced

HOP = b"Received: from a.example\n by b.example; Sat, 21 Nov 2026 00:00:00 +0000\n"


class LoopTests(PolicyCase):
    def setUp(self) -> None:
        super().setUp()
        self.guard = Traced(self.inner, "mx.example.org", self.clock)

    def assert_taken(self, text: bytes) -> None:
        _, _, taken = self.send(self.guard, text).partition(b" +0000\n")  # behind our own Received
        self.assertEqual(text, taken)

    def test_hundred_hops_are_taken_and_no_more(self) -> None:
        text = HOP * 100 + WHOLE
        self.assert_taken(text)
        self.inner.taken.clear()
        self.assertEqual("554 5.4.6", self.refusal(self.guard, b"RECEIVED : x\n" + text))

    def test_only_fields_of_the_header_are_hops(self) -> None:
        others = b"X-Received: x\n" * 60 + b"Subject: " + b"\n received:" * 60 + b"\n"
        for text in (others + WHOLE, WHOLE + HOP * 101):
            self.assert_taken(text)

    def test_message_that_was_here_for_the_same_recipient_is_refused(self) -> None:
        for field in (b"Delivered-To: alice@example.org\n", b"delivered-to:\n alice@EXAMPLE.org\n"):
            self.assertEqual("554 5.4.6", self.refusal(self.guard, HOP + field + WHOLE))
            self.assertEqual(
                "554 5.4.6", self.refusal(self.guard, field + WHOLE, to="bob@example.org alice@example.org")
            )

    def test_message_that_was_delivered_to_somebody_else_is_taken(self) -> None:
        text = (
            b"Delivered-To: bob@example.org\nDelivered-To: <not an address>\nX-Delivered-To: alice@example.org\n"
            + WHOLE
        )
        self.assert_taken(text)
