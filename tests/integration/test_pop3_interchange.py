"""Dovecot and this server take many turns on one Maildir: nothing is lost, nothing comes back, and UIDLs stay."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.test_maildir import Dovecot
from tests.integration.wire import fetch, listing, log_in, send_exactly

ROUNDS = 24


class Shared:
    """One Maildir that both serve.  `there` has the subject of each message that must be in it, by its unique-id."""

    def __init__(self, server: ServerProcess, user: User) -> None:
        self._server = server
        self._user = user
        self._sent = 0
        self._chance = random.Random(4)
        self.there: dict[str, str] = {}
        self._deleted_here: list[dict[str, str]] = []
        """By each session that deleted something."""
        self._deliver_here()
        self._dovecot = Dovecot(server.folder, server.maildir(user))

    def turn(self) -> None:
        """One of them delivers or deletes something; then both must know the same."""
        self._chance.choice(
            (self._deliver_here, self._deliver_there, self._delete_here, self._delete_there, self._restore)
        )()
        here, there = self._listed_here(), self._listed_there()
        assert here == there == self.there

    def _letter(self) -> bytes:
        self._sent += 1
        return b"Subject: letter %d\r\n\r\n%s" % (self._sent, b"a line\r\n.\r\n" * self._chance.randrange(200))

    def _deliver_here(self) -> None:
        send_exactly(self._server, self._letter(), self._user)
        self._learn()

    def _deliver_there(self) -> None:
        self._dovecot.run("dovecot-lda", self._letter().replace(b"\r\n", b"\n"))
        self._learn()

    def _learn(self) -> None:
        """The message that is new gets its unique-id; all others must have theirs still."""
        new = {uid: subject for uid, subject in self._listed_here().items() if uid not in self.there}
        assert list(new.values()) == [f"letter {self._sent}"]
        self.there |= new

    def _delete_here(self) -> None:
        with log_in(self._server, self._user) as wire:
            chosen = {n: uid for n, uid in listing(wire, "UIDL").items() if self._chance.random() < 0.3}
            for number in chosen:
                assert wire.say(f"DELE {number}").startswith("+OK")
            assert wire.say("QUIT").startswith("+OK")
        if chosen:
            self._deleted_here.append({uid: self.there.pop(uid) for uid in chosen.values()})

    def _delete_there(self) -> None:
        uids = self._uids_there()
        chosen = [number for number in uids if self._chance.random() < 0.3]
        for number in chosen:
            del self.there[uids[number]]
        self._dovecot.run("pop3", "".join(f"DELE {number}\r\n" for number in chosen).encode() + b"QUIT\r\n")

    def _restore(self) -> None:
        sessions = json.loads(self._server.admin("account", "restore", self._user.address, "--json").stdout)
        if sessions:
            self._server.admin("account", "restore", self._user.address, "--session", sessions[-1]["session"])
            back = {uid: subject for uid, subject in self._listed_here().items() if uid not in self.there}
            self._deleted_here.remove(back)  # exactly what one session deleted
            self.there |= back

    def _listed_here(self) -> dict[str, str]:
        messages = fetch(self._server, self._user)
        assert all(len(message.octets) == message.size for message in messages)
        return {message.uid: subject_of(message.octets) for message in messages}

    def _listed_there(self) -> dict[str, str]:
        uids = self._uids_there()
        text = self._dovecot.run("pop3", "".join(f"TOP {number} 0\r\n" for number in uids).encode() + b"QUIT\r\n")
        subjects = re.findall(rb"\r\nSubject: (letter \d+)\r\n", text)
        return {uid: subject.decode() for uid, subject in zip(uids.values(), subjects, strict=True)}

    def _uids_there(self) -> dict[int, str]:
        """Message number -> unique-id, without the size fields that stand in it (pop3_uidl_format = %f)."""
        text = self._dovecot.run("pop3", b"UIDL\r\nQUIT\r\n").decode()
        return {int(number): uid for number, uid in re.findall(r"(?m)^(\d+) ([^,\r\n]+)(?:,\S*)?\r$", text)}


def subject_of(octets: bytes) -> str:
    match = re.search(rb"^Subject: (.*)\r$", octets, re.MULTILINE)
    assert match is not None
    return match[1].decode()


@pytest.mark.slow
def test_dovecot_and_this_server_take_many_turns(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=1)
    server.start()
    shared = Shared(server, server.new_user())
    for _ in range(ROUNDS):
        shared.turn()
    assert shared.there
