"""Junk of a real server: where it lies, and how somebody with POP3 only gets at it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.test_checks import RECORDS, send
from tests.integration.wire import fetch, mail_in
from tests.integration.zones import Trouble, Zones

NewServer = Callable[..., ServerProcess]


@pytest.fixture
def zones() -> Iterator[Zones]:
    with Zones(RECORDS) as running:
        yield running


def junk_of(server: ServerProcess, user: User, *, delete: bool = False) -> list[bytes]:
    return mail_in(server, user, "%junk", delete=delete)


def shown(server: ServerProcess, user: User) -> dict[str, object]:
    found: dict[str, object] = json.loads(server.admin("account", "show", user.address, "--json").stdout)
    return found


def test_quarantined_message_is_fetched_as_junk_and_deleted_there(new_server: NewServer, zones: Zones) -> None:
    server = new_server(f"{zones.settings}[checks]\ntrusted = []\n[junk]\ngreylist = false\n", accounts=2)
    server.start()
    user = server.new_user()
    assert send(server, "alice@example.net", user, author="ceo@mild.example", more="X-Junk: no\r\n")[0] == 250
    assert send(server, "alice@example.net", user, more="X-Junk: yes; forged\r\n")[0] == 250
    (good,) = fetch(server, user)
    assert b"\r\nX-Junk: no (-0.5 of 5);\r\n -0.5 proven to be from example.net (DMARC)\r\n" in good.octets
    assert (shown(server, user)["messages"], shown(server, user)["junk"]) == (1, 1)
    (junk,) = junk_of(server, user, delete=True)
    reason = b"not proven to be from mild.example (DMARC p=quarantine of mild.example)"
    assert b"\nX-Junk: yes (5 of 5);\n +5 " + reason + b"\n" in junk
    assert junk.count(b"X-Junk") == 1
    assert junk_of(server, user) == []
    assert len(fetch(server, user)) == 1
    (row,) = json.loads(server.admin("account", "restore", user.address, "--json").stdout)
    assert row["view"] == "junk"
    server.admin("account", "restore", user.address, "--session", row["session"])
    assert junk_of(server, user) == [junk]


LISTS = """[checks]
trusted = []
[junk]
greylist = false
block_lists = ["dead.example", "unwilling.example", "bl.example"]
allow_lists = ["wl.example"]
"""


def listed(zones: Zones) -> None:
    zones.records |= {
        "1.0.0.127.bl.example": {"A": ["127.0.0.2"]},
        "1.0.0.127.dead.example": Trouble.IS_SILENT,
        "1.0.0.127.unwilling.example": {"A": ["127.255.255.254"]},
    }


def test_mail_from_a_listed_address_is_junk_unless_it_is_allowed(new_server: NewServer, zones: Zones) -> None:
    listed(zones)
    server = new_server(zones.settings + LISTS, accounts=2)
    server.start()
    user = server.new_user()
    assert send(server, "alice@example.net", user)[0] == 250
    (junk,) = junk_of(server, user)
    assert b"X-Junk: yes (5 of 5);\n +5 127.0.0.1 is on bl.example (127.0.0.2)\n" in junk
    assert fetch(server, user) == []
    server.stop()
    zones.records["1.0.0.127.wl.example"] = {"A": ["127.0.5.1"]}
    server.start()
    assert send(server, "alice@example.net", user)[0] == 250
    assert (len(junk_of(server, user)), len(fetch(server, user))) == (1, 1)


def test_mail_from_a_listed_address_is_refused_where_that_is_wanted(new_server: NewServer, zones: Zones) -> None:
    listed(zones)
    server = new_server(f'{zones.settings}{LISTS}action = "reject"\n', accounts=1)
    server.start()
    user = server.new_user()
    code, text = send(server, "alice@example.net", user)
    assert (code, text.split(b"\n")[0]) == (550, b"5.7.1 127.0.0.1 is on the list bl.example (127.0.0.2)")
    assert (junk_of(server, user), fetch(server, user)) == ([], [])


def test_lists_that_are_dead_or_unwilling_block_nobody(new_server: NewServer, zones: Zones) -> None:
    listed(zones)
    del zones.records["1.0.0.127.bl.example"]
    server = new_server(zones.settings + LISTS, accounts=1)
    server.start()
    user = server.new_user()
    for _ in range(4):
        assert send(server, "alice@example.net", user)[0] == 250
    assert (len(junk_of(server, user)), len(fetch(server, user))) == (0, 4)
    log = server.log_text()
    assert log.count("the list unwilling.example answers 127.255.255.254, which lists nobody") == 1
    assert log.count("the list dead.example does not answer") == 1
