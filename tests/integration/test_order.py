"""SIGKILL cannot show a missing sync.  strace can: before a 250 the file is synced, then named, then its directory.

Each call has a moment at which it began and one at which it was over; "before" means over before the other began.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.process import DOMAIN, ServerProcess, User
from tests.integration.requirements import require_strace
from tests.integration.wire import Wire, send_exactly

TRACED = (
    "openat,fsync,fdatasync,syncfs,sync_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
    "mkdir,mkdirat,write,writev,send,sendto,sendmsg,sendmmsg"
)
WHOLE = re.compile(r"(?P<thread>\d+)\s+(?P<name>\w+)\((?P<arguments>.*)\)\s+= (?P<result>-?\d+)")
BEGUN = re.compile(r"(?P<thread>\d+)\s+(?P<name>\w+)\((?P<arguments>.*) <unfinished \.\.\.>")
RESUMED = re.compile(r"(?P<thread>\d+)\s+<\.\.\. (?P<name>\w+) resumed>(?P<arguments>.*)\)\s+= (?P<result>-?\d+)")
SYNCS = ("fsync", "fdatasync", "syncfs")
RENAMES = ("rename", "renameat", "renameat2")
UNLINKS = ("unlink", "unlinkat")
SENDS = ("write", "writev", "send", "sendto", "sendmsg", "sendmmsg")


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that succeeded, and between which lines of the trace."""

    name: str
    arguments: str
    began: int
    over: int


def calls_of(trace: str) -> Iterator[Call]:
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(trace.splitlines()):
        if match := BEGUN.match(line):
            begun[match["thread"]] = (number, match["arguments"])
        elif match := WHOLE.match(line):
            if int(match["result"]) >= 0:
                yield Call(match["name"], match["arguments"], number, number)
        elif match := RESUMED.match(line):
            began, arguments = begun.pop(match["thread"])
            if int(match["result"]) >= 0:
                yield Call(match["name"], arguments + match["arguments"], began, number)


class Trace:
    """What the server did."""

    def __init__(self, file: Path) -> None:
        self._calls = list(calls_of(file.read_text(errors="replace")))

    def find(self, names: tuple[str, ...], *texts: str) -> list[Call]:
        """The calls of these names in whose arguments all *texts* stand."""
        return [call for call in self._calls if call.name in names and all(text in call.arguments for text in texts)]

    def one(self, names: tuple[str, ...], *texts: str) -> Call:
        [call] = self.find(names, *texts)
        return call

    def synced(self, path: str, after: Call, before: Call) -> bool:
        """Whether *path*, or the whole file system, was synced after one call and before another."""
        calls = self.find(("fsync", "fdatasync"), f"<{path}>") + self.find(("syncfs",))
        return any(after.over < call.began and call.over < before.began for call in calls)

    def assert_stored_before(self, answer: Call, temporary: str, names: list[str]) -> None:
        """The file was written, synced, named and its directories synced, before *answer* began."""
        written = self.find(("write", "writev"), f"<{temporary}>")[-1]
        for name in names:
            named = self.one((*RENAMES, "link", "linkat"), f'"{temporary}"', f'"{name}"')
            assert self.synced(temporary, written, named), f"{temporary} was named {name} before it was synced"
            assert self.synced(str(Path(name).parent), named, answer), f"the directory of {name} was not synced"


@pytest.fixture
def traced(new_server: Callable[..., ServerProcess], request: pytest.FixtureRequest) -> ServerProcess:
    """A server under strace, whose clients' passwords need no TLS: replies can be read in the trace.

    Its parameter, if any, is more configuration.
    """
    strace = require_strace()
    server = new_server(f"[auth]\nallow_plaintext = true\n{getattr(request, 'param', '')}", accounts=12)
    trace = server.folder / "trace"
    # -D: the server stays our child; -y: paths of descriptors; -s: all of a reply
    server.wrapper = (strace, "-D", "-f", "-y", "-s", "200", "-o", str(trace), "-e", f"trace={TRACED}")
    server.start()
    return server


def trace_of(server: ServerProcess) -> Trace:
    """Ends the server: its trace is complete then."""
    server.stop()
    return Trace(server.folder / "trace")


def identifier_of(reply: str) -> str:
    match = re.match(r"250 2\.0\.0 Stored as ([0-9a-f]{32})", reply)
    assert match is not None, reply
    return match[1]


def assert_durable(trace: Trace, server: ServerProcess, reply: str, recipients: list[User]) -> None:
    """The message that *reply* acknowledges was on disk before *reply* was sent."""
    identifier = identifier_of(reply)
    answer = trace.one(SENDS, f"Stored as {identifier}")
    names = [str(file) for user in recipients for file in server.stored(user) if identifier in file.name]
    assert len(names) == len(recipients)
    created = trace.one(("openat",), "O_CREAT", "O_EXCL", identifier)
    temporary = created.arguments.split('"')[1]
    assert "/tmp/" in temporary.removeprefix(str(server.maildirs))
    trace.assert_stored_before(answer, temporary, names)


def test_a_250_comes_after_file_and_directory_are_synced(traced: ServerProcess) -> None:
    alice, bob, carol = (traced.new_user() for _ in range(3))
    small = b"Subject: small\r\n\r\nx\r\n"
    large = b"Subject: large\r\n\r\n" + b"x" * 76 * 10_000 + b"\r\n"
    sent = [
        (send_exactly(traced, octets, *recipients), recipients)
        for octets, recipients in ((small, [alice]), (large, [alice]), (small, [bob, carol]), (small, [alice, bob]))
    ]
    trace = trace_of(traced)
    for reply, recipients in sent:
        assert_durable(trace, traced, reply, recipients)


def test_a_new_maildir_itself_is_synced_before_the_250(traced: ServerProcess) -> None:
    user = traced.new_user()
    reply = send_exactly(traced, b"Subject: first\r\n\r\nx\r\n", user)
    trace = trace_of(traced)
    answer = trace.one(SENDS, f"Stored as {identifier_of(reply)}")
    maildir = traced.maildir(user)
    for folder in (maildir / "new", maildir, traced.maildirs / DOMAIN):
        made = trace.one(("mkdir", "mkdirat"), f'"{folder}"')
        assert trace.synced(str(folder.parent), made, answer), f"{folder} was not synced"


def test_many_messages_at_once_are_all_synced_before_their_250(traced: ServerProcess) -> None:
    users = [traced.new_user() for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        jobs = [
            pool.submit(send_exactly, traced, b"Subject: %d\r\n\r\nx\r\n" % number, users[number % 10])
            for number in range(60)
        ]
        replies = [job.result() for job in jobs]
    trace = trace_of(traced)
    assert len({identifier_of(reply) for reply in replies}) == 60
    for number, reply in enumerate(replies):
        assert_durable(trace, traced, reply, [users[number % 10]])


@pytest.mark.parametrize(
    ("traced", "removal"), [("", RENAMES), ('[pop3]\nundo = "0"\n', UNLINKS)], indirect=["traced"], ids=["undo", "none"]
)
def test_the_ok_to_quit_comes_after_the_deletion_is_synced(traced: ServerProcess, removal: tuple[str, ...]) -> None:
    user = traced.new_user()
    for number in range(2):
        send_exactly(traced, b"Subject: %d\r\n\r\nx\r\n" % number, user)
    (traced.maildir(user) / "cur").mkdir(exist_ok=True)
    first, second = traced.stored(user)
    seen = second.rename(traced.maildir(user) / "cur" / f"{second.name}:2,S")
    with Wire(traced.ports.pop3) as wire:
        wire.reply()
        assert wire.say(f"USER {user.address}").startswith("+OK")
        assert wire.say(f"PASS {user.password}").startswith("+OK")
        for number in (1, 2):
            assert wire.say(f"DELE {number}").startswith("+OK")
        assert wire.say("QUIT") == "+OK Goodbye; messages deleted: 2"
    trace = trace_of(traced)
    answer = trace.one(SENDS, "+OK Goodbye; messages deleted: 2")
    for file in (first, seen):
        removed = trace.find(removal, f'"{file}"')[-1]  # the first may be what named it so
        assert trace.synced(str(file.parent), removed, answer), f"{file} was deleted, and that was not synced"
    for move in trace.find(RENAMES, "/twisted-mail.deleted/"):
        target = move.arguments.split('"')[3]
        assert trace.synced(str(Path(target).parent), move, answer), f"{target} was not synced"
