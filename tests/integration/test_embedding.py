"""The server and its parts in programs of other people: the examples of the README, as they stand there."""

from __future__ import annotations

import re
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.process import STARTS_WITHIN, STOPS_WITHIN, ServerProcess, answers, free_port
from tests.integration.wire import fetch, send_exactly

ROOT = Path(__file__).parent.parent.parent
NewServer = Callable[..., ServerProcess]


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that listens on *port*; SIGTERM must end it."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + STARTS_WITHIN
        while not answers(port):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
        process.terminate()
        process.wait(STOPS_WITHIN)
    finally:
        process.kill()
        process.wait()


def test_the_whole_server_runs_in_another_program(new_server: NewServer) -> None:
    server = new_server(accounts=1)
    [example] = re.findall(
        r"^```python\n(from twisted\.internet.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S
    )
    program = server.folder / "program.py"
    program.write_text(example)
    user = server.new_user()
    with running([sys.executable, str(program)], server.ports.pop3s, server.folder) as process:
        assert send_exactly(server, b"Subject: embedded\r\n\r\nbody\r\n", user).startswith("250 ")
        assert len(fetch(server, user)) == 1
    assert process.communicate()[0] == ""


def test_a_target_of_ones_own_stands_behind_our_smtp(tmp_path: Path) -> None:
    port = free_port()
    with running([sys.executable, str(ROOT / "docs" / "examples" / "sink.py"), str(port)], port, tmp_path) as process:
        with smtplib.SMTP("127.0.0.1", port) as client:
            refused = client.sendmail(
                "a@b.example", ["bob@c.example", "nobody@c.example"], "Subject: x\r\n\r\nHello\r\n"
            )
        assert refused["nobody@c.example"][0] == 550
    printed = process.communicate()[0]
    assert printed.startswith("from a@b.example to bob@c.example\nSubject: x\n\nHello\n"), printed


def test_two_services_may_leave_their_ports_to_the_system(new_server: NewServer) -> None:
    server = new_server()
    server.config.write_text(
        "[listen]\n"
        + "".join(
            f'{name} = ["tcp:0:interface=127.0.0.1"]\n'
            for name in ("smtp", "submission", "submissions", "pop3", "pop3s")
        )
    )
    process = server.launch()
    deadline = time.monotonic() + STARTS_WITHIN
    while "is ready" not in server.log_text():
        assert process.poll() is None, server.log_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ports = dict(re.findall(r" (\w+) starting on (\d+)", server.log_text()))
    assert {"smtp", "submission", "submissions", "pop3", "pop3s"} <= ports.keys()
    assert len(set(ports.values())) == len(ports)
    server.stop()
