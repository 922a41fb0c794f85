"""Many clients at the same time: thousands that say nothing, hundreds that send an octet a second."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Iterator

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.wire import Wire, send_exactly

SMTP_IDLE, POP3_IDLE = 5000, 2000
GREETS_WITHIN = 0.1
"""Seconds, beside the idle ones."""
SLOW_SENDERS = 500
DELAY = 0.05
"""Seconds by which slow senders may hold up another delivery."""
LETTER = b"Subject: in between\r\n\r\n" + b"x" * 60 + b"\r\n"
HOSTS = [f"127.0.0.{number}" for number in range(1, 201)]

pytestmark = pytest.mark.slow


@pytest.fixture
def server(new_server: Callable[..., ServerProcess]) -> Iterator[ServerProcess]:
    needed = SMTP_IDLE + POP3_IDLE + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"no more than {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    server = new_server("[limits]\nconnections_per_host = 1000\n", accounts=2)
    server.start()
    yield server
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def connect(port: int, count: int, greeting: bytes) -> list[asyncio.StreamWriter]:
    """*count* connections from many addresses, each greeted."""
    room = asyncio.Semaphore(200)

    async def one(number: int) -> asyncio.StreamWriter:
        async with room:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(HOSTS[number % len(HOSTS)], 0), limit=1024
            )
            line = await asyncio.wait_for(reader.readline(), 30)
            assert line.startswith(greeting), line
            return writer

    return await asyncio.gather(*(one(number) for number in range(count)))


def greeting_times(port: int, count: int) -> list[float]:
    """Seconds from connect to the banner, sorted."""
    times = []
    for _ in range(count):
        asked = time.monotonic()
        with Wire(port) as wire:
            assert wire.line()
            times.append(time.monotonic() - asked)
    return sorted(times)


def delivery_times(server: ServerProcess, user: User, count: int) -> list[float]:
    """Seconds for a whole delivery, sorted."""
    times = []
    for _ in range(count):
        begun = time.monotonic()
        assert send_exactly(server, LETTER, user).startswith("250 ")
        times.append(time.monotonic() - begun)
    return sorted(times)


def most(times: list[float]) -> float:
    """What nine in ten kept: the slowest are the machine's own hiccups."""
    return times[len(times) * 9 // 10 - 1]


def test_new_client_is_greeted_at_once_beside_thousands_of_idle_ones(server: ServerProcess) -> None:
    async def run() -> tuple[list[float], list[float]]:
        idle = await connect(server.ports.smtp, SMTP_IDLE, b"220 ")
        idle += await connect(server.ports.pop3, POP3_IDLE, b"+OK")
        try:
            smtp = await asyncio.to_thread(greeting_times, server.ports.smtp, 20)
            pop3 = await asyncio.to_thread(greeting_times, server.ports.pop3, 20)
            return smtp, pop3
        finally:
            for writer in idle:
                writer.transport.abort()

    smtp, pop3 = asyncio.run(run())
    assert most(smtp) < GREETS_WITHIN, smtp
    assert most(pop3) < GREETS_WITHIN, pop3


async def drip(writer: asyncio.StreamWriter, user: User) -> None:
    """A message an octet a second, without an end."""
    for command in ("EHLO slow.example", "MAIL FROM:<them@else.example>", f"RCPT TO:<{user.address}>", "DATA"):
        writer.write(f"{command}\r\n".encode())
        await asyncio.sleep(0.5)
    while True:
        writer.write(b"x")
        await asyncio.sleep(1)


def test_senders_of_one_octet_a_second_delay_nobody(server: ServerProcess) -> None:
    user, other = server.new_user(), server.new_user()
    alone = delivery_times(server, user, 20)

    async def run() -> list[float]:
        writers = await connect(server.ports.smtp, SLOW_SENDERS, b"220 ")
        dripping = [asyncio.create_task(drip(writer, other)) for writer in writers]
        await asyncio.sleep(4)  # all of them are in the middle of their text
        try:
            return await asyncio.to_thread(delivery_times, server, user, 40)
        finally:
            for task in dripping:
                task.cancel()
            for writer in writers:
                writer.transport.abort()

    beside = asyncio.run(run())
    assert most(beside) < most(alone) + DELAY, (alone, beside)
    assert server.stored(other) == []
