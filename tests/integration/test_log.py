"""The lines of the log of the real server: words and fields for people, JSON for programs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable

from tests.integration.process import ServerProcess, answers, program
from tests.integration.test_explain import deliver

NewServer = Callable[..., ServerProcess]
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warn|error|critical) +[a-z0-9]+: .+")


def test_every_line_has_time_level_and_subsystem_also_those_of_workers(new_server: NewServer) -> None:
    server = new_server('[log]\nlevels = { mailbox = "debug" }\n', accounts=1)
    server.config.write_text(f"workers = 2\n{server.config.read_text()}")
    server.start()
    user = server.new_user()
    deliver(server, user.address)
    server.stop()
    lines = server.log_text().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    [taken] = [line for line in lines if " smtp: message from <them@else.example> for 1, " in line]
    [stored] = [line for line in lines if " debug mailbox: stored as " in line]
    for field in ("session", "id", "worker"):
        [value] = re.findall(rf" {field}=(\S+)", taken)
        assert f" {field}={value}" in stored, field


def test_twist_writes_json_where_it_is_told_so(new_server: NewServer) -> None:
    server = new_server(accounts=1)
    user = server.new_user()
    command = [program("twist"), "--log-format=json", "mailserver", "--config", str(server.config)]
    with server.log.open("ab") as log:
        process = subprocess.Popen(command, cwd=server.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20.0
        while not answers(server.ports.smtp):
            assert time.monotonic() < deadline, server.log_text()
            time.sleep(0.05)
        deliver(server, user.address)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    events = [json.loads(line) for line in server.log_text().splitlines()]
    assert all({"time", "level", "system", "text"} <= set(event) for event in events)
    [taken] = [event for event in events if event.get("event") == "message.accepted"]
    assert (taken["level"], taken["system"], taken["recipients"]) == ("info", "smtp", [user.address])
    assert re.fullmatch("[0-9a-f]{12} [0-9a-f]{32}", f"{taken['session']} {taken['id']}")
