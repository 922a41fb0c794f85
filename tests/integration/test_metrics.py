"""The numbers of the real server, of all its processes, over HTTP."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from tests.integration.process import ServerProcess, free_port
from tests.integration.requirements import require_program
from tests.integration.test_explain import deliver
from tests.integration.wire import Wire, fetch, log_in

NewServer = Callable[..., ServerProcess]


def get(port: int, path: str) -> tuple[int, str, str]:
    """Status, content type, text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def numbers(text: str) -> dict[str, float]:
    """Name with labels -> value; anything that is not of the format fails."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# "):
            assert re.fullmatch(
                r"# (HELP mailserver_[a-z0-9_]+ .+|TYPE mailserver_\w+ (counter|gauge|histogram))", line
            ), line
            continue
        match = re.fullmatch(r'(mailserver_[a-z0-9_]+(?:\{(?:\w+="[^"\\]*",?)+\})?) (\S+)', line)
        assert match is not None, line
        assert match.group(1) not in found, line
        found[match.group(1)] = float(match.group(2))
    return found


def until(port: int, name: str, value: float) -> dict[str, float]:
    """The numbers, once *name* has that value."""
    deadline = time.monotonic() + 20.0
    while (found := numbers(get(port, "/metrics")[2])).get(name) != value:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def start(new_server: NewServer, settings: str = "", workers: int = 1) -> tuple[ServerProcess, int]:
    """A server with a web listener, and its port."""
    server, port = new_server(settings, accounts=1), free_port()
    text = server.config.read_text().replace("web = []", f'web = ["tcp:{port}:interface=127.0.0.1"]')
    server.config.write_text(f"workers = {workers}\n{text}")
    server.start()
    return server, port


@pytest.mark.parametrize("workers", [1, 2])
def test_what_happened_is_counted_whichever_process_did_it(new_server: NewServer, workers: int) -> None:
    server, port = start(new_server, workers=workers)
    user = server.new_user()
    for _ in range(6):
        deliver(server, user.address)
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        wire.say(f"USER {user.address}")
        assert wire.say("PASS wrong").startswith("-ERR")
    assert len(fetch(server, user)) == 6
    with log_in(server, user) as wire:
        wire.say("DELE 1")
        wire.say("QUIT")
    until(port, 'mailserver_messages_total{service="smtp",outcome="accepted"}', 6)
    until(port, "mailserver_pop3_retrieved_total", 6)
    found = until(port, "mailserver_pop3_deleted_total", 1)
    for name, value in (
        ('mailserver_refusals_total{service="smtp",stage="RCPT",status="5.1.1"}', 6),
        ('mailserver_logins_total{service="pop3s",outcome="accepted"}', 2),
        ('mailserver_logins_total{service="pop3s",outcome="refused"}', 1),
        ("mailserver_stored_total", 6),
        ('mailserver_end_of_data_seconds_count{service="smtp"}', 6),
        ('mailserver_queue_messages{state="due"}', 0),
        ("mailserver_queue_oldest_seconds", 0),
    ):
        assert found[name] == value, name
    assert found["mailserver_disk_free_octets"] > 0
    assert found["mailserver_certificate_remaining_seconds"] > 0
    assert found["mailserver_connections"] >= 1
    assert get(port, "/health") == (200, "text/plain; charset=utf-8", "ok\n")
    status, kind, text = get(port, "/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    promtool = require_program("promtool", "prometheus")
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_numbers_are_for_those_alone_who_are_allowed(new_server: NewServer) -> None:
    server, port = start(new_server, '[metrics]\nallowed = ["192.0.2.0/24"]\n')
    status, _, text = get(port, "/metrics")
    assert (status, "[metrics] allowed" in text) == (403, True)
    assert get(port, "/health")[0] == 200
    server.stop()
