"""A message that goes in a circle is refused by the real server."""

from __future__ import annotations

import pytest

from tests.integration.process import ServerProcess
from tests.integration.wire import fetch, send_exactly, without_trace

HOP = b"Received: from a.example by b.example; Sat, 21 Nov 2026 00:00:00 +0000\r\n"
LETTER = b"Subject: round and round\r\n\r\nx\r\n"


@pytest.mark.parametrize("hops", [100, 101])
def test_hops_are_counted(server: ServerProcess, hops: int) -> None:
    user = server.new_user()
    reply = send_exactly(server, HOP * hops + LETTER, user)
    if hops <= 100:
        assert reply.startswith("250 ")
        [message] = fetch(server, user)
        assert without_trace(message.octets) == HOP * hops + LETTER
    else:
        assert reply.startswith("554 5.4.6 ")
        assert server.stored(user) == []


def test_message_that_comes_back_is_refused(server: ServerProcess) -> None:
    user = server.new_user()
    reply = send_exactly(server, f"Delivered-To: {user.address}\r\n".encode() + LETTER, user)
    assert reply.startswith("554 5.4.6 ")
    assert server.stored(user) == []
