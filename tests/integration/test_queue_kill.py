"""SIGKILL on both sides while a thousand messages travel from one server of ours to another.

Nothing that the first one has acknowledged is lost.  A message is there twice only where a kill cut off its final
answer, or took it before it was on disk: at most as many as there were connections, each time; they are counted.
QUEUE_KILL_ROUNDS=30 is the full number of rounds.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from tests.integration.process import PASSWORD, ServerProcess, User
from tests.integration.wire import Wire
from twisted_mail.queue import requests
from twisted_mail.queue.requests import Verb

ROUNDS = int(os.environ.get("QUEUE_KILL_ROUNDS", "3"))
IN_FLIGHT = 1000
BESIDE = 200
"""Messages that are submitted while the kills happen."""
SUBMITTERS = 8
CONNECTIONS = 20
"""To the other server at a time."""
PATIENCE = 180.0
"""Seconds for all that is left to arrive, in the end."""
CAROL = User("carol@elsewhere.example")

NewServer = Callable[..., ServerProcess]


class Submitter:
    """Numbers messages and submits them.  `acknowledged` has those that got 250."""

    def __init__(self, server: ServerProcess, user: User) -> None:
        self._server = server
        self._user = user
        self._numbers = count(1)
        self.acknowledged: set[int] = set()
        self.unanswered: set[int] = set()

    def submit(self, messages: int) -> None:
        """So many, over several connections; one that breaks is the end of its share."""
        with ThreadPoolExecutor(SUBMITTERS) as pool:
            for done in [pool.submit(self._submit, messages // SUBMITTERS) for _ in range(SUBMITTERS)]:
                with suppress(OSError):  # the server was killed in this moment
                    done.result()

    def _submit(self, messages: int) -> None:
        login = b64encode(f"\0{self._user.address}\0{self._user.password}".encode()).decode()
        with Wire(self._server.ports.submission) as wire:
            wire.reply()
            wire.say("EHLO client.example")
            if not wire.say(f"AUTH PLAIN {login}").startswith("235 "):
                return
            for _ in range(messages):
                if not self._submit_next(wire):
                    return

    def _submit_next(self, wire: Wire) -> bool:
        number = next(self._numbers)
        wire.send(f"MAIL FROM:<{self._user.address}>\r\nRCPT TO:<{CAROL.address}>\r\nDATA\r\n".encode())
        if not [wire.reply() for _ in range(3)][-1].startswith("354 "):
            return False
        self.unanswered.add(number)
        wire.send(b"Subject: number %d\r\n\r\nHello\r\n.\r\n" % number)
        if not wire.reply().startswith("250 "):
            return False
        self.unanswered.discard(number)
        self.acknowledged.add(number)
        return True


class Journey:
    """From one server to the other, with kills on the way."""

    def __init__(self, sending: ServerProcess, receiving: ServerProcess, submitter: Submitter) -> None:
        self.sending = sending
        self.receiving = receiving
        self.submitter = submitter
        self.kills = 0
        self._stored: Path = receiving.maildirs / "elsewhere.example" / "carol" / "new"
        self._queue = sending.maildirs / ".server" / "queue"

    def queued(self) -> list[str]:
        return [file.name.removesuffix(".envelope") for file in self._queue.glob("messages/*.envelope")]

    def stored(self) -> int:
        return len(list(self._stored.iterdir())) if self._stored.exists() else 0

    def arrived(self) -> Counter[int]:
        """How often each number is there."""
        texts = [file.read_bytes() for file in self._stored.iterdir()]
        return Counter(int(re.findall(rb"^Subject: number (\d+)$", text, re.MULTILINE)[0]) for text in texts)

    def wait_for_first(self, before: int) -> None:
        """Return when messages begin to arrive."""
        deadline = time.monotonic() + 15.0
        while self.stored() <= before:
            assert time.monotonic() < deadline, self.sending.log_text()[-2000:]
            time.sleep(0.02)

    def encourage(self) -> None:
        """Have all tried now, though the other server did not answer before."""
        for identifier in self.queued():
            requests.ask(str(self._queue), identifier, Verb.RETRY)

    def go(self) -> None:
        """One round.  It begins and ends with the sending server up and the other one down."""
        self.submitter.submit(max(0, IN_FLIGHT - len(self.queued())))
        before = self.stored()
        self.receiving.start()
        self.encourage()
        beside = threading.Thread(target=self.submitter.submit, args=(BESIDE,))
        beside.start()
        self.wait_for_first(before)
        time.sleep(random.uniform(0.0, 3.0))
        victims = [self.sending, self.receiving]
        random.shuffle(victims)
        for victim in victims:
            victim.kill()
            self.kills += 1
            if victim is self.sending:
                victim.start()
                time.sleep(random.uniform(0.0, 1.0))
        beside.join()

    def end(self) -> None:
        """Both servers stay up, until nothing is left to be sent."""
        self.receiving.start()
        deadline = time.monotonic() + PATIENCE
        while left := self.queued():
            assert time.monotonic() < deadline, f"{len(left)} messages are still queued"
            self.encourage()
            time.sleep(3.0)


@pytest.fixture
def journey(new_server: NewServer) -> Journey:
    receiving = new_server('[limits]\nmessage_rate = "off"\n')
    receiving.admin("domain", "add", "elsewhere.example")
    receiving.admin("account", "add", CAROL.address, "--password-stdin", stdin=f"{PASSWORD}\n")
    sending = new_server(
        f'[relay]\nsmarthost = "tcp:127.0.0.1:{receiving.ports.smtp}"\nretry = ["20 seconds"]\n'
        f"connections_per_destination = {CONNECTIONS}\n"
        '[limits]\naccount_rate = "off"\ntransactions = 100000\n[auth]\nallow_plaintext = true\n',
        accounts=1,
    )
    sending.start()
    return Journey(sending, receiving, Submitter(sending, sending.new_user()))


@pytest.mark.slow
def test_kills_on_both_sides_lose_nothing_and_double_only_what_was_cut_off(journey: Journey) -> None:
    for _ in range(ROUNDS):
        journey.go()
    journey.end()
    arrived = journey.arrived()
    submitter = journey.submitter
    doubles = sum(arrived.values()) - len(arrived)
    print(
        f"\n{ROUNDS} rounds, {journey.kills} kills: {len(submitter.acknowledged)} messages acknowledged, "
        f"{len(arrived)} arrived, {doubles} second copies; {len(submitter.unanswered)} submissions were cut off"
    )
    assert len(submitter.acknowledged) >= IN_FLIGHT
    assert submitter.acknowledged - arrived.keys() == set()
    assert arrived.keys() <= submitter.acknowledged | submitter.unanswered
    assert doubles <= journey.kills * CONNECTIONS
    assert journey.sending.stored(User("user0@example.org")) == [], "something was returned to the sender"
    journey.sending.assert_log_is_clean()
    journey.receiving.assert_log_is_clean()
