"""`mailserver queue` in process, on the files of a real spool."""

from __future__ import annotations

import json
import os
import time

from twisted.internet.defer import execute

from tests.cli.test_main import CommandCase
from tests.queue.queueing import ALICE, BUSY, InlineCommitter, NoSync, clock_at, message, now, put
from twisted_mail.queue import requests
from twisted_mail.queue.entry import QueueEntry, Situation
from twisted_mail.queue.lock import SchedulerLock
from twisted_mail.queue.requests import Verb
from twisted_mail.queue.retry import RetryPolicies
from twisted_mail.queue.spool import Spool
from twisted_mail.smtp.address import Address


class QueueCase(CommandCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = clock_at(float(int(time.time())))
        self.queue = os.path.join(self.folder, "maildirs", ".server", "queue")

    def put(self, *recipients: str, sender: Address | None = ALICE, age: float = 0.0) -> QueueEntry:
        clock = clock_at(self.clock.seconds() - age)
        spool = Spool(self.queue, InlineCommitter(NoSync()), execute, clock)
        found: list[QueueEntry] = []
        spool.on_arrival = found.append
        now(put(spool, *recipients, sender=sender, content=message(at=clock.seconds())))
        return found[0]

    def tried(self, entry: QueueEntry) -> QueueEntry:
        """Somebody has refused it for now."""
        situation = Situation(self.clock.seconds(), RetryPolicies(), 0.0)
        results = {each.recipient: BUSY for each in entry.waiting}
        changed = entry.after_attempt(results, situation)
        spool = Spool(self.queue, InlineCommitter(NoSync()), execute, self.clock)
        now(spool.rewrite(changed))
        return changed

    def asked(self) -> set[tuple[str, str]]:
        return {(identifier, verb.value) for identifier, verb in requests.asked(self.queue)}


class ListTests(QueueCase):
    def test_empty_queue_and_one_that_was_never_made_say_so(self) -> None:
        self.assertEqual("no messages wait\n", self.succeed("queue", "list"))
        self.assertFalse(os.path.exists(self.queue))
        self.assertEqual("[]\n", self.succeed("queue", "list", "--json"))

    def test_messages_are_listed_with_what_was_said_last(self) -> None:
        first = self.tried(self.put("bob@example.net", age=60))
        self.put("a@example.com", "b@example.com", "c@example.com", sender=None)
        one, two = json.loads(self.succeed("queue", "list", "--json"))
        self.assertEqual(
            (first.id, "alice@example.org", ["bob@example.net"], 1, "450 4.2.0 Try again"),
            (one["id"], one["from"], one["to"], one["attempts"], one["last"]),
        )
        self.assertEqual(("<>", 3, ""), (two["from"], len(two["to"]), two["last"]))
        text = self.succeed("queue", "list")
        self.assertIn("a@example.com b@example.com and 1 more", text)
        self.assertEqual(3, text.count("\n"))

    def test_filters_choose(self) -> None:
        old = self.put("bob@example.net", age=7200)
        report = self.put("bob@example.com", sender=None, age=100)
        both = self.put("eve@example.net", "eve@example.com")
        for arguments, expected in (
            ((), {old, report, both}),
            (("--from", "ALICE@example.org"), {old, both}),
            (("--from", "<>"), {report}),
            (("--to", "Bob@example.net"), {old}),
            (("--domain", "Example.COM"), {report, both}),
            (("--older-than", "1 hour"), {old}),
            (("--older-than", "30 seconds", "--domain", "example.com"), {report}),
            (("--to", "nobody@example.net"), set()),
        ):
            rows = json.loads(self.succeed("queue", "list", "--json", *arguments))
            self.assertEqual({each.id for each in expected}, {row["id"] for row in rows}, str(arguments))

    def test_time_without_a_unit_is_refused(self) -> None:
        self.fail_with("not a duration", "queue", "list", "--older-than", "5")


class ShowTests(QueueCase):
    def test_message_is_shown_with_its_dialogue(self) -> None:
        entry = self.tried(self.put("bob@example.net"))
        text = self.succeed("queue", "show", entry.id[:20])
        for words in (
            f"id:        {entry.id}",
            "from:      alice@example.org",
            "bob@example.net: waiting, attempts: 1",
            "mx.example.net: 450 4.2.0 Try again",
            "    S: 450 4.2.0 Try again",
            f"file:      {self.queue}/messages/{entry.id}.message",
        ):
            self.assertIn(words, text)
        self.assertEqual(entry.id, json.loads(self.succeed("queue", "show", entry.id, "--json"))["id"])

    def test_id_must_be_that_of_one_message(self) -> None:
        self.fail_with("there is no message 123", "queue", "show", "123")
        first = self.put("bob@example.net")
        self.put("bob@example.net")
        self.fail_with("the beginning of 2 messages", "queue", "show", first.id[:4])

    def test_damaged_envelope_is_named(self) -> None:
        entry = self.put("bob@example.net")
        path = f"{self.queue}/messages/{entry.id}.envelope"
        with open(path, "w") as file:
            file.write("{")
        self.fail_with(path, "queue", "show", entry.id)


class AskTests(QueueCase):
    def test_each_verb_leaves_its_request(self) -> None:
        entry = self.put("bob@example.net")
        for verb in (Verb.RETRY, Verb.HOLD, Verb.RELEASE, Verb.DROP, Verb.BOUNCE):
            text = self.succeed("queue", verb.value, entry.id[:30])
            self.assertEqual(
                f"{verb.value}: 1 message; the server is not running, and will do it when it starts\n", text
            )
            self.assertEqual({(entry.id, verb.value)}, self.asked())

    def test_filter_chooses_and_all_is_said_explicitly(self) -> None:
        one, two = self.put("bob@example.net"), self.put("bob@example.com")
        self.fail_with("say which messages", "queue", "drop")
        self.assertEqual(set(), self.asked())
        self.succeed("queue", "drop", "--domain", "example.com")
        self.assertEqual({(two.id, "drop")}, self.asked())
        self.succeed("queue", "hold", one.id, two.id, "--domain", "example.net")
        self.assertEqual({(one.id, "hold"), (two.id, "drop")}, self.asked())
        self.assertIn("2 messages", self.succeed("queue", "retry", "--all"))
        self.assertEqual({(one.id, "retry"), (two.id, "retry")}, self.asked())
        self.assertEqual("bounce: 0 messages\n", self.succeed("queue", "bounce", "--to", "nobody@example.net"))

    def test_running_server_is_waited_for(self) -> None:
        entry = self.put("bob@example.net")
        lock = SchedulerLock(self.queue)
        self.assertTrue(lock.take())
        self.addCleanup(lock.release)
        naps: list[float] = []

        def server_works(seconds: float) -> None:
            naps.append(seconds)
            if len(naps) == 3:
                requests.done(self.queue, entry.id, Verb.RETRY)

        self.patch(time, "sleep", server_works)
        self.assertEqual("retry: 1 message\n", self.succeed("queue", "retry", entry.id))
        self.assertEqual(3, len(naps))

    def test_server_that_takes_its_time_is_not_waited_for_without_end(self) -> None:
        entry = self.put("bob@example.net")
        lock = SchedulerLock(self.queue)
        self.assertTrue(lock.take())
        self.addCleanup(lock.release)
        times = iter([0.0, 1.0, 100.0])
        self.patch(time, "monotonic", lambda: next(times))
        self.patch(time, "sleep", lambda seconds: None)
        self.assertIn("still at it", self.succeed("queue", "retry", entry.id))


class PickupTests(QueueCase):
    """What was handed over by `mailserver send` and not picked up yet."""

    def test_message_that_waits_for_the_server_is_listed_and_obeys(self) -> None:
        queued = self.put("bob@example.net")
        self.directory().add_domain("example.org")
        self.succeed("send", "-f", "alice@example.org", "eve@example.net", stdin="Subject: x\n\nx\n")
        rows = json.loads(self.succeed("queue", "list", "--json"))
        self.assertEqual([["bob@example.net"], ["eve@example.net"]], [row["to"] for row in rows])
        self.assertIn("pickup", self.succeed("queue", "show", rows[1]["id"]))
        self.succeed("queue", "hold", "--from", "alice@example.org")
        self.assertEqual({(queued.id, "hold")}, self.asked())
        pickup = os.path.join(self.folder, "maildirs", ".server", "pickup")
        self.assertEqual([(rows[1]["id"], Verb.HOLD)], list(requests.asked(pickup)))
