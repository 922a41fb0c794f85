"""Random histories of the queue: whatever happens, each message is delivered or reported, once for each recipient."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from tests.queue.queueing import (
    ALICE,
    BUSY,
    NO_USER,
    SILENT,
    InlineCommitter,
    NoSync,
    Remote,
    clock_at,
    kill,
    message,
    new_spool,
    now,
    put,
)
from twisted_mail.durable import Job, Phase
from twisted_mail.queue import requests
from twisted_mail.queue.destination import Bounds
from twisted_mail.queue.requests import Verb
from twisted_mail.queue.rounds import QueueOptions
from twisted_mail.queue.scheduler import Scheduler
from twisted_mail.queue.settlement import DISK_RETRY
from twisted_mail.queue.spool import Spool
from twisted_mail.smtp.reply import SMTPError

DAY = 86_400
DOMAINS = ("a.example", "b.example", "c.example")
ADDRESSES = [f"{user}@{domain}" for domain in DOMAINS for user in ("bob", "eve")]
ANSWERS = {"ok": None, "busy": BUSY, "silent": SILENT, "no user": NO_USER}
_IN_REPLY_TO = re.compile(rb"^In-Reply-To: <(\d+)@", re.MULTILINE)
_FAILED = re.compile(rb"^Final-Recipient: rfc822; (\S+)\nAction: failed", re.MULTILINE)


class FickleCommitter(InlineCommitter):
    """Its disk is full for a while, when the test wants that."""

    full = False

    def run(self, job: Job, phase: Phase) -> Deferred[None]:
        if self.full:
            failed: Deferred[None] = Deferred()
            failed.errback(OSError(28, "No space left on device"))
            return failed
        return super().run(job, phase)


class Histories(RuleBasedStateMachine):
    """The scheduler of one process after another, on one folder."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.clock = clock_at()
        self.committer = FickleCommitter(NoSync())
        self.answers: dict[str, SMTPError | None] = {}
        self.remote = Remote(answer=lambda each: self.answers.get(each.address.domain))
        self.postbox = Remote()
        self.bugs: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.put_to: list[tuple[int, str]] = []
        """Number of the message, and recipient: all that was acknowledged."""
        self.numbers: dict[str, int] = {}
        """Message id -> number."""
        self.begin()

    def observe(self, event: dict[str, Any]) -> None:
        if "stumbled" in (event.get("log_format") or ""):
            self.bugs.append(str(event["log_failure"]))

    def begin(self) -> None:
        self.spool = Spool(self.folder, self.committer, new_spool(self.folder, self.clock)._blocking, self.clock)
        options = QueueOptions("mx.example.org", Bounds(4, 2))
        self.scheduler = Scheduler(self.spool, self.remote, self.postbox, options, self.clock, lambda: 0.5)
        self.scheduler.start()
        self.settle()

    def settle(self) -> None:
        for _ in range(20):
            self.clock.advance(0)

    @rule(to=st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=4, unique=True))
    def put_message(self, to: list[str]) -> None:
        number = len(self.numbers)
        content = message(b"Subject: x\nMessage-ID: <%d@example.org>\n\nx\n" % number, at=self.clock.seconds())
        self.numbers[content.id] = number
        results = now(put(self.spool, *to, sender=ALICE, content=content))
        if not any(results.values()):
            self.put_to += [(number, each) for each in to]
        self.settle()

    @rule(domain=st.sampled_from(DOMAINS), answer=st.sampled_from(sorted(ANSWERS)))
    def server_changes(self, domain: str, answer: str) -> None:
        self.answers[domain] = ANSWERS[answer]

    @rule(seconds=st.sampled_from((1, 60, 400, 4000, 30_000, 100_000)))
    def time_passes(self, seconds: int) -> None:
        for _ in range(10):
            self.clock.advance(seconds / 10)
        self.settle()

    @rule(hangs=st.booleans())
    def servers_hang(self, hangs: bool) -> None:
        self.remote.waits = hangs
        if not hangs:
            self.remote.finish()
            self.settle()

    @rule(full=st.booleans())
    def disk(self, full: bool) -> None:
        self.committer.full = full
        if not full:  # what could not be written is written now: a kill before that has it all done twice
            self.time_passes(2 * int(DISK_RETRY))

    @rule(data=st.data(), verb=st.sampled_from((Verb.RETRY, Verb.HOLD, Verb.RELEASE, Verb.BOUNCE, Verb.NEW)))
    def administrator_asks(self, data: st.DataObject, verb: Verb) -> None:
        if identifiers := self.spool.files.identifiers():
            requests.ask(self.folder, data.draw(st.sampled_from(identifiers)), verb)

    @precondition(lambda self: not self.committer.full)
    @rule()
    def process_is_killed(self) -> None:
        """What hangs is lost with its connection: the other server never saw the end of it."""
        kill(self.scheduler)
        self.remote.pending.clear()
        for call in self.clock.getDelayedCalls():
            call.cancel()
        self.begin()

    @precondition(lambda self: not self.committer.full)
    @rule()
    def server_is_restarted(self) -> None:
        stopped = Deferred.fromCoroutine(self.scheduler.stop(1.0))
        self.clock.advance(1)
        assert stopped.called
        self.remote.pending.clear()
        self.begin()

    @invariant()
    def nothing_is_delivered_that_was_not_put_and_nothing_twice(self) -> None:
        outcomes = self.outcomes()
        assert max(outcomes.values(), default=1) == 1
        if not self.committer.full:
            assert outcomes.keys() <= set(self.put_to)

    def outcomes(self) -> Counter[tuple[int, str]]:
        """How often each was delivered or reported."""
        found = Counter((self.numbers[identifier], address) for identifier, address in self.remote.taken)
        for text in self.postbox.texts:
            (number,) = _IN_REPLY_TO.findall(text)
            found.update((int(number), address.decode()) for address in _FAILED.findall(text))
        return found

    def teardown(self) -> None:
        """All is well again, and a week passes."""
        self.committer.full = False
        self.servers_hang(False)
        for identifier in self.spool.files.identifiers():
            requests.ask(self.folder, identifier, Verb.RELEASE)
        for _ in range(7 * 24):
            self.clock.advance(3600)
            self.settle()
        try:
            assert self.outcomes() == Counter(self.put_to)
            assert self.spool.files.identifiers() == []
            assert self.bugs == []
        finally:
            globalLogPublisher.removeObserver(self.observe)
            shutil.rmtree(self.folder)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=int(os.environ.get("HISTORIES", "60")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
