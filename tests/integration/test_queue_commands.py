"""Each command of `mailserver queue` on the running server, while the other server is down."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.process import ServerProcess, User, free_port
from tests.integration.test_outgoing import send
from tests.integration.test_send import wait_for_mail

BOB, EVE = "bob@there.example", "eve@elsewhere.example"


class Queue:
    """The commands, and what they show."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    def rows(self, *filters: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.server.admin("queue", "list", "--json", *filters).stdout)
        return found

    def to(self, *filters: str) -> set[str]:
        return {address for row in self.rows(*filters) for address in row["to"]}

    def ask(self, verb: str, *which: str) -> str:
        return self.server.admin("queue", verb, *which).stdout

    def attempts(self, address: str) -> int:
        (row,) = self.rows("--to", address)
        return int(row["attempts"])

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20.0
        while not is_so():
            assert time.monotonic() < deadline, (self.rows(), self.server.log_text()[-2000:])
            time.sleep(0.1)


@pytest.fixture
def server(new_server: Callable[..., ServerProcess]) -> ServerProcess:
    server = new_server(f'[relay]\nsmarthost = "tcp:127.0.0.1:{free_port()}"\n', accounts=2)
    server.start()
    return server


@pytest.fixture
def alice(server: ServerProcess) -> User:
    return server.new_user()


@pytest.fixture
def queue(server: ServerProcess, alice: User) -> Queue:
    """With one message for each of the two, tried once in vain."""
    queue = Queue(server)
    for address in (BOB, EVE):
        send(server, alice, address)
        queue.wait_for(lambda address=address: queue.attempts(address) == 1)  # type: ignore[misc]  # mypy knows no defaults of a lambda
    return queue


def test_filters_list_and_show(queue: Queue, alice: User) -> None:
    assert queue.to() == {BOB, EVE}
    assert queue.to("--to", BOB) == queue.to("--domain", "there.example") == {BOB}
    assert queue.to("--from", alice.address) == {BOB, EVE}
    assert queue.to("--from", "nobody@example.org") == queue.to("--older-than", "1 hour") == set()
    (row,) = queue.rows("--to", BOB)
    assert row["last"].startswith("451 4.4.1 127.0.0.1 does not answer")
    shown = queue.server.admin("queue", "show", row["id"]).stdout
    assert BOB in shown
    assert "attempts: 1" in shown
    assert json.loads(queue.server.admin("queue", "show", "--json", row["id"]).stdout)["id"] == row["id"]


def test_retry_tries_now(queue: Queue) -> None:
    assert queue.ask("retry", "--to", BOB) == "retry: 1 message\n"
    queue.wait_for(lambda: queue.attempts(BOB) == 2)
    assert queue.attempts(EVE) == 1


def test_held_message_waits_until_it_is_released(queue: Queue) -> None:
    queue.ask("hold", "--domain", "there.example")
    assert [row["due"] for row in queue.rows("--to", BOB)] == ["held"]
    queue.ask("retry", "--to", BOB)
    assert queue.attempts(BOB) == 1
    queue.ask("release", "--to", BOB)
    queue.wait_for(lambda: queue.attempts(BOB) == 2)


def test_dropped_message_is_gone_and_bounced_one_returns(queue: Queue, alice: User) -> None:
    (row,) = queue.rows("--to", BOB)
    queue.ask("drop", row["id"])
    assert queue.to() == {EVE}
    queue.ask("bounce", "--all")
    (report,) = wait_for_mail(queue.server, alice)
    assert b"The administrator of this server returned the message" in report
    assert EVE.encode() in report
    queue.wait_for(lambda: not queue.rows())
