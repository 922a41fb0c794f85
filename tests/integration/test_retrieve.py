"""POP3 on 110 and 995 with poplib and on the raw wire: logging in, reading, deleting at QUIT and only there."""

from __future__ import annotations

import base64
import poplib
import re
from collections.abc import Callable

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.wire import Wire, fetch, fill, listing, log_in, send_exactly, without_trace

PORTS = ("pop3", "pop3s")


def connect(server: ServerProcess, port: str) -> poplib.POP3:
    if port == "pop3s":
        return poplib.POP3_SSL("localhost", server.ports.pop3s, context=server.tls)
    client = poplib.POP3("localhost", server.ports.pop3)
    client.stls(context=server.tls)
    return client


def opened(server: ServerProcess, user: User, port: str = "pop3s") -> poplib.POP3:
    client = connect(server, port)
    client.user(user.address)
    client.pass_(user.password)
    return client


def plain(user: User, password: str = "") -> str:
    return base64.b64encode(f"\0{user.address}\0{password or user.password}".encode()).decode()


@pytest.mark.parametrize("port", PORTS)
def test_a_whole_session_with_poplib(server: ServerProcess, port: str) -> None:
    user = server.new_user()
    fill(server, user, 3)
    client = opened(server, user, port)
    count, octets = client.stat()
    assert count == 3
    sizes = [int(row.split()[1]) for row in client.list()[1]]
    assert sum(sizes) == octets
    assert len({row.split()[1] for row in client.uidl()[1]}) == 3
    for number, size in enumerate(sizes, 1):
        _, lines, _ = client.retr(number)
        assert lines[-1] == b"body %d" % number
        assert len(b"\r\n".join(lines)) + 2 == size
    client.quit()
    assert len(fetch(server, user)) == 3


@pytest.mark.parametrize("port", PORTS)
def test_a_wrong_password_is_told_as_such(server: ServerProcess, port: str) -> None:
    user = server.new_user()
    client = connect(server, port)
    client.user(user.address)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\] "):
        client.pass_("not the password")
    client.user(user.address)
    client.pass_(user.password)
    client.quit()


def test_auth_plain_and_login_in_all_their_forms(server: ServerProcess) -> None:
    user = server.new_user()
    name, password = (base64.b64encode(text.encode()).decode() for text in (user.address, user.password))
    for lines in (
        [f"AUTH PLAIN {plain(user)}"],
        ["AUTH PLAIN", plain(user)],
        ["auth login", name, password],
        [f"AUTH Login {name}", password],
    ):
        with Wire(server.ports.pop3s, server.tls) as wire:
            wire.reply()
            *challenged, last = lines
            assert all(wire.say(line).startswith("+ ") for line in challenged)
            assert wire.say(last).startswith("+OK"), lines
            assert wire.say("QUIT").startswith("+OK")


def test_auth_plain_with_a_wrong_password_is_refused(server: ServerProcess) -> None:
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        assert wire.say(f"AUTH PLAIN {plain(server.new_user(), 'not the password')}").startswith("-ERR [AUTH] ")


def test_passwords_are_not_taken_in_the_clear(server: ServerProcess) -> None:
    user = server.new_user()
    with Wire(server.ports.pop3) as wire:
        wire.reply()
        for command in (f"USER {user.address}", f"PASS {user.password}", f"AUTH PLAIN {plain(user)}"):
            assert wire.say(command).startswith("-ERR"), command
        assert wire.say("STAT").startswith("-ERR")


def test_capa_is_true_before_tls_after_it_and_after_login(server: ServerProcess) -> None:
    user = server.new_user()
    client = poplib.POP3("localhost", server.ports.pop3)
    always = {"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"}
    in_the_clear = client.capa()
    assert always | {"STLS"} <= in_the_clear.keys()
    assert not {"USER", "SASL"} & in_the_clear.keys()
    client.stls(context=server.tls)
    encrypted = client.capa()
    assert always | {"USER"} <= encrypted.keys()
    assert encrypted["SASL"] == ["PLAIN", "LOGIN"]
    assert "STLS" not in encrypted
    client.user(user.address)
    client.pass_(user.password)
    assert always <= client.capa().keys()
    client.quit()


def test_top_gives_header_and_the_lines_asked_for(server: ServerProcess) -> None:
    user = server.new_user()
    send_exactly(server, b"Subject: top\r\n\r\none\r\n..two\r\n.\r\nthree\r\n", user)
    client = opened(server, user)
    whole = client.retr(1)[1]
    body = whole.index(b"") + 1
    assert whole[body:] == [b"one", b"..two", b".", b"three"]
    for lines in (0, 1, 3, 99_999_999):
        assert client.top(1, lines)[1] == whole[: body + lines]
    client.quit()


def test_deleted_messages_go_at_quit(server: ServerProcess) -> None:
    user = server.new_user()
    fill(server, user, 3)
    client = opened(server, user)
    client.dele(2)
    assert client.stat()[0] == 2
    assert [row.split()[0] for row in client.list()[1]] == [b"1", b"3"]
    assert [row.split()[0] for row in client.uidl()[1]] == [b"1", b"3"]
    for command in (client.retr, client.dele, client.list, client.uidl):
        with pytest.raises(poplib.error_proto):
            command(2)
    assert len(server.stored(user)) == 3
    client.quit()
    assert [without_trace(message.octets)[9:10] for message in fetch(server, user)] == [b"1", b"3"]
    assert len(server.stored(user)) == 2


def test_rset_takes_deletions_back(server: ServerProcess) -> None:
    user = server.new_user()
    fill(server, user, 2)
    client = opened(server, user)
    client.dele(1)
    client.dele(2)
    client.rset()
    assert client.stat()[0] == 2
    client.quit()
    assert len(server.stored(user)) == 2


def test_a_dropped_line_deletes_nothing(server: ServerProcess) -> None:
    user = server.new_user()
    fill(server, user, 2)
    wire = log_in(server, user)
    assert wire.say("DELE 1").startswith("+OK")
    wire.send(b"QUI")  # not a whole command
    wire.drop()
    assert len(fetch_when_free(server, user)) == 2


def fetch_when_free(server: ServerProcess, user: User) -> list[bytes]:
    """The messages, once the server has noticed that the session before is gone."""
    for _ in range(200):
        with Wire(server.ports.pop3s, server.tls) as wire:
            wire.reply()
            wire.say(f"USER {user.address}")
            if not wire.say(f"PASS {user.password}").startswith("-ERR [IN-USE]"):
                break
    return [message.octets for message in fetch(server, user)]


def test_a_second_session_is_told_that_the_maildrop_is_in_use(server: ServerProcess) -> None:
    user = server.new_user()
    fill(server, user, 1)
    first = opened(server, user)
    second = connect(server, "pop3")
    second.user(user.address)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[IN-USE\] "):
        second.pass_(user.password)
    first.quit()
    second.user(user.address)
    second.pass_(user.password)
    second.quit()


def test_a_session_of_another_process_holds_the_maildrop_too(
    server: ServerProcess, new_server: Callable[..., ServerProcess]
) -> None:
    user = server.new_user()
    fill(server, user, 1)
    other = new_server()
    other.config.write_text(f'data = "{server.maildirs}"\n' + other.config.read_text())
    other.start()
    first = opened(server, user)
    second = connect(other, "pop3s")
    second.user(user.address)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[IN-USE\] "):
        second.pass_(user.password)
    first.quit()
    second.user(user.address)
    second.pass_(user.password)
    assert second.stat()[0] == 1
    second.quit()


def test_mail_that_comes_during_a_session_waits_for_the_next(server: ServerProcess) -> None:
    user = server.new_user()
    fill(server, user, 1)
    client = opened(server, user)
    fill(server, user, 1)
    assert client.stat()[0] == 1
    client.dele(1)
    client.quit()
    assert len(fetch(server, user)) == 1


def test_a_pipelined_session_is_answered_in_order(server: ServerProcess) -> None:
    user = server.new_user()
    fill(server, user, 6)
    commands = ["STAT", *(f"RETR {number}" for number in range(1, 7)), "DELE 3", "RETR 3", "NOOP", "QUIT"]
    with log_in(server, user) as wire:
        wire.send("".join(f"{command}\r\n" for command in commands).encode())
        assert wire.reply().startswith("+OK 6 ")
        for number in range(1, 7):
            assert wire.reply().startswith("+OK")
            assert wire.multiline().endswith(b"body %d\r\n" % number)
        assert [wire.reply()[:4] for _ in range(4)] == ["+OK ", "-ERR", "+OK ", "+OK "]
        assert wire.rest() == b""
    assert len(server.stored(user)) == 5


def test_a_pipelined_login_works_too(server: ServerProcess) -> None:
    user = server.new_user()
    fill(server, user, 1)
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.send(f"CAPA\r\nUSER {user.address}\r\nPASS {user.password}\r\nRETR 1\r\nQUIT\r\n".encode())
        assert wire.reply().startswith("+OK")
        assert wire.reply().startswith("+OK")
        assert b"UIDL\r\n" in wire.multiline()
        assert [wire.reply()[:3] for _ in range(3)] == ["+OK"] * 3
        assert wire.multiline().endswith(b"body 1\r\n")
        assert wire.reply().startswith("+OK")


def test_unique_ids_are_as_the_standard_wants_and_stay(server: ServerProcess) -> None:
    user = server.new_user()
    fill(server, user, 2)
    before = [message.uid for message in fetch(server, user)]
    assert all(re.fullmatch(r"[\x21-\x7e]{1,70}", uid) for uid in before)
    fill(server, user, 1)
    assert [message.uid for message in fetch(server, user)][:2] == before


def test_quit_before_the_login_deletes_nothing_and_says_goodbye(server: ServerProcess) -> None:
    with Wire(server.ports.pop3) as wire:
        wire.reply()
        assert wire.say("QUIT").startswith("+OK")
        assert wire.rest() == b""


def test_commands_of_old_and_sloppy_clients(server: ServerProcess) -> None:
    user = server.new_user()
    fill(server, user, 1)
    with log_in(server, user) as wire:
        assert wire.say("LAST").startswith("-ERR")
        assert wire.say("stat ").startswith("+OK 1 ")
        assert wire.say("list 1").startswith("+OK 1 ")
        assert wire.say("uidl 1").startswith("+OK 1 ")
        assert wire.say("RETR 2").startswith("-ERR")
        assert wire.say("RETR 0").startswith("-ERR")
        assert wire.say("RETR").startswith("-ERR")
        assert listing(wire, "LIST").keys() == {1}


def test_plaintext_behind_stls_is_never_obeyed(server: ServerProcess) -> None:
    with Wire(server.ports.pop3) as wire:
        wire.reply()
        wire.send(b"STLS\r\nUSER injected\r\n")
        assert wire.reply().startswith("-ERR")
        assert wire.say("NOOP").startswith("-ERR")
        assert wire.say("QUIT").startswith("+OK")
