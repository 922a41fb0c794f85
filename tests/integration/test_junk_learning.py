"""A filter that its owner teaches, in the real server: by a command, by moving messages, and at the page."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.integration.process import ServerProcess, User, free_port
from tests.integration.requirements import require_program
from tests.integration.terminal import Terminal
from tests.integration.test_explain import told
from tests.integration.test_junk import junk_of
from tests.integration.test_page import client
from tests.integration.test_workers import until
from tests.integration.wire import fetch, send_exactly
from tests.mailbox.junk.corpus import letters
from twisted_mail.mailbox.junk.memory import learned_in
from twisted_mail.mailbox.junk.moves import look
from twisted_mail.message.evidence import ENOUGH, Evidence, junk_field

[JUNK], [GOOD] = ([each.replace(b"\n", b"\r\n") for each in letters(2, 1, junk=is_junk)] for is_junk in (True, False))


def train(server: ServerProcess, user: User) -> None:
    files: dict[bool, list[str]] = {True: [], False: []}
    for is_junk, names in files.items():
        for number, octets in enumerate(letters(1, 30, junk=is_junk)):
            file = server.folder / f"{is_junk}-{number}"
            file.write_bytes(octets)
            names.append(str(file))
    server.admin("junk", "train", user.address, "--junk", *files[True], "--good", *files[False])


def learned(server: ServerProcess, user: User) -> tuple[int, int]:
    found = learned_in(str(server.maildir(user))).messages
    return found.junk, found.good


def test_filter_tells_mail_apart_and_learns_from_moves(
    new_server: Callable[..., ServerProcess],
) -> None:
    server = new_server(accounts=2)
    server.web_ports["web"] = free_port()
    server.configure()
    user, other = server.new_user(), server.new_user()
    train(server, user)
    server.start()

    # two people get the same message, and it is the junk of one of them
    for text in (JUNK, GOOD):
        assert send_exactly(server, text, user, other).startswith("250 ")
    (junk,) = junk_of(server, user)
    assert f"\nX-Junk: yes (5 of 5);\n +5 looks like what {user.address} calls junk (".encode() in junk
    (good,) = fetch(server, user)
    assert b"\r\nX-Junk: no (-3 of 5);\r\n" in good.octets
    assert len(fetch(server, other)) == 2
    assert not any(b"X-Junk" in each.octets for each in fetch(server, other))
    identifier = good.uid.split(".")[1]
    told(server, identifier, until=f"looks like what {user.address} calls good (0.00")

    # a program moves a message by renaming its file, and then back; at each start the server looks at once
    maildir = server.maildir(user)
    (file,) = maildir.glob("new/*")
    moved = maildir / ".Junk" / "cur" / f"{file.name}:2,S"
    file.rename(moved)
    server.stop()
    server.start()
    until(lambda: learned(server, user) == (31, 30))
    moved.rename(maildir / "cur" / f"{file.name}:2,S")
    server.stop()
    server.start()
    until(lambda: learned(server, user) == (30, 31))

    # somebody who has POP3 only presses a button
    page = client(server)
    page.log_in(user.address)
    (junk_file,) = maildir.glob(".Junk/new/*")
    assert f"looks like what {user.address} calls junk" in page.get("/account/junk")
    assert "It is in your inbox now" in page.send("/account/junk", do="is-good", name=junk_file.name)
    assert (junk_of(server, user), len(fetch(server, user))) == ([], 2)
    assert learned(server, user) == (30, 32)
    assert Path(server.maildirs / ".server" / "reputation.sqlite").exists()


def test_moves_by_mutt_are_seen_though_it_gives_other_names(tmp_path: Path) -> None:
    maildir, junk = tmp_path / "Maildir", tmp_path / "Maildir" / ".Junk"
    for folder in (maildir, junk):
        for name in ("new", "cur", "tmp"):
            (folder / name).mkdir(parents=True)
    as_junk = b"Return-Path: <>\n" + junk_field([Evidence(ENOUGH, "it sells things")])
    for number, octets in enumerate(letters(3, 4, junk=True)):
        folder, front = (junk, as_junk) if number % 2 else (maildir, b"Return-Path: <>\n")
        (folder / "new" / f"170000000{number}.x.mx,S=1").write_bytes(front + octets)
    assert look(str(maildir), time.time()) == []

    def with_mutt(box: Path, keys: str) -> list[bool]:
        settings = tmp_path / "muttrc"
        settings.write_text(
            f'set folder="{maildir}" confirmappend=no delete=yes quit=yes move=no wait_key=no\npush "{keys}<quit>"\n'
        )
        command = [require_program("mutt"), "-n", "-F", str(settings), "-f", str(box)]
        Terminal.run(command, {"TERM": "xterm", "HOME": str(tmp_path), "PATH": os.environ["PATH"]})
        return [heard.is_junk for heard in look(str(maildir), time.time())]

    everything = "<tag-pattern>.<enter><tag-prefix><save-message>"
    assert with_mutt(maildir, f"{everything}{junk}<enter>") == [True, True]
    assert with_mutt(junk, f"{everything}{maildir}<enter>") == [False] * 4
    assert with_mutt(maildir, f"{everything}{junk}<enter>") == [True] * 4
