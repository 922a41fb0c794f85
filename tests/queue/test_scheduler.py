"""The queue at work: a real spool, a clock, and a world that misbehaves on command."""

from __future__ import annotations

import email
import errno
import os
from collections.abc import Callable
from datetime import timedelta
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.queue.queueing import (
    ALICE,
    BUSY,
    NO_USER,
    SILENT,
    Remote,
    clock_at,
    kill,
    message,
    new_spool,
    now,
    put,
    recipient,
)
from tests.targets import UnreliableTarget
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.queue import requests
from twisted_mail.queue.destination import FIRST_PAUSE, Bounds
from twisted_mail.queue.entry import QueueEntry, State
from twisted_mail.queue.requests import Verb
from twisted_mail.queue.rounds import ATTEMPT_LIMIT, QueueOptions
from twisted_mail.queue.scheduler import RESCAN_INTERVAL, Scheduler
from twisted_mail.queue.settlement import REPORT_RETRY
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import DeliverBy, MailOptions, Notify, Overdue, Recipient, Return
from twisted_mail.smtp.reply import SMTPError

HOUR, DAY = 3600, 86_400


class SchedulerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        self.clock = clock_at()
        self.remote = Remote()
        self.postbox = Remote()
        """Where reports go."""
        self.spool = new_spool(self.folder, self.clock)
        self.scheduler = self.start()
        self.addCleanup(self.stop)

    def start(self, target: IDeliveryTarget | None = None, bounds: Bounds | None = None) -> Scheduler:
        options = QueueOptions("mx.example.org", bounds or Bounds())
        scheduler = Scheduler(self.spool, target or self.remote, self.postbox, options, self.clock, chance=lambda: 0.0)
        scheduler.start()
        return scheduler

    def restart(self, target: IDeliveryTarget | None = None, bounds: Bounds | None = None) -> None:
        self.stop()
        self.spool = new_spool(self.folder, self.clock)
        self.scheduler = self.start(target, bounds)
        self.go()

    def crash(self) -> None:
        kill(self.scheduler)
        self.spool = new_spool(self.folder, self.clock)
        self.scheduler = self.start()
        self.go()

    def stop(self) -> None:
        stopped = Deferred.fromCoroutine(self.scheduler.stop(0.0))
        self.clock.advance(0)
        self.successResultOf(stopped)

    def go(self, seconds: float = 0.0) -> None:
        """Let time pass, second by second only where that is short."""
        self.clock.advance(0)
        step = 1.0 if seconds <= 60 else 30.0
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end:
            self.clock.advance(min(step, end - self.clock.seconds()))
        for _ in range(10):
            self.clock.advance(0)

    def put(
        self, *recipients: str | Recipient, sender: Address | None = ALICE, options: MailOptions | None = None
    ) -> str:
        """Queue a message; its id."""
        content = message(at=self.clock.seconds())
        results = now(put(self.spool, *recipients, sender=sender, options=options, content=content))
        self.assertEqual({None}, set(results.values()))
        self.go()
        return content.id

    def queued(self) -> list[QueueEntry]:
        return [self.spool.files.read(identifier) for identifier in self.spool.files.identifiers()]

    def answer(self, answers: dict[str, SMTPError | None]) -> Callable[[Recipient], SMTPError | None]:
        """By domain or whole address; None for all others."""
        return lambda each: answers.get(str(each.address), answers.get(each.address.domain))

    def report(self) -> email.message.Message:
        """The only one so far."""
        (text,) = self.postbox.texts
        return email.message_from_bytes(text)


class DeliveryTests(SchedulerCase):
    def test_new_message_is_delivered_at_once_and_leaves_no_file(self) -> None:
        identifier = self.put("bob@example.net", "eve@example.net")
        self.assertEqual([(identifier, "bob@example.net"), (identifier, "eve@example.net")], self.remote.taken)
        self.assertEqual(1, len(self.remote.attempts))
        self.assertEqual([message().header + b"Hello\n"], self.remote.texts)
        self.assertEqual([], os.listdir(f"{self.folder}/messages"))
        self.assertEqual([], self.postbox.texts)

    def test_each_destination_has_its_own_transaction(self) -> None:
        self.put("bob@example.net", "eve@example.com")
        self.assertEqual([("bob@example.net",), ("eve@example.com",)], sorted(r for _, r in self.remote.attempts))

    def test_message_of_an_earlier_run_is_delivered_after_the_start(self) -> None:
        self.stop()
        self.put("bob@example.net")
        self.assertEqual([], self.remote.taken)
        self.restart()
        self.assertEqual(1, len(self.remote.taken))

    def test_temporary_refusal_is_tried_again_as_the_policy_says(self) -> None:
        self.remote.answer = lambda each: BUSY
        self.put("bob@example.net")
        for seconds, attempts in ((299, 1), (1, 2), (899, 2), (1, 3), (1800, 4)):
            self.go(seconds)
            self.assertEqual(attempts, len(self.remote.attempts))
        self.remote.answer = lambda each: None
        self.go(HOUR)
        self.assertEqual([], self.queued())
        self.assertEqual([], self.postbox.texts)

    def test_only_those_who_were_refused_are_tried_again(self) -> None:
        self.remote.answer = self.answer({"bob@example.net": BUSY})
        self.put("bob@example.net", "eve@example.net", "joe@example.com")
        self.remote.answer = lambda each: None
        self.go(300)
        self.assertEqual(("bob@example.net",), self.remote.attempts[-1][1])
        self.assertEqual(3, len(self.remote.taken))
        self.assertEqual([], self.queued())

    def test_what_is_known_is_on_disk_while_another_destination_is_slow(self) -> None:
        self.remote.waits = True
        self.put("bob@example.net", "eve@example.com")
        self.remote.pending.pop(0).callback(None)
        (entry,) = self.queued()
        self.assertEqual(
            [State.RELAYED, State.WAITING], sorted((r.state for r in entry.recipients), key=lambda s: s.name)
        )
        self.remote.finish()
        self.assertEqual([], self.queued())

    def test_schedule_survives_a_restart(self) -> None:
        self.remote.answer = lambda each: BUSY
        self.put("bob@example.net")
        self.go(100)
        self.restart()
        self.assertEqual(1, len(self.remote.attempts))
        self.go(200)
        self.assertEqual(2, len(self.remote.attempts))

    def test_relay_sees_what_is_left_of_the_time_and_who_sends(self) -> None:
        by = DeliverBy(1000, Overdue.RETURN)
        self.put("bob@example.net", options=MailOptions(deliver_by=by, release=timedelta(seconds=400), priority=3))
        self.assertEqual([], self.remote.attempts)
        self.go(400)
        (options,) = self.remote.options
        self.assertEqual(MailOptions(deliver_by=DeliverBy(600, Overdue.RETURN), priority=3), options)
        self.assertEqual([ALICE], self.remote.senders)

    def test_more_urgent_message_goes_first(self) -> None:
        self.restart(bounds=Bounds(1, 1))
        self.remote.waits = True
        first, low, high = (
            self.put("bob@example.net", options=MailOptions(priority=priority)) for priority in (0, -3, 6)
        )
        for _ in range(3):
            self.remote.finish()
            self.go()
        self.assertEqual([first, high, low], [identifier for identifier, _ in self.remote.taken])


class TargetTests(SchedulerCase):
    def test_target_that_fails_at_any_step_is_asked_again(self) -> None:
        for step, error in (
            ("begin", SILENT),
            ("begin", BUSY),
            ("add", BUSY),
            ("deliver", BUSY),
            ("begin", ValueError("a bug")),
            ("add", ValueError("a bug")),
        ):
            target = UnreliableTarget(step, error)  # type: ignore[arg-type]
            self.restart(target)
            self.put("bob@example.net")
            self.assertEqual([], target.taken)
            target.fails_at = ""
            self.go(300)
            self.assertEqual(1, len(target.taken), f"{step}: {target.steps}")
            self.assertEqual([], self.queued())
            self.flushLoggedErrors(ValueError)

    def test_target_that_never_ends_is_given_up(self) -> None:
        self.remote.waits = True
        self.put("bob@example.net")
        self.remote.waits = False
        self.go(ATTEMPT_LIMIT)
        (entry,) = self.queued()
        self.assertIn("too long", str(entry.recipients[0].last and entry.recipients[0].last.reply))
        self.go(300)
        self.assertEqual(1, len(self.remote.taken))

    def test_recipient_without_an_answer_is_tried_again(self) -> None:
        self.remote.forgets = {"bob@example.net"}
        self.put("bob@example.net", "eve@example.net")
        self.assertEqual(["bob@example.net"], [str(each.recipient.address) for each in self.queued()[0].waiting])
        self.remote.forgets = set()
        self.go(300)
        self.assertEqual([], self.queued())


class DestinationTests(SchedulerCase):
    def test_no_more_messages_go_out_than_can_be_recorded(self) -> None:
        """After a crash all that went out and is not recorded goes again: it must not be more than connections."""
        self.restart(bounds=Bounds(per_destination=1))
        removals: list[Deferred[None]] = []

        async def remove(identifier: str) -> None:
            removals.append(Deferred())
            await removals[-1]

        self.patch(self.spool, "remove", remove)
        for _ in range(3):
            self.put("bob@example.net")
        for count in (1, 2, 3):
            self.assertEqual(count, len(self.remote.attempts))
            removals[-1].callback(None)
            self.go()

    def test_slow_destination_does_not_hold_up_others(self) -> None:
        self.restart(bounds=Bounds(10, 4))
        self.remote.waits = True
        for _ in range(50):
            self.put("bob@slow.example")
        stuck, self.remote.pending, self.remote.waits = self.remote.pending, [], False
        for _ in range(20):
            self.put("bob@example.net")
        self.assertEqual(20, len(self.remote.taken))
        self.assertEqual(2, len(stuck))

    def test_dead_destination_is_probed_and_not_hammered(self) -> None:
        self.remote.answer = self.answer({"dead.example": SILENT})
        for _ in range(100):
            self.put("bob@dead.example")
        self.assertEqual(2, len(self.remote.attempts))
        self.go(DAY)
        # a probe each half an hour at most, though 100 messages have their retries
        self.assertLess(len(self.remote.attempts), 60)
        self.assertEqual(100, len(self.queued()))

    def test_all_messages_go_out_soon_after_a_dead_destination_answers(self) -> None:
        self.remote.answer = self.answer({"dead.example": SILENT})
        for _ in range(30):
            self.put("bob@dead.example")
        self.go(DAY)
        self.remote.answer = lambda each: None
        self.go(5 * HOUR)
        self.assertEqual(30, len({identifier for identifier, _ in self.remote.taken}))
        self.assertEqual(30, len(self.remote.taken))
        self.assertEqual([], self.queued())

    def test_revival_wakes_those_who_wait_for_it_only(self) -> None:
        self.remote.answer = self.answer({"dead.example": SILENT, "busy.example": BUSY})
        for _ in range(5):
            self.put("bob@dead.example", "bob@busy.example")
        self.remote.answer = self.answer({"busy.example": BUSY})
        self.go(FIRST_PAUSE)
        before = len(self.remote.attempts)
        self.put("eve@dead.example")
        self.go(1)
        after = self.remote.attempts[before:]
        self.assertEqual(6, len(after))
        self.assertEqual({"dead.example"}, {address.partition("@")[2] for _, several in after for address in several})


class ReportTests(SchedulerCase):
    def test_refused_recipient_is_reported_and_the_others_are_not(self) -> None:
        self.remote.answer = self.answer({"bob@example.net": NO_USER})
        self.put("bob@example.net", "eve@example.net")
        self.assertEqual([None], self.postbox.senders)
        self.assertEqual([str(ALICE)], [address for _, address in self.postbox.taken])
        status = self.report().get_payload()[1].as_string()  # type: ignore[union-attr]
        self.assertIn("Final-Recipient: rfc822; bob@example.net", status)
        self.assertIn("Status: 5.1.1", status)
        self.assertNotIn("eve", status)
        self.assertEqual([], self.queued())

    def test_failures_of_one_round_are_one_report(self) -> None:
        self.remote.answer = lambda each: NO_USER
        self.put("bob@example.net", "eve@example.com")
        self.assertEqual(2, self.report().as_string().count("Action: failed"))

    def test_five_days_of_silence_are_reported_late_and_at_the_end(self) -> None:
        self.remote.answer = lambda each: SILENT
        self.put("bob@example.net")
        self.go(4 * HOUR - 60)
        self.assertEqual([], self.postbox.texts)
        self.go(5 * HOUR)
        (delayed,) = self.postbox.texts
        self.assertIn(b"Action: delayed", delayed)
        self.assertIn(b"Still trying until 2027-01-20 08:00 UTC", delayed)
        self.go(5 * DAY)
        self.assertEqual(2, len(self.postbox.texts))
        self.assertIn(b"Action: failed", self.postbox.texts[1])
        self.assertEqual([], self.queued())

    def test_nothing_is_reported_to_nobody(self) -> None:
        self.remote.answer = lambda each: NO_USER
        self.put("bob@example.net", sender=None)
        self.assertEqual([], self.postbox.attempts)
        self.assertEqual([], self.queued())

    def test_sender_hears_what_was_asked_for(self) -> None:
        for notify, answer, expected in (
            (None, None, []),
            (None, NO_USER, [b"failed"]),
            (Notify.NEVER, NO_USER, []),
            (Notify.SUCCESS, NO_USER, []),
            (Notify.SUCCESS, None, [b"relayed"]),
            (Notify.FAILURE, None, []),
            (Notify.FAILURE, NO_USER, [b"failed"]),
            (Notify.SUCCESS | Notify.FAILURE | Notify.DELAY, None, [b"relayed"]),
        ):
            self.postbox.texts.clear()
            self.remote.answer = lambda each, answer=answer: answer  # type: ignore[misc]
            self.put(recipient("bob@example.net", notify=notify))
            actions = [
                line.split()[1] for text in self.postbox.texts for line in text.split(b"\n") if b"Action:" in line
            ]
            self.assertEqual(expected, actions, f"{notify} {answer}")
            self.assertEqual([], self.queued())

    def test_delay_is_reported_only_where_it_is_wanted(self) -> None:
        self.remote.answer = lambda each: BUSY
        for notify, expected in ((Notify.FAILURE, 0), (Notify.NEVER, 0), (Notify.DELAY, 1), (None, 1)):
            self.postbox.texts.clear()
            self.put(recipient("bob@example.net", notify=notify))
            self.go(9 * HOUR)
            self.assertEqual(expected, len(self.postbox.texts), str(notify))
            (entry,) = self.queued()
            requests.ask(self.folder, entry.id, Verb.DROP)
            self.go(1)

    def test_late_message_is_returned_or_reported_as_the_sender_wants(self) -> None:
        self.remote.answer = lambda each: BUSY
        for overdue, action, left in ((Overdue.RETURN, b"failed", 0), (Overdue.NOTIFY, b"delayed", 1)):
            self.postbox.texts.clear()
            self.put("bob@example.net", options=MailOptions(deliver_by=DeliverBy(700, overdue)))
            self.go(699)
            self.assertEqual([], self.postbox.texts)
            self.go(700)
            (text,) = self.postbox.texts
            self.assertIn(b"Action: " + action, text)
            self.assertEqual(left, len(self.queued()))

    def test_message_that_is_to_return_is_not_sent_after_its_time(self) -> None:
        for answer in (BUSY, SILENT):  # the latter makes the destination dead, and nothing is tried there
            self.postbox.texts.clear()
            self.remote.attempts.clear()
            self.remote.answer = lambda each, answer=answer: answer  # type: ignore[misc]
            self.put("bob@example.net", options=MailOptions(deliver_by=DeliverBy(1000, Overdue.RETURN)))
            self.go(999)
            before = len(self.remote.attempts)
            self.remote.answer = lambda each: None
            self.go(60)
            self.assertEqual(before, len(self.remote.attempts))
            (text,) = self.postbox.texts
            self.assertIn(b"Status: 5.4.7", text)
            self.assertIn(b"the time in which it was\nto be delivered is over", text)
            self.assertIn(str(answer.reply).encode(), text.replace(b"\n ", b" "))
            self.assertIn(b"Deliver-By-Date: Fri, 15 Jan 2027 ", text)
            self.go(HOUR)

    def test_sender_hears_at_the_deadline_that_a_message_is_late_and_then_where_it_went(self) -> None:
        self.remote.answer = lambda each: SILENT
        self.put(
            recipient("bob@example.net", notify=Notify.FAILURE),
            recipient("carol@example.net", notify=Notify.NEVER),
            options=MailOptions(deliver_by=DeliverBy(8000, Overdue.NOTIFY)),
        )
        self.go(7999)
        self.assertEqual([], self.postbox.texts)
        self.go(1)
        (late,) = self.postbox.texts
        self.assertIn(b"bob@example.net\nAction: delayed", late)
        self.assertNotIn(b"carol@example.net\n", late)
        self.remote.answer = lambda each: None
        self.go(5 * HOUR)
        self.assertIn(b"bob@example.net\nAction: relayed", self.postbox.texts[1])
        self.assertEqual(2, len(self.postbox.texts))

    def test_whole_message_returns_only_where_that_was_asked_and_something_failed(self) -> None:
        for ret, answer, whole in (
            (Return.FULL, NO_USER, True),
            (Return.HEADERS, NO_USER, False),
            (None, NO_USER, False),
            (Return.FULL, None, False),
        ):
            self.postbox.texts.clear()
            self.remote.answer = lambda each, answer=answer: answer  # type: ignore[misc]
            notify = Notify.SUCCESS | Notify.FAILURE
            self.put(recipient("bob@example.net", notify=notify), options=MailOptions(ret=ret))
            (text,) = self.postbox.texts
            self.assertEqual(whole, b"\nHello\n" in text)
            self.assertIn(b"Subject: hello\n", text)

    def test_report_that_cannot_be_delivered_now_is_tried_again_under_its_id(self) -> None:
        self.remote.answer = lambda each: NO_USER
        self.postbox.answer = lambda each: BUSY
        self.put("bob@example.net")
        (entry,) = self.queued()
        assert entry.report is not None
        self.restart()
        self.postbox.answer = lambda each: None
        self.go(REPORT_RETRY)
        self.assertEqual([(entry.report.id, str(ALICE))], self.postbox.taken)
        self.assertEqual(1, len(self.remote.attempts))
        self.assertEqual([], self.queued())

    def test_report_that_nobody_will_ever_take_is_dropped(self) -> None:
        self.remote.answer = lambda each: NO_USER
        for answer, wait in ((NO_USER, 0), (BUSY, 6 * DAY)):
            self.postbox.answer = lambda each, answer=answer: answer  # type: ignore[misc]
            self.put("bob@example.net")
            self.go(wait)
            self.assertEqual([], self.queued())
        self.assertEqual([], self.postbox.taken)


class RequestTests(SchedulerCase):
    def ask(self, identifier: str, verb: Verb) -> None:
        requests.ask(self.folder, identifier, verb)
        self.go(1)
        self.assertEqual([], os.listdir(f"{self.folder}/requests"))

    def waiting(self) -> QueueEntry:
        self.remote.answer = lambda each: BUSY
        self.put("bob@example.net")
        (entry,) = self.queued()
        return entry

    def test_retry_tries_now(self) -> None:
        entry = self.waiting()
        self.ask(entry.id, Verb.RETRY)
        self.assertEqual(2, len(self.remote.attempts))

    def test_retry_tries_a_dead_destination_too(self) -> None:
        self.remote.answer = lambda each: SILENT
        for _ in range(3):
            self.put("bob@example.net")
        self.remote.answer = lambda each: None
        self.ask(self.queued()[0].id, Verb.RETRY)
        self.assertEqual([], self.queued())

    def test_held_message_waits_until_it_is_released(self) -> None:
        entry = self.waiting()
        self.ask(entry.id, Verb.HOLD)
        self.remote.answer = lambda each: None
        self.go(DAY)
        self.restart()
        self.go(DAY)
        self.assertEqual(1, len(self.remote.attempts))
        self.ask(entry.id, Verb.RELEASE)
        self.assertEqual([], self.queued())

    def test_message_that_is_held_before_it_was_ever_tried_is_not_tried(self) -> None:
        self.stop()
        self.put("bob@example.net")
        requests.ask(self.folder, self.queued()[0].id, Verb.HOLD)
        self.restart()
        self.go(DAY)
        self.assertEqual([], self.remote.attempts)

    def test_request_waits_while_the_message_is_read_for_its_round(self) -> None:
        entry = self.waiting()
        reading: list[Deferred[object]] = []

        def slowly(call: Callable[[], object]) -> Deferred[object]:
            read: Deferred[object] = Deferred()
            read.addCallback(lambda _: call())
            reading.append(read)
            return read

        self.remote.answer = lambda each: None
        self.patch(self.spool, "_blocking", slowly)
        self.go(301)
        requests.ask(self.folder, entry.id, Verb.DROP)
        self.go(5)
        for _ in range(3):  # its envelope, its body; then what is asked
            self.assertEqual(1, len(reading))
            reading.pop().callback(None)
            self.go(1)
        self.assertEqual(1, len(self.remote.taken))
        self.assertEqual([], self.queued())

    def test_dropped_message_is_gone_without_a_word(self) -> None:
        self.ask(self.waiting().id, Verb.DROP)
        self.assertEqual(([], []), (self.queued(), self.postbox.texts))
        self.go(DAY)
        self.assertEqual(1, len(self.remote.attempts))

    def test_bounced_message_returns_to_its_sender(self) -> None:
        self.ask(self.waiting().id, Verb.BOUNCE)
        self.assertEqual([], self.queued())
        self.assertIn("returned the message", self.report().as_string())

    def test_request_waits_for_a_message_that_is_at_work(self) -> None:
        self.remote.waits = True
        self.put("bob@example.net")
        (entry,) = self.queued()
        requests.ask(self.folder, entry.id, Verb.DROP)
        self.go(5)
        self.assertEqual(1, len(self.queued()))
        self.remote.answer = lambda each: BUSY
        self.remote.finish()
        self.go(1)
        self.assertEqual([], self.queued())

    def test_last_request_counts(self) -> None:
        entry = self.waiting()
        for verb in (Verb.HOLD, Verb.DROP, Verb.RETRY):
            requests.ask(self.folder, entry.id, verb)
        self.remote.answer = lambda each: None
        self.go(1)
        self.assertEqual(1, len(self.remote.taken))

    def test_request_for_nothing_and_files_that_are_none_are_taken_away(self) -> None:
        for name in ("gone-aaaaaa.retry", "what.is-this", "README"):
            with open(f"{self.folder}/requests/{name}", "w"):
                pass
        self.go(1)
        self.assertEqual([], os.listdir(f"{self.folder}/requests"))

    def test_request_that_was_made_while_no_server_ran_is_done_at_the_start(self) -> None:
        entry = self.waiting()
        self.stop()
        requests.ask(self.folder, entry.id, Verb.DROP)
        self.restart()
        self.assertEqual([], self.queued())

    def test_message_of_another_process_is_found_within_a_second(self) -> None:
        now(put(new_spool(self.folder, self.clock), "bob@example.net"))
        self.go(1)
        self.assertEqual(1, len(self.remote.taken))

    def test_message_that_nobody_told_of_is_found_in_the_end(self) -> None:
        other = new_spool(self.folder, self.clock)
        other.on_arrival = lambda entry: None
        now(put(other, "bob@example.net"))
        self.go(RESCAN_INTERVAL + 1)
        self.assertEqual(1, len(self.remote.taken))


class LifeTests(SchedulerCase):
    def test_one_process_schedules_and_another_takes_over(self) -> None:
        other_remote = Remote()
        other_spool = new_spool(self.folder, self.clock)
        other = Scheduler(other_spool, other_remote, self.postbox, QueueOptions("mx2.example.org"), self.clock)
        other.start()
        now(put(other_spool, "bob@example.net"))
        self.go(2)
        self.assertEqual((1, 0), (len(self.remote.taken), len(other_remote.taken)))
        self.stop()
        self.go(1)
        self.put("bob@example.net")
        self.go(1)
        self.assertEqual((1, 1), (len(self.remote.taken), len(other_remote.taken)))
        now(other.stop(0.0))

    def test_stop_waits_for_what_runs_and_then_breaks_it_off(self) -> None:
        for finishes, left in ((True, 0), (False, 1)):
            self.restart()
            self.remote.waits = True
            self.put("bob@example.net")
            stopped = Deferred.fromCoroutine(self.scheduler.stop(10.0))
            self.clock.advance(9)
            self.assertNoResult(stopped)
            if finishes:
                self.remote.finish()
            else:
                self.clock.advance(1)
            self.successResultOf(stopped)
            self.assertEqual(left, len(self.queued()))
        self.assertEqual([], [call for call in self.clock.getDelayedCalls() if call.active()])
        self.remote.waits = False
        self.restart()
        self.assertEqual(2, len(self.remote.taken))

    def test_crash_during_an_attempt_has_it_made_again(self) -> None:
        self.remote.waits = True
        identifier = self.put("bob@example.net")
        self.remote.waits = False
        self.crash()
        self.assertEqual([(identifier, "bob@example.net")], self.remote.taken)

    def test_crash_while_a_report_is_delivered_makes_the_same_report_again(self) -> None:
        self.remote.answer = lambda each: NO_USER
        self.postbox.waits = True
        self.put("bob@example.net")
        self.postbox.waits = False
        self.crash()
        self.postbox.finish()  # the first one got through after all
        self.assertEqual(2, len(self.postbox.taken))
        self.assertEqual(1, len(set(self.postbox.taken)))
        self.assertEqual(1, len(self.remote.attempts))

    def test_disk_that_cannot_be_written_for_a_while_loses_nothing_and_repeats_nothing(self) -> None:
        self.remote.answer = self.answer({"eve@example.net": BUSY})
        self.remote.waits = True
        self.put("bob@example.net", "eve@example.net")
        with mock.patch.object(os, "rename", side_effect=OSError(errno.ENOSPC, "full")):
            self.remote.finish()
            self.go(30)
        self.remote.waits = False
        self.go(10)
        (entry,) = self.queued()
        self.assertEqual([State.RELAYED, State.WAITING], [each.state for each in entry.recipients])
        self.go(400)
        self.assertEqual(1, [address for _, address in self.remote.taken].count("bob@example.net"))
        self.flushLoggedErrors(OSError)

    def test_body_that_is_missing_is_put_aside_with_its_envelope(self) -> None:
        self.stop()
        self.put("bob@example.net", "eve@example.com")
        (entry,) = self.queued()
        os.unlink(self.spool.files.message(entry.id))
        self.restart()
        self.go(2)
        self.assertEqual([f"{entry.id}.envelope"], os.listdir(f"{self.folder}/damaged"))
        self.put("eve@example.com")
        self.assertEqual(1, len(self.remote.taken))

    def test_more_messages_than_are_kept_in_memory_all_go_out(self) -> None:
        self.stop()
        with mock.patch("twisted_mail.queue.rounds.KEPT", 3), mock.patch("twisted_mail.queue.rounds.LOAD_BATCH", 7):
            expected = [self.put("bob@example.net", "eve@example.com") for _ in range(40)]
            self.restart()
            self.go(1)
        self.assertEqual(sorted(expected * 2), sorted(identifier for identifier, _ in self.remote.taken))
        self.assertEqual([], self.queued())
