"""What is particular to an account's POP3: views, undo, terms, and who has its mailbox open."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.integration.process import DOMAIN, PASSWORD, ServerProcess, User
from tests.integration.test_sasl import Client, scram
from tests.integration.wire import Wire, fetch, fill, listing, log_in
from twisted_mail.mailbox.lock import FILE_NAME


@pytest.fixture
def user(server: ServerProcess) -> User:
    return server.new_user()


def view(user: User, name: str) -> User:
    """As it logs in to one of its views."""
    return replace(user, address=f"{user.address}%{name}")


def delete(server: ServerProcess, user: User, *numbers: int) -> str:
    """The reply to QUIT."""
    with log_in(server, user) as wire:
        for number in numbers:
            assert wire.say(f"DELE {number}").startswith("+OK")
        reply = wire.say("QUIT")
    assert reply.startswith("+OK")
    return reply


def uids(server: ServerProcess, user: User) -> list[str]:
    return [message.uid for message in fetch(server, user)]


def refusal(server: ServerProcess, user: User) -> str:
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        assert wire.say(f"USER {user.address}").startswith("+OK")
        return wire.say(f"PASS {user.password}")


# ---- views


def test_each_device_deletes_for_itself_and_the_last_one_for_all(server: ServerProcess, user: User) -> None:
    fill(server, user, 3)
    every = uids(server, user)
    laptop, phone = view(user, "laptop"), view(user, "phone")
    assert uids(server, phone) == every
    assert delete(server, laptop, 1) == "+OK Goodbye; messages deleted: 1"
    assert uids(server, laptop) == every[1:]
    assert uids(server, phone) == uids(server, user) == uids(server, view(user, "keep")) == every
    server.admin("account", "views", user.address, "--remove", "keep")
    delete(server, phone, 1, 3)
    assert uids(server, phone) == [every[1]]
    assert uids(server, user) == uids(server, laptop) == every[1:]
    rows = json.loads(server.admin("account", "views", user.address, "--json").stdout)
    assert [row["view"] for row in rows] == [laptop.address, phone.address]


def test_in_keep_and_recent_nothing_can_be_deleted(server: ServerProcess, user: User) -> None:
    fill(server, user, 1)
    [uid] = uids(server, user)
    for name in ("keep", "recent"):
        assert delete(server, view(user, name), 1) == "+OK Goodbye"
        assert uids(server, view(user, name)) == [uid]
        assert f"POP3 logout {view(user, name).address}, 0 retrieved, 0 deleted" in server.log_text()
    assert uids(server, user) == [uid]


def test_a_view_is_opened_by_scram_too(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server('[auth]\nmechanisms = ["SCRAM-SHA-256"]\n')
    alice = User(f"alice@{DOMAIN}")
    server.admin("domain", "add", DOMAIN)
    server.admin("account", "add", alice.address, "--password-stdin", stdin=f"{PASSWORD}\n")
    server.start()
    fill(server, alice, 1)
    # the telephone holds the message back
    for name, found in (("phone", 1), ("laptop", 1), ("laptop", 0), ("phone", 1)):
        with Wire(server.ports.pop3s, server.tls) as wire:
            assert Client("pop3", wire).log_in(scram(view(alice, name).address, PASSWORD)).startswith("+OK")
            assert wire.say("STAT").startswith(f"+OK {found} ")
            if name == "laptop":
                wire.say("DELE 1")
            assert wire.say("QUIT").startswith("+OK")


def test_what_cannot_be_a_view_is_told_only_to_who_has_the_password(server: ServerProcess, user: User) -> None:
    wrong = view(user, "not!a!name")
    assert "view's name" in refusal(server, wrong)
    assert "password is wrong" in refusal(server, replace(wrong, password="guess"))
    assert uids(server, user) == []  # and the maildrop is not locked


def test_the_account_sends_mail_under_the_same_name(server: ServerProcess, user: User) -> None:
    with Wire(server.ports.submissions, server.tls) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        login = f"\0{view(user, 'laptop').address}\0{user.password}".encode()
        assert wire.say(f"AUTH PLAIN {base64.b64encode(login).decode()}").startswith("235 ")


# ---- undo


def test_what_a_session_deleted_comes_back_as_it_was_while_the_server_runs(server: ServerProcess, user: User) -> None:
    fill(server, user, 5)
    before = fetch(server, user)
    delete(server, user, 2, 4)
    delete(server, user, 1)
    rows = json.loads(server.admin("account", "restore", user.address, "--json").stdout)
    [first], [second] = ([row for row in rows if row["messages"] == count] for count in (2, 1))
    assert first["octets"] == before[1].size + before[3].size
    [logout] = [line for line in server.log_text().splitlines() if f"session={first['session']} " in line][-1:]
    assert f"POP3 logout {user.address}, 0 retrieved, 2 deleted" in logout
    server.admin("account", "restore", user.address, "--session", first["session"])
    assert fetch(server, user) == before[1:]
    server.admin("account", "restore", user.address, "--session", second["session"])
    assert fetch(server, user) == before
    again = server.try_admin("account", "restore", user.address, "--session", second["session"])
    assert (again.returncode, again.stdout) == (1, "")


def test_without_undo_what_is_deleted_is_gone(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server('[pop3]\nundo = "0"\n', accounts=1)
    server.start()
    user = server.new_user()
    fill(server, user, 1)
    delete(server, user, 1)
    assert json.loads(server.admin("account", "restore", user.address, "--json").stdout) == []
    assert not list(server.maildir(user).rglob("*S=*"))


# ---- terms


@pytest.fixture
def delayed(server: ServerProcess, user: User) -> Iterator[User]:
    """A user who may log in once a minute."""
    server.admin("account", "set", user.address, "login-delay=60s", "expire=30d")
    try:
        yield user
    finally:
        server.admin("account", "set", user.address, "login-delay=default", "expire=default")


def capabilities(wire: Wire) -> list[str]:
    assert wire.say("CAPA").startswith("+OK")
    return wire.multiline().decode().splitlines()


def test_terms_are_announced_before_and_after_the_login(server: ServerProcess, delayed: User) -> None:
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        assert {"EXPIRE 30 USER", "LOGIN-DELAY 60 USER"} <= set(capabilities(wire))
        wire.say(f"USER {delayed.address}")
        assert wire.say(f"PASS {delayed.password}").startswith("+OK")
        assert {"EXPIRE 30", "LOGIN-DELAY 60"} <= set(capabilities(wire))
    with log_in(server, server.new_user()) as wire:
        assert {"EXPIRE NEVER", "LOGIN-DELAY 0"} <= set(capabilities(wire))


def test_a_login_too_soon_is_refused_as_such_until_its_time_has_come(server: ServerProcess, delayed: User) -> None:
    with log_in(server, delayed) as wire:
        wire.say("QUIT")
    assert re.match(r"-ERR \[LOGIN-DELAY\] \w", refusal(server, delayed))
    assert re.match(r"-ERR \[AUTH\] \w", refusal(server, replace(delayed, password="guess")))
    lock = server.maildir(delayed) / FILE_NAME
    a_minute_ago = time.time() - 60
    os.utime(lock, (a_minute_ago, a_minute_ago))
    with log_in(server, delayed) as wire:
        assert wire.say("QUIT").startswith("+OK")


# ---- who has it open


def test_show_says_who_has_the_mailbox_open_from_where_and_since_when(server: ServerProcess, user: User) -> None:
    fill(server, user, 2)
    with log_in(server, user) as wire:
        shown = json.loads(server.admin("account", "show", user.address, "--json").stdout)
        assert re.match(
            rf"{user.address} from 127\.0\.0\.1 since [-0-9]+ [:0-9]+ UTC, session \w+, process {server.pid}$",
            shown["open"],
        )
        assert shown["messages"] == 2
        assert shown["octets"] == sum(map(int, listing(wire, "LIST").values()))
        assert refusal(server, user).startswith("-ERR [IN-USE] ")
        wire.say("QUIT")
    assert json.loads(server.admin("account", "show", user.address, "--json").stdout)["open"] is None
