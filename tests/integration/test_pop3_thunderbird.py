"""Thunderbird fetches three times in a row, leaving mail on the server: no message twice, none missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.process import ServerProcess
from tests.integration.thunderbird import Thunderbird
from tests.integration.wire import send_exactly


@pytest.mark.slow
def test_three_fetches_in_a_row_bring_each_message_once(server: ServerProcess, tmp_path: Path) -> None:
    user = server.new_user()
    thunderbird = Thunderbird(tmp_path, server, user)
    sent: list[str] = []
    for fetch in range(1, 4):
        for _ in range(3):
            sent.append(f"letter {len(sent) + 1}")
            send_exactly(server, f"Subject: {sent[-1]}\r\n\r\nFrom here on\r\n.\r\n".encode(), user)
        thunderbird.fetch(lambda fetch=fetch: server.log_text().count(f"POP3 logout {user.address},") == fetch)  # type: ignore[misc]  # mypy knows no defaults of a lambda
        assert thunderbird.subjects() == sent
    assert len(server.stored(user)) == len(sent)
