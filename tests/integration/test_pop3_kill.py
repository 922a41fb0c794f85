"""SIGKILL at random moments of QUIT's update: each message is there or deleted, whole, never half or twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.wire import Wire, fetch, listing, log_in
from twisted_mail.mailbox.maildir import final_name, uid_of, unique_name

ROUNDS = 25
"""With undo, and as many without."""
MESSAGES = 60
"""Each round deletes about half of them, in several batches of system calls."""
MAX_WAIT = 0.012
"""Seconds from QUIT to SIGKILL: QUIT takes about half of it."""


class Mailbox:
    """What must be in one user's Maildir, by unique-id, each a message that says what it should be."""

    def __init__(self, server: ServerProcess, user: User, *, undo: bool) -> None:
        self._undo = undo
        self._server = server
        self._user = user
        self.count = 0
        self.there: set[str] = set()
        self._maildir = server.maildir(user)
        for folder in ("new", "cur", "tmp"):
            (self._maildir / folder).mkdir(parents=True)

    def fill(self) -> None:
        """As many as there are at the start of a round, put there by hand: delivering is another test's affair."""
        while len(self.there) < MESSAGES:
            self.count += 1
            body = os.urandom(20).hex().encode() + b"\n"
            octets = b"X-Digest: %s\n\n" % hashlib.sha256(body).hexdigest().encode() + body
            name = unique_name(1_700_000_000 + self.count, f"{self.count:032x}", "mx")
            folder, flags = random.choice((("new", ""), ("cur", ":2,S")))
            name = final_name(name, len(octets), len(octets) + octets.count(b"\n"))
            (self._maildir / folder / f"{name}{flags}").write_bytes(octets)
            self.there.add(uid_of(name))

    def quit_and_kill(self) -> bool:
        """One round; whether QUIT was acknowledged."""
        with log_in(self._server, self._user) as wire:
            uids = listing(wire, "UIDL")
            assert set(uids.values()) == self.there
            chosen = random.sample(sorted(uids), len(uids) // 2)
            wire.send("".join(f"DELE {number}\r\n" for number in chosen).encode())
            assert all(wire.reply().startswith("+OK") for _ in chosen)
            wire.send(b"QUIT\r\n")
            time.sleep(random.uniform(0, MAX_WAIT))
            self._server.kill()
            acknowledged = answered(wire)
        self._judge({uids[number] for number in chosen}, acknowledged)
        return acknowledged

    def _judge(self, deleted: set[str], acknowledged: bool) -> None:
        left = uids_of(self._server.stored(self._user))
        buried = uids_of(self._maildir.glob("twisted-mail.deleted/*/*/*"))
        assert len(left) == len(set(left)), "a message is there twice"
        assert self.there - deleted <= set(left), "a message went that nobody deleted"
        assert not set(left) & set(buried), "a message is in two places"
        assert not self._undo or deleted <= set(left) | set(buried), "a message is in neither place"
        assert not acknowledged or not deleted & set(left), "an acknowledged deletion is undone"
        self.there = set(left)


def uids_of(files: Iterable[Path]) -> list[str]:
    """Of files that are whole."""
    found = []
    for file in files:
        match = re.fullmatch(rb"X-Digest: (\S+)\n\n(.*\n)", file.read_bytes())
        assert match is not None, file
        assert hashlib.sha256(match[2]).hexdigest().encode() == match[1], file
        found.append(uid_of(file.name))
    return found


def answered(wire: Wire) -> bool:
    with contextlib.suppress(OSError):
        return wire.reply().startswith("+OK")
    return False


@pytest.mark.slow
@pytest.mark.parametrize("undo", [True, False], ids=["undo", "none"])
def test_after_kills_in_quit_each_message_is_there_or_deleted(
    new_server: Callable[..., ServerProcess], undo: bool
) -> None:
    server = new_server("" if undo else '[pop3]\nundo = "0"\n', accounts=1)
    user = server.new_user()
    mailbox = Mailbox(server, user, undo=undo)
    outcomes = set()
    for _ in range(ROUNDS):
        mailbox.fill()
        server.start()
        outcomes.add(mailbox.quit_and_kill())
    server.start()
    assert {message.uid for message in fetch(server, user)} == mailbox.there
    assert outcomes == {True, False}, "all kills came too early or too late to prove anything"
    for session in json.loads(server.admin("account", "restore", user.address, "--json").stdout):
        server.admin("account", "restore", user.address, "--session", session["session"])
    restored = {message.uid for message in fetch(server, user)}
    assert len(restored) == (mailbox.count if undo else len(mailbox.there))
    server.stop()
