"""What is measured: a table of workloads, and how each is run against a server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Latencies, at_once, trusting
from benchmarks.processes import Usage, usage
from benchmarks.servers import PASSWORD, USERS, Server
from benchmarks.wire import Connection, Reader, Sender

KIB, MIB = 1024, 1024 * 1024
STORED_WITHIN = 300.0
"""Seconds after the last 250: a server with a queue delivers later."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run."""

    rate: float
    """Messages, sessions or connections a second."""
    p99: float
    """Milliseconds: a message until its 250, a RETR (or a window of them), a session."""
    cpu: float
    """Seconds of all processes of the server for 1000 of what `rate` counts."""
    memory: float
    """MiB, all processes, at the end."""


Run = Callable[[Server, float], Figures]
"""Takes a factor for how much there is to do."""


@dataclass(frozen=True, slots=True)
class Workload:
    name: str
    text: str
    peer: str
    run: Run
    tls: bool = False


# ---- SMTP


@dataclass(frozen=True, slots=True)
class Sending:
    """Messages of one size, each to the same number of users."""

    messages: int
    size: int = 4 * KIB
    connections: int = 20
    each: int = 1
    """Messages over one connection, then another is opened."""
    pipelined: bool = False
    recipients: int = 1
    tls: bool = False
    text: bytes = b""
    """The message as it goes over the wire; empty: one of `size`."""

    def __call__(self, server: Server, scale: float) -> Figures:
        connections = self.connections
        share = max(1, round(self.messages * scale / connections))
        line = b"x" * 76 + b"\r\n"
        made_up = b"From: <s@client.example.test>\r\nSubject: benchmark\r\n\r\n" + line * (self.size // len(line))
        text = self.text or made_up
        context = trusting() if self.tls else None

        def work(number: int, steps: list[float]) -> None:
            for first in range(0, share, self.each):
                begun = time.monotonic()
                with Sender(server.smtp_port, context) as sender:
                    for message in range(first, min(first + self.each, share)):
                        start = number + connections * message
                        to = [server.address((start + n) % USERS).encode() for n in range(self.recipients)]
                        sender.deliver(to, text, self.pipelined)
                        steps.append(time.monotonic() - begun)
                        begun = time.monotonic()
                    sender.quit()

        with Sender(server.smtp_port, context) as greeting:  # what is loaded at first use is not what is measured
            greeting.quit()
        before = usage(server.pid)
        started = time.monotonic()
        sent = at_once(connections, work)
        _wait_until_stored(server, share * connections * self.recipients)
        return _figures(share * connections, time.monotonic() - started, sent, before, usage(server.pid))


def _wait_until_stored(server: Server, copies: int) -> None:
    end = time.monotonic() + STORED_WITHIN
    while (found := sum(_count(server.maildir(user) / "new") for user in range(USERS))) < copies:
        if time.monotonic() > end:
            raise RuntimeError(f"{found} of {copies} copies are in the Maildirs")
        time.sleep(0.01)


def _count(folder: Path) -> int:
    try:
        return len(os.listdir(folder))
    except FileNotFoundError:
        return 0


# ---- POP3


@dataclass(frozen=True, slots=True)
class Reading:
    """Sessions over maildrops that are full already."""

    sessions: int
    messages: int = 0
    """In each maildrop."""
    size: int = 4 * KIB
    connections: int = 20
    window: int = 1
    """RETR commands in flight."""
    tls: bool = False

    def __call__(self, server: Server, scale: float) -> Figures:
        share = max(1, round(self.sessions * scale / self.connections))
        context = trusting() if self.tls else None
        for user in range(self.connections):
            fill(server, user, self.messages, self.size)
            with Reader(server.pop3_port, server.address(user), PASSWORD):  # the server's index is made, if it has one
                pass

        def work(user: int, steps: list[float]) -> None:
            for _ in range(share):
                begun = time.monotonic()
                with Reader(server.pop3_port, server.address(user), PASSWORD, context) as reader:
                    assert reader.count() == self.messages
                    if self.messages:
                        self._retrieve(reader, steps)
                    reader.quit()
                if not self.messages:
                    steps.append(time.monotonic() - begun)

        before = usage(server.pid)
        read = at_once(self.connections, work)
        count = share * self.connections * (self.messages or 1)
        return _figures(count, read.seconds, read, before, usage(server.pid))

    def _retrieve(self, reader: Reader, steps: list[float]) -> None:
        for first in range(1, self.messages + 1, self.window):
            window = range(first, min(first + self.window, self.messages + 1))
            begun = time.monotonic()
            reader.send(b"".join(b"RETR %d\r\n" % number for number in window))
            for _ in window:
                assert len(reader.expect_text()) >= self.size
            steps.append(time.monotonic() - begun)


@dataclass(frozen=True, slots=True)
class Listing:
    """STAT, UIDL and LIST of one large maildrop, again and again."""

    messages: int
    sessions: int = 10

    def __call__(self, server: Server, scale: float) -> Figures:
        count = max(100, round(self.messages * scale))
        fill(server, 0, count, 600)
        self._session(server, count)
        before = usage(server.pid)
        steps = [self._session(server, count) for _ in range(self.sessions)]
        return _figures(self.sessions, sum(steps), Latencies(sum(steps), sorted(steps)), before, usage(server.pid))

    def _session(self, server: Server, count: int) -> float:
        begun = time.monotonic()
        with Reader(server.pop3_port, server.address(0), PASSWORD) as reader:
            assert reader.count() == count
            for command in (b"UIDL\r\n", b"LIST\r\n"):
                reader.send(command)
                assert reader.expect_text().count(b"\r\n") == count + 1
            reader.quit()
        return time.monotonic() - begun


def fill(server: Server, user: int, messages: int, size: int) -> None:
    """Messages as another Maildir program would put them there, with sizes in their names."""
    maildir = server.maildir(user)
    for folder in (maildir, maildir / "tmp", maildir / "cur", maildir / "new"):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, server.owner, server.owner)
    lines = max(1, size // 78)
    text = b"Subject: benchmark\n\n" + (b"y" * 77 + b"\n") * lines
    name = f"{{}}.{{:08d}}.benchmark,S={len(text)},W={len(text) + 2 + lines}"
    for number in range(messages):
        path = maildir / "new" / name.format(1_700_000_000 + number, number)
        path.write_bytes(text)
        os.chown(path, server.owner, server.owner)


# ---- connections that do nothing


@dataclass(frozen=True, slots=True)
class Idling:
    """Connections that are open; `Figures.p99` is of fresh sessions meanwhile, `Figures.rate` of opening them."""

    connections: int
    pop3: bool = False
    fresh: int = 200

    def __call__(self, server: Server, scale: float) -> Figures:
        port = server.pop3_port if self.pop3 else server.smtp_port
        count = max(10, round(self.connections * scale))
        before = usage(server.pid)
        with ExitStack() as stack:
            started = time.monotonic()
            held = [stack.enter_context(Connection(port)) for _ in range(count)]
            for connection in held:
                connection.expect(b"")
            seconds = time.monotonic() - started
            after = usage(server.pid)
            steps = sorted(self._fresh_session(port) for _ in range(self.fresh))
        return _figures(count, seconds, Latencies(seconds, steps), before, after)

    def _fresh_session(self, port: int) -> float:
        begun = time.monotonic()
        with Connection(port) as connection:
            connection.expect(b"")
            connection.send(b"QUIT\r\n")
            connection.expect(b"")
        return time.monotonic() - begun


def _figures(count: int, seconds: float, latencies: Latencies, before: Usage, after: Usage) -> Figures:
    cpu = (after.cpu - before.cpu) * 1000 / count
    return Figures(count / seconds, latencies.percentile(99), cpu, after.memory / MIB)


WORKLOADS = (
    Workload("W1", "4 KiB, a connection each", "postfix", Sending(2000)),
    Workload("W2", "4 KiB, 100 a connection", "postfix", Sending(5000, each=100)),
    Workload("W2p", "the same, pipelined", "postfix", Sending(5000, each=100, pipelined=True)),
    Workload("W3", "10 MiB, 4 connections", "postfix", Sending(100, size=10 * MIB, connections=4, each=25)),
    Workload("W4", "4 KiB to 100 recipients", "postfix", Sending(200, each=10, recipients=100)),
    Workload("W1t", "W1 over STARTTLS", "postfix", Sending(2000, tls=True), tls=True),
    Workload("P1", "login, STAT, QUIT", "dovecot", Reading(10_000)),
    Workload("P2", "RETR of 4 KiB, one at a time", "dovecot", Reading(100, messages=250)),
    Workload("P2p", "the same, 50 in flight", "dovecot", Reading(100, messages=250, window=50)),
    Workload("P3", "RETR of 10 MiB", "dovecot", Reading(10, messages=10, size=10 * MIB, connections=5)),
    Workload("P4", "STAT, UIDL, LIST of 100,000", "dovecot", Listing(100_000)),
    Workload("P1t", "P1 over STLS", "dovecot", Reading(4000, tls=True), tls=True),
    Workload("I10", "10,000 idle SMTP connections", "", Idling(10_000)),
    Workload("J10", "10,000 idle POP3 connections", "dovecot", Idling(10_000, pop3=True)),
)


def chosen(names: list[str]) -> Iterator[Workload]:
    """Those of WORKLOADS, or all of them.  Raises KeyError."""
    table = {workload.name: workload for workload in WORKLOADS}
    yield from (table[name] for name in names or table)
