"""Stay up: limits on connections, lines and errors, slow and idle peers, and memory that does not grow with them."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.wire import Wire, fetch, send_exactly, without_trace

MIB = 2**20


@pytest.fixture
def narrow(new_server: Callable[..., ServerProcess]) -> ServerProcess:
    """At most 3 connections a host and 5 in all."""
    server = new_server("[limits]\nconnections = 5\nconnections_per_host = 3\n")
    server.start()
    wait_for_room(server, 3)
    return server


def wait_for_room(server: ServerProcess, count: int) -> None:
    """The connections that were opened before are forgotten: *count* are admitted at the same time."""
    for _ in range(200):
        with ExitStack() as stack:
            wires = [stack.enter_context(Wire(server.ports.smtp)) for _ in range(count)]
            if all(wire.reply().startswith("220 ") for wire in wires):
                for wire in wires:
                    assert wire.say("QUIT").startswith("221 ")
                    wire.rest()  # the server has forgotten it once it closes
                return
    raise AssertionError(f"{count} connections are never admitted")


def connect(stack: ExitStack, port: int, source: str = "127.0.0.1") -> str:
    return stack.enter_context(Wire(port, source=source)).reply()


def test_more_connections_from_one_host_are_refused_in_words(narrow: ServerProcess) -> None:
    with ExitStack() as stack:
        for port in (narrow.ports.smtp, narrow.ports.submission):
            assert connect(stack, port).startswith("220 ")
        assert connect(stack, narrow.ports.pop3).startswith("+OK")
        for port in (narrow.ports.smtp, narrow.ports.submission):
            assert connect(stack, port).startswith("421 4.7.0 ")
        assert connect(stack, narrow.ports.pop3).startswith("-ERR [SYS/TEMP] ")
        assert connect(stack, narrow.ports.smtp, "127.0.0.2").startswith("220 ")
    wait_for_room(narrow, 3)
    with Wire(narrow.ports.smtp) as wire:
        assert wire.reply().startswith("220 ")


def test_more_connections_in_all_are_refused_in_words(narrow: ServerProcess) -> None:
    with ExitStack() as stack:
        for source in ("127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.3"):
            assert connect(stack, narrow.ports.smtp, source).startswith("220 ")
        wire = stack.enter_context(Wire(narrow.ports.smtp, source="127.0.0.4"))
        assert wire.reply().startswith("421 ")
        assert wire.rest() == b""


def test_a_refused_tls_connection_leaves_no_count_behind(narrow: ServerProcess) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            connect(stack, narrow.ports.smtp)
        for _ in range(10):
            Wire(narrow.ports.pop3s).drop()
    wait_for_room(narrow, 3)
    with Wire(narrow.ports.pop3s, narrow.tls) as wire:
        assert wire.reply().startswith("+OK")


def test_twenty_errors_end_an_smtp_session(server: ServerProcess) -> None:
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        assert all(wire.say(f"NONSENSE {number}").startswith("500 ") for number in range(20))
        assert wire.reply().startswith("421 4.7.0 ")
        assert wire.rest() == b""


def test_twenty_errors_end_a_pop3_session(server: ServerProcess) -> None:
    with Wire(server.ports.pop3) as wire:
        wire.reply()
        replies = [wire.say("NONSENSE") for _ in range(20)]
        assert all(reply.startswith("-ERR") for reply in replies)
        assert b"+OK" not in wire.rest()


def test_twenty_refused_recipients_in_one_segment_end_the_session(server: ServerProcess) -> None:
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.send(b"EHLO c.example\r\n" + b"NONSENSE\r\n" * 1000)
        assert wire.rest().count(b"500 5.5.1") == 20


@pytest.mark.parametrize(
    ("length", "verdict"), [(512, "250 "), (513, "500 5.5.2 "), (5000, "500 5.5.2 "), (MIB, "500 5.5.2 ")]
)
def test_smtp_lines_of_at_most_512_octets(server: ServerProcess, length: int, verdict: str) -> None:
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        assert wire.say("NOOP " + "x" * (length - 7)).startswith(verdict)
        assert wire.say("NOOP").startswith("250 ")


def test_a_line_that_never_ends_takes_no_memory(server: ServerProcess) -> None:
    before = memory(server, "VmRSS")
    for port in (server.ports.smtp, server.ports.pop3):
        with Wire(port) as wire:
            wire.reply()
            for _ in range(64):
                wire.send(b"x" * MIB)
            wire.send(b"\r\n")
            assert re.match("500 5.5.2 |-ERR ", wire.reply())
    assert memory(server, "VmRSS") - before < 20 * MIB


@pytest.mark.parametrize(("length", "verdict"), [(12_288, "535 5.7.8 "), (12_289, "500 5.5.6 ")])
def test_auth_lines_of_at_most_12288_octets(server: ServerProcess, length: int, verdict: str) -> None:
    # the response alone may be that long (RFC 4954 §4), and comes on a line of its own here
    secret = base64.b64encode(b"\0somebody@example.org\0" + b"x" * 12_288).decode()[: (length - 2) // 4 * 4]
    line = secret + "=" * 0
    with Wire(server.ports.submissions, server.tls) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        assert wire.say("AUTH PLAIN") == "334 "
        padded = line.ljust(length - 2, " ")
        assert wire.say(padded).startswith(verdict)


def test_recipients_of_a_message_are_limited(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server("[limits]\nrecipients = 100\n", accounts=101)
    server.start()
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        wire.say("MAIL FROM:<them@else.example>")
        users = [server.new_user() for _ in range(101)]
        codes = [wire.say(f"RCPT TO:<{user.address}>")[:3] for user in users]
        assert codes == ["250"] * 100 + ["452"]
        assert wire.say("DATA").startswith("354 ")
        wire.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert wire.reply().startswith("250 ")
    assert [len(server.stored(user)) for user in users] == [1] * 100 + [0]


def test_a_message_over_the_limit_is_refused_after_its_end_and_the_session_goes_on(
    new_server: Callable[..., ServerProcess],
) -> None:
    server = new_server('[limits]\nmessage_size = "1 MiB"\n', accounts=1)
    server.start()
    user = server.new_user()
    line = b"y" * 1022 + b"\r\n"
    fits, too_large = line * 1024, line * 1024 + b"y\r\n"
    assert send_exactly(server, too_large, user).startswith("552 5.3.4 ")
    assert send_exactly(server, line * 20_000, user).startswith("552 5.3.4 ")
    assert send_exactly(server, fits, user).startswith("250 ")
    [message] = fetch(server, user)
    assert without_trace(message.octets) == fits


def test_a_sender_of_one_octet_at_a_time_hinders_nobody(server: ServerProcess) -> None:
    slow, quick = server.new_user(), server.new_user()
    octets = b"MAIL FROM:<slow@else.example>\r\n"
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO slow.example")
        for octet in octets:
            wire.send(bytes([octet]))
            assert send_exactly(server, b"Subject: quick\r\n\r\nx\r\n", quick).startswith("250 ")
        assert wire.reply().startswith("250 ")
        assert wire.say(f"RCPT TO:<{slow.address}>").startswith("250 ")
    assert len(fetch(server, quick)) == len(octets)


def test_a_reader_that_does_not_read_hinders_nobody_and_takes_no_memory(server: ServerProcess) -> None:
    user = server.new_user()
    octets = b"Subject: large\r\n\r\n" + (b"z" * 76 + b"\r\n") * (20 * MIB // 78)
    send_exactly(server, octets, user)
    before = memory(server, "VmRSS")
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        wire.say(f"USER {user.address}")
        wire.say(f"PASS {user.password}")
        wire.send(b"RETR 1\r\n" * 10)
        wire.reply()
        for _ in range(20):
            assert send_exactly(server, b"Subject: meanwhile\r\n\r\nx\r\n", server.new_user()).startswith("250 ")
        assert memory(server, "VmRSS") - before < 10 * MIB
        assert without_trace(wire.multiline()) == octets


def memory(server: ServerProcess, what: str) -> int:
    """Octets, from /proc."""
    match = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


@pytest.fixture
def busy(new_server: Callable[..., ServerProcess]) -> Iterator[ServerProcess]:
    server = new_server("[limits]\nconnections_per_host = 100\n", accounts=50)
    server.start()
    yield server
    server.stop()


def test_fifty_senders_of_two_mib_each_do_not_fill_the_memory(busy: ServerProcess) -> None:
    users = [busy.new_user() for _ in range(50)]
    octets = b"Subject: large\r\n\r\n" + (base64.b64encode(os.urandom(57)) + b"\r\n") * (2 * MIB // 78)
    with ThreadPoolExecutor(50) as pool:
        # one small message first: what is loaded at first use is not what is measured
        assert send_exactly(busy, b"Subject: x\r\n\r\nx\r\n", users[0]).startswith("250 ")
        before = memory(busy, "VmHWM")
        replies = list(pool.map(lambda user: send_exactly(busy, octets, user), users))
    assert all(reply.startswith("250 ") for reply in replies)
    # 256 KiB twice and a chunk for each would be 28 MiB; all the messages together are 100 MiB
    assert memory(busy, "VmHWM") - before < 45 * MIB
    for user in users[1::10]:
        [message] = fetch(busy, user)
        assert without_trace(message.octets) == octets


def test_a_large_message_lies_in_a_nameless_file_while_it_comes(busy: ServerProcess) -> None:
    user: User = busy.new_user()
    with Wire(busy.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        wire.say("MAIL FROM:<them@else.example>")
        wire.say(f"RCPT TO:<{user.address}>")
        wire.say("DATA")
        wire.send(b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * (MIB // 78))
        while not any("(deleted)" in target for target in open_files(busy)):
            assert busy.is_running
        assert list((busy.maildirs / ".server" / "incoming").iterdir()) == []
    while any("(deleted)" in target for target in open_files(busy)):
        assert busy.is_running
    assert busy.stored(user) == []


def open_files(server: ServerProcess) -> list[str]:
    """What the descriptors of the process are."""
    targets = []
    for descriptor in Path(f"/proc/{server.pid}/fd").iterdir():
        try:
            targets.append(os.readlink(descriptor))
        except FileNotFoundError:
            continue
    return [target for target in targets if str(server.folder) in target]


def test_who_speaks_before_the_greeting_is_refused(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server('[limits]\ngreeting_delay = "1 second"\n[checks]\ntrusted = []\n')
    server.start()
    with Wire(server.ports.smtp) as wire:
        wire.send(b"EHLO bot.example\r\nMAIL FROM:<spam@bot.example>\r\n")
        assert wire.rest() == b"554 5.5.0 Wait for the greeting before you say something\r\n"
    with Wire(server.ports.smtp) as wire:
        assert wire.reply().startswith("220 ")
        assert wire.say("EHLO client.example").startswith("250-")
