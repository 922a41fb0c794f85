"""Too few open files: the server says 421 before it comes to that, and 4xx when it does, and recovers by itself."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack

from tests.integration.process import ServerProcess, User
from tests.integration.requirements import require_program
from tests.integration.wire import PATIENCE, Wire, log_in, send_exactly
from twisted_mail.doors import OTHER_DESCRIPTORS, connections_within

SMALL = b"Subject: small\r\n\r\nx\r\n"
LARGE = b"Subject: large\r\n\r\n" + (b"y" * 76 + b"\r\n") * 20_000


def test_no_more_connections_are_taken_than_files_can_be_opened(new_server: Callable[..., ServerProcess]) -> None:
    descriptors = OTHER_DESCRIPTORS + 30
    server = new_server("[limits]\nconnections_per_host = 1000\n", accounts=1)
    server.wrapper = [require_program("prlimit", "util-linux"), f"--nofile={descriptors}:{descriptors}"]
    server.start()
    room = connections_within(descriptors)
    user = server.new_user()
    with ExitStack() as stack:
        greetings = [stack.enter_context(Wire(server.ports.smtp)).reply()[:4] for _ in range(room + 10)]
        assert set(greetings) == {"220 ", "421 "}
        # those that looked whether the server is up may have counted at first
        assert room - 5 <= greetings.count("220 ") <= room
        with Wire(server.ports.pop3) as wire:
            assert wire.reply().startswith("-ERR [SYS/TEMP] ")
    while not greets(server):
        assert server.is_running
    assert send_exactly(server, LARGE, user).startswith("250 ")


def greets(server: ServerProcess) -> bool:
    with Wire(server.ports.smtp) as wire:
        return wire.reply().startswith("220 ")


def limit_descriptors(pid: int, soft: int) -> int:
    """What the limit was before."""
    before, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    return before


def lowest_free_descriptor(pid: int) -> int:
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    return min(number for number in range(len(used) + 1) if number not in used)


def send(wire: Wire, user: User, octets: bytes) -> str:
    """One message of a session that goes on whatever becomes of it; the last reply."""
    for command in ("RSET", "MAIL FROM:<them@else.example>", f"RCPT TO:<{user.address}>", "DATA"):
        reply = wire.say(command)
        if reply[0] not in "23":
            return reply
    wire.send(octets + b".\r\n")
    return wire.reply()


def test_without_open_files_it_answers_4xx_and_recovers(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=2)
    server.start()
    user, reader = server.new_user(), server.new_user()
    send_exactly(server, SMALL, reader)
    with Wire(server.ports.smtp) as wire, log_in(server, reader) as pop3:
        wire.reply()
        wire.say("EHLO client.example")
        [committer] = server.children("twisted_mail.committing")
        before = limit_descriptors(committer, lowest_free_descriptor(committer))
        assert send(wire, user, SMALL)[0] == "4"
        assert send(wire, user, LARGE)[0] == "4"
        limit_descriptors(server.pid, lowest_free_descriptor(server.pid))
        assert send(wire, user, LARGE)[0] == "4"
        assert pop3.say("RETR 1").startswith("-ERR [SYS/")
        assert turned_away(server)
        limit_descriptors(server.pid, before)
        limit_descriptors(committer, before)
        assert send(wire, user, SMALL).startswith("250 ")
        assert send(wire, user, LARGE).startswith("250 ")
        assert pop3.say("RETR 1").startswith("+OK")
        pop3.multiline()
    while not greets(server):
        assert server.is_running
    assert len(server.stored(user)) == 2
    server.terminate()  # not stop(): the log tells of the messages that could not be stored, as it should
    assert server.wait() == -signal.SIGTERM


def turned_away(server: ServerProcess) -> bool:
    """A new connection is told so, or ended."""
    with socket.create_connection(("127.0.0.1", server.ports.smtp), PATIENCE) as connection:
        try:
            return connection.recv(100)[:3] in (b"", b"421")
        except ConnectionResetError:
            return True
