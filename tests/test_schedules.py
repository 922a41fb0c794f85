"""Days of servers that misbehave: the queue and the relay together, with real sessions and a clock.

Whatever the servers do and when, each message is delivered or reported, once for each recipient.  Only where the answer
to its end was cut off may a server get it again.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, execute

from tests.peers import DROP, HANG, FixedHosts, Network, Peer, client_options
from tests.queue.queueing import ALICE, START, InlineCommitter, NoSync, Remote, message, now, put
from twisted_mail.delivery.relay import Relay
from twisted_mail.delivery.routes import Routes
from twisted_mail.interfaces import MailHost
from twisted_mail.protocols.smtppool import ConnectionPool
from twisted_mail.queue.rounds import QueueOptions
from twisted_mail.queue.scheduler import Scheduler
from twisted_mail.queue.spool import Spool

DAY = 86_400.0
STEP = 300.0
"""Seconds that pass in one go."""
HOSTS = {"a.example": "192.0.2.1", "b.example": "192.0.2.2", "c.example": "192.0.2.3"}
ADDRESSES = [f"{user}@{domain}" for domain in HOSTS for user in ("bob", "eve")]
STAGES = ("BANNER", "EHLO", "MAIL", "RCPT", "DATA", "DOT")
REPLIES = {
    "well": {},
    "no eve": {"RCPT TO:<eve": "550 5.1.1 No such user"},
    "endless": {"EHLO": "\n".join(["250-more"] * 3000)},
    "nonsense": {"MAIL": "hello there"},
    "refused for good": {"DOT": "554 5.6.0 No"},
    **{f"later at {stage}": {stage: "451 4.3.0 Later"} for stage in STAGES},
    **{f"421 at {stage}": {stage: "421 4.3.2 Later"} for stage in STAGES},
    **{f"drop at {stage}": {stage: DROP} for stage in STAGES},
    **{f"hang at {stage}": {stage: HANG} for stage in STAGES},
}
UNREACHABLE = ("refused", "silent")
_NUMBER = re.compile(rb"^Subject: number (\d+)", re.MULTILINE)
_IN_REPLY_TO = re.compile(rb"^In-Reply-To: <(\d+)@", re.MULTILINE)
_FAILED = re.compile(rb"^Final-Recipient: rfc822; (\S+)\nAction: failed", re.MULTILINE)


@dataclass
class DoubtfulPeer(Peer):
    """Remembers which of its messages nobody heard an answer to."""

    unanswered: set[int] = field(default_factory=set)
    """Places in `messages`."""

    def reply(self, command: str, default: str) -> str:
        said = super().reply(command, default)
        if command.startswith("DOT") and said in (HANG, DROP):
            self.unanswered.add(len(self.messages))
        return said


class World:
    """Our queue and relay, three servers, and the time."""

    def __init__(self, folder: str) -> None:
        self.network = Network()
        self.network.rightNow = START
        self.peers = {domain: DoubtfulPeer() for domain in HOSTS}
        for domain in HOSTS:
            self.change(domain, "well")
        self.postbox = Remote()
        self.put_to: list[tuple[int, str]] = []
        self._numbers = 0
        hosts = FixedHosts({domain: (MailHost(f"mx.{domain}", (host,)),) for domain, host in HOSTS.items()})
        relay = Relay(Routes(), hosts, ConnectionPool(client_options(self.network)))
        self.spool = Spool(folder, InlineCommitter(NoSync()), execute, self.network)
        options = QueueOptions("mx.example.org")
        self.scheduler = Scheduler(self.spool, relay, self.postbox, options, self.network, lambda: 0.5)
        self.scheduler.start()
        self.network.settle()

    def change(self, domain: str, behaviour: str) -> None:
        host, peer = HOSTS[domain], self.peers[domain]
        self.network.silent.discard(host)
        self.network.peers[host, 25] = peer
        if behaviour == "refused":
            del self.network.peers[host, 25]
        elif behaviour == "silent":
            self.network.silent.add(host)
        else:
            peer.replies = dict(REPLIES[behaviour])

    def put(self, recipients: list[str]) -> None:
        number, self._numbers = self._numbers, self._numbers + 1
        text = b"Subject: number %d\nMessage-ID: <%d@example.org>\n\nx\n" % (number, number)
        content = message(text, at=self.network.seconds())
        assert set(now(put(self.spool, *recipients, sender=ALICE, content=content)).values()) == {None}
        self.put_to += [(number, each) for each in recipients]
        self.network.settle()

    def pass_time(self, seconds: float) -> None:
        end = self.network.seconds() + seconds
        while self.network.seconds() < end:
            self.network.advance(min(STEP, end - self.network.seconds()))
            self.network.settle()

    def delivered(self, *, answered: bool) -> Counter[tuple[int, str]]:
        found: Counter[tuple[int, str]] = Counter()
        for peer in self.peers.values():
            for place, (_, recipients, text) in enumerate(peer.messages):
                if (place not in peer.unanswered) is answered:
                    found.update((int(_NUMBER.findall(text)[0]), each) for each in recipients)
        return found

    def reported(self) -> Counter[tuple[int, str]]:
        found: Counter[tuple[int, str]] = Counter()
        for text in self.postbox.texts:
            (number,) = _IN_REPLY_TO.findall(text)
            found.update((int(number), address.decode()) for address in _FAILED.findall(text))
        return found

    def close(self) -> None:
        stopped = Deferred.fromCoroutine(self.scheduler.stop(0.0))
        self.network.settle()
        assert stopped.called


EVENTS = st.one_of(
    st.tuples(st.sampled_from(sorted(HOSTS)), st.sampled_from([*sorted(REPLIES), *UNREACHABLE])),
    st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=4, unique=True),
    st.sampled_from((STEP, 3600.0, 6 * 3600.0, DAY)),
)


@given(st.lists(EVENTS, min_size=3, max_size=25))
@settings(
    max_examples=int(os.environ.get("HISTORIES", "25")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
def test_each_message_is_delivered_or_reported_once_whatever_the_servers_do(
    events: list[tuple[str, str] | list[str] | float],
) -> None:
    folder = tempfile.mkdtemp()
    world = World(folder)
    try:
        for event in events:
            match event:
                case (str() as domain, str() as behaviour) if isinstance(event, tuple):
                    world.change(domain, behaviour)
                case list():
                    world.put(event)
                case float():
                    world.pass_time(event)
        world.pass_time(5.5 * DAY)
        answered, unanswered = world.delivered(answered=True), world.delivered(answered=False)
        reported = world.reported()
        for each in world.put_to:
            copies = (answered[each], unanswered[each], reported[each])
            assert answered[each] + reported[each] == 1, (each, copies)
        assert answered.keys() | unanswered.keys() | reported.keys() <= set(world.put_to)
        assert world.spool.files.identifiers() == []
    finally:
        world.close()
        shutil.rmtree(folder)
