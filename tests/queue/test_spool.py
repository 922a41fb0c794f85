"""The spool on a real disk: what is acknowledged is there, whatever happened; what was not leaves nothing for long."""

from __future__ import annotations

import contextlib  # not suppress itself: trial takes that name in a module for its own
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.queue.queueing import ALICE, InlineCommitter, clock_at, message, new_spool, now, put
from twisted_mail import syncing
from twisted_mail.filecontents import SpilledBody
from twisted_mail.interfaces import IDelivery
from twisted_mail.queue import requests
from twisted_mail.queue.entry import QueueEntry
from twisted_mail.queue.spool import SMALL, SWEEP_AFTER, Spool
from twisted_mail.smtp.envelope import MailOptions
from twisted_mail.syncing import Syncing


class SpoolCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        self.clock = clock_at(float(int(os.stat(".").st_mtime)))
        self.spool = new_spool(self.folder, self.clock)

    def files(self) -> set[str]:
        """All but the folders and the lock, without their ids."""
        found = set()
        for at, _, names in os.walk(self.folder):
            found |= {os.path.relpath(os.path.join(at, name), self.folder) for name in names}
        return found

    def entries(self) -> list[QueueEntry]:
        return [self.spool.files.read(identifier) for identifier in self.spool.files.identifiers()]

    def put(self, *recipients: str, **more: Any) -> QueueEntry:
        before = set(self.spool.files.identifiers())
        results = now(put(self.spool, *(recipients or ("bob@example.net",)), **more))
        self.assertEqual({None}, set(results.values()))
        (identifier,) = set(self.spool.files.identifiers()) - before
        return self.spool.files.read(identifier)


class PuttingTests(SpoolCase):
    def test_message_that_was_put_is_read_back_as_it_was(self) -> None:
        content = message(b"Subject: x\nTo: y\n\nbody\nmore\n")
        entry = self.put("bob@example.net", "eve@example.com", content=content)
        found = now(self.spool.open(entry))
        self.assertEqual(
            (content.id, content.header, content.body, content.lines, content.size),
            (found.id, found.header, found.body, found.lines, found.size),
        )
        self.assertEqual(ALICE, entry.sender)
        self.assertEqual(["bob@example.net", "eve@example.com"], [str(r.recipient.address) for r in entry.recipients])
        self.assertEqual(content.id, entry.message_id)
        self.assertEqual({0o600}, {os.stat(f"{self.folder}/{name}").st_mode & 0o777 for name in self.files()})

    def test_large_message_is_read_from_its_file(self) -> None:
        text = b"Subject: x\n\n" + b"0123456789\n" * (SMALL // 10)
        found = now(self.spool.open(self.put(content=message(text))))
        self.assertIsInstance(found.body, SpilledBody)
        self.assertEqual(text, b"".join(found.pieces()))

    def test_one_message_in_two_envelopes_is_two_entries(self) -> None:
        content = message()
        first, second = self.put(content=content), self.put(content=content, sender=None)
        self.assertNotEqual(first.id, second.id)
        self.assertEqual(first.message_id, second.message_id)

    def test_address_that_is_named_twice_is_one_recipient(self) -> None:
        self.assertEqual(1, len(self.put("bob@example.net", "bob@example.net").recipients))

    def test_prepared_message_is_queued_at_commit_and_gone_after_abort(self) -> None:
        async def prepared() -> IDelivery:
            delivery = await self.spool.begin(self.put().origin, ALICE, MailOptions())
            self.assertEqual({}, await delivery.prepare(message()))
            return delivery

        delivery = now(prepared())
        self.assertEqual(1, len(self.entries()))
        now(delivery.commit())
        self.assertEqual(2, len(self.entries()))
        now(prepared()).abort()
        self.assertEqual(3, len(self.entries()))
        self.assertFalse([name for name in self.files() if name.startswith("tmp/")])

    def test_scheduler_in_this_process_is_told_and_another_one_finds_a_request(self) -> None:
        entry = self.put()
        self.assertEqual([(entry.id, requests.Verb.NEW)], list(requests.asked(self.folder)))
        requests.done(self.folder, entry.id, requests.Verb.NEW)
        told: list[QueueEntry] = []
        self.spool.on_arrival = told.append
        self.assertEqual([self.put().id], [each.id for each in told])
        self.assertEqual([], list(requests.asked(self.folder)))

    def test_disk_that_fails_refuses_all_recipients(self) -> None:
        with mock.patch.object(os, "fsync", side_effect=OSError(errno.ENOSPC, "full")):
            spool = Spool(self.folder, InlineCommitter(), self.spool._blocking, self.clock)
            results = now(put(spool, "bob@example.net", "eve@example.net"))
        self.assertEqual([452, 452], [error.reply.code for error in results.values() if error])
        self.assertEqual(set(), self.files())
        self.flushLoggedErrors(OSError)


class KeepingTests(SpoolCase):
    def test_envelope_is_rewritten_and_the_body_is_not(self) -> None:
        entry = self.put()
        body = os.stat(self.spool.files.message(entry.id))
        now(self.spool.rewrite(entry.hold()))
        self.assertEqual([entry.hold()], self.entries())
        after = os.stat(self.spool.files.message(entry.id))
        self.assertEqual((body.st_ino, body.st_mtime_ns), (after.st_ino, after.st_mtime_ns))

    def test_removed_message_leaves_nothing(self) -> None:
        self.spool.on_arrival = lambda entry: None
        now(self.spool.remove(self.put().id))
        self.assertEqual(set(), self.files())

    def test_scan_knows_when_each_is_due(self) -> None:
        entry = self.put()
        later = entry.due_at(entry.due + 1234.5)
        other = self.put()
        now(self.spool.rewrite(later))
        self.assertEqual({entry.id: later.due, other.id: other.due}, now(self.spool.scan()))

    def test_scan_sweeps_what_a_crash_left_long_ago_and_nothing_else(self) -> None:
        self.put()
        kept = self.files()
        for name in ("tmp/0123", f"messages/{message().id}-aaaaaa.message"):
            with open(f"{self.folder}/{name}", "wb"):
                pass
            os.utime(f"{self.folder}/{name}", (self.clock.seconds(), self.clock.seconds()))
        now(self.spool.scan())
        self.assertEqual(2, len(self.files() - kept))
        self.clock.advance(SWEEP_AFTER + 1)
        now(self.spool.scan())
        self.assertEqual(kept, self.files())

    def test_envelope_that_a_scan_missed_keeps_its_body(self) -> None:
        """On some file systems a listing may miss a name that is being renamed over."""
        entry = self.put()
        self.clock.advance(10 * SWEEP_AFTER)
        real = os.scandir

        @contextmanager
        def scandir(path: str) -> Iterator[list[os.DirEntry[str]]]:
            with real(path) as found:
                yield [file for file in found if not file.name.endswith(".envelope")]

        with mock.patch.object(os, "scandir", scandir):
            self.assertEqual({}, now(self.spool.scan()))
        self.assertEqual([entry], self.entries())
        self.assertEqual(message().body, now(self.spool.open(entry)).body)

    def test_damaged_envelope_is_put_aside_with_its_body(self) -> None:
        self.spool.on_arrival = lambda entry: None
        damaged, good = self.put(), self.put()
        with open(self.spool.files.envelope(damaged.id), "wb") as file:
            file.write(b"{")
        found = now(self.spool.read([damaged.id, "not-there", good.id]))
        self.assertEqual([good], list(found))
        self.assertEqual(
            {f"damaged/{damaged.id}.envelope", f"damaged/{damaged.id}.message"},
            {name for name in self.files() if name.startswith("damaged/")},
        )


class Crash(BaseException):
    """The machine has stopped: nothing is done after this, not even tidying."""


CALLS = (
    (os, "open"),
    (os, "write"),
    (os, "rename"),
    (os, "fsync"),
    (os, "unlink"),
    (os, "utime"),
    (syncing, "sync_directory"),
)


@contextmanager
def crashing_after(steps: int) -> Iterator[list[str]]:
    """The disk does that many more things, and then the machine stops.  Yields what was done."""
    done: list[str] = []

    def limited(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if len(done) >= steps:
                done.append("crash")
                raise Crash(name)
            done.append(name)
            return real(*arguments, **named)

        return call

    with ExitStack() as stack:
        for module, name in CALLS:
            stack.enter_context(mock.patch.object(module, name, limited(name, getattr(module, name))))
        yield done


class CrashTests(SpoolCase):
    """The machine stops after each single step of the disk; then another spool looks at what is there."""

    def after_each_step(self, prepare: Callable[[], Any], act: Callable[[Any], Any]) -> Iterator[tuple[Any, bool]]:
        """What `prepare` gave, and whether *act* was acknowledged; the last time it was."""
        for steps in range(100):
            self.setUp()
            prepared = prepare()
            with crashing_after(steps) as done, contextlib.suppress(Crash):
                act(prepared)
            acknowledged = "crash" not in done
            self.clock = clock_at(self.clock.seconds() + 2 * SWEEP_AFTER)
            self.spool = new_spool(self.folder, self.clock)
            now(self.spool.scan())
            yield prepared, acknowledged
            if acknowledged:
                return
        self.fail("it never ends")

    def strict(self) -> Spool:
        spool = Spool(self.folder, InlineCommitter(Syncing()), self.spool._blocking, self.clock)
        spool.on_arrival = lambda entry: None
        return spool

    def test_put_is_whole_or_not_there(self) -> None:
        seen = set()
        for _, acknowledged in self.after_each_step(self.strict, lambda spool: now(put(spool, "bob@example.net"))):
            entries = self.entries()
            if acknowledged:
                self.assertEqual(1, len(entries))
            for entry in entries:
                self.assertEqual(message().body, now(self.spool.open(entry)).body)
            self.assertEqual(2 * len(entries), len(self.files()))
            seen.add((acknowledged, len(entries)))
        self.assertEqual({(False, 0), (False, 1), (True, 1)}, seen)

    def test_rewritten_envelope_is_the_old_one_or_the_new_one(self) -> None:
        def prepare() -> tuple[Spool, QueueEntry]:
            return self.strict(), self.put()

        seen = set()
        for (_, entry), acknowledged in self.after_each_step(prepare, lambda p: now(p[0].rewrite(p[1].hold()))):
            (found,) = self.entries()
            self.assertIn(found, (entry, entry.hold()))
            self.assertEqual(message().body, now(self.spool.open(found)).body)
            seen.add((acknowledged, found.held))
        self.assertEqual({(False, False), (False, True), (True, True)}, seen)

    def test_removed_message_is_there_or_not(self) -> None:
        def prepare() -> tuple[Spool, QueueEntry]:
            return self.strict(), self.put()

        seen = set()
        for (_, entry), acknowledged in self.after_each_step(prepare, lambda p: now(p[0].remove(p[1].id))):
            entries = self.entries()
            for found in entries:
                self.assertEqual(message().body, now(self.spool.open(found)).body)
            self.assertIn(entries, ([entry], []))
            seen.add((acknowledged, len(entries)))
        self.assertEqual({(False, 1), (False, 0), (True, 0)}, seen)

    def test_disk_that_fails_at_any_step_is_told_and_leaves_nothing_or_all(self) -> None:
        """An error instead of a crash: then the put is refused, and its files are gone at once."""
        for module, name in CALLS:
            if name == "unlink":
                continue
            self.setUp()
            with mock.patch.object(module, name, side_effect=OSError(errno.EIO, "broken")):
                (error,) = now(put(self.strict(), "bob@example.net")).values()
            self.assertEqual(451, error.reply.code if error else None, name)
            self.assertEqual(set(), self.files(), name)
            self.flushLoggedErrors(OSError)
