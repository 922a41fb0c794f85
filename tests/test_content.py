"""Messages in memory and above the bound, and a disk that fails while one comes in."""

from __future__ import annotations

import errno
import os

from twisted.internet.defer import Deferred, execute, fail
from twisted.trial.unittest import SynchronousTestCase

from tests.targets import text_of
from twisted_mail.content import Message, MessageBuilder, disk_refusal
from twisted_mail.filecontents import MEMORY_BOUND, SpilledBody

HEADER = b"Subject: hello\nTo: bob@example.org\n\n"


class MessageBuilderTests(SynchronousTestCase):
    def build(self, *chunks: bytes) -> Message:
        folder = self.mktemp()

        os.mkdir(folder)
        builder = MessageBuilder("id", folder, execute)

        async def fill() -> Message:
            for chunk in chunks:
                if builder.write(chunk):
                    await builder.drain()
            return await builder.finish()

        message = self.successResultOf(Deferred.fromCoroutine(fill()))
        self.assertEqual([], os.listdir(folder), "the temporary file has no name")
        return message

    def test_small_message_is_in_memory_with_its_header_cut_off(self) -> None:
        message = self.build(HEADER[:10], HEADER[10:] + b"Hel", b"lo\n")
        self.assertEqual((HEADER, b"Hello\n", 4), (message.header, message.body, message.lines))
        self.assertEqual(len(HEADER) + 6 + 4, message.wire_size)

    def test_empty_message_is_empty(self) -> None:
        message = self.build()
        self.assertEqual((b"", b"", 0), (message.header, message.body, message.size))

    def test_changed_message_is_as_if_it_had_come_so(self) -> None:
        folder = self.mktemp()
        os.mkdir(folder)
        for size, kind in ((10, bytes), (MEMORY_BOUND, SpilledBody)):
            builder = MessageBuilder("id", folder, execute)
            builder.write(b"x" * size)
            changed = builder.finish_as(lambda octets: HEADER + octets * 2)
            message = self.successResultOf(Deferred.fromCoroutine(changed))
            self.assertIsInstance(message.body, kind)
            self.assertEqual(HEADER + b"x" * 2 * size, text_of(message))

    def test_large_message_is_in_a_file_and_the_same(self) -> None:
        body = b"".join(b"line %d\n" % n for n in range(100_000))
        chunks = [(HEADER + body)[at : at + 65_536] for at in range(0, len(HEADER + body), 65_536)]
        message = self.build(*chunks)
        self.assertIsInstance(message.body, SpilledBody)
        self.assertEqual(HEADER, message.header)
        self.assertEqual(HEADER + body, text_of(message))
        self.assertEqual(100_003, message.lines)
        self.assertEqual(HEADER + body, text_of(message), "it can be read again")

    def test_header_beyond_the_bound_is_still_found_as_far_as_it_was_there(self) -> None:
        long = b"".join(b"X-%d: y\n" % n for n in range(MEMORY_BOUND // 4))
        message = self.build(long[: MEMORY_BOUND + 10], long[MEMORY_BOUND + 10 :], b"\nbody\n")
        self.assertEqual(long + b"\nbody\n", text_of(message))

    def test_fields_in_front_count(self) -> None:
        message = self.build(HEADER, b"Hello\n").with_fields(b"Received: here\n")
        self.assertEqual(b"Received: here\n" + HEADER + b"Hello\n", text_of(message))
        self.assertEqual(5, message.lines)

    def test_disk_that_fails_is_told_at_the_end_and_the_rest_is_dropped(self) -> None:
        full = OSError(errno.ENOSPC, "No space left on device")
        builder = MessageBuilder("id", ".", lambda call: fail(full))

        async def fill() -> Message:
            for _ in range(20):
                if builder.write(b"x" * 65_536):
                    await builder.drain()
            return await builder.finish()

        self.assertIs(full, self.failureResultOf(Deferred.fromCoroutine(fill()), OSError).value)

    def test_disk_refusals_are_temporary(self) -> None:
        self.assertEqual("452 4.3.1", str(disk_refusal(OSError(errno.ENOSPC, "")).reply)[:9])
        self.assertEqual("451 4.3.0", str(disk_refusal(OSError(errno.EIO, "")).reply)[:9])
