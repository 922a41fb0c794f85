"""Moving in and out: nobody downloads anything again, and nothing is lost while the server runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.integration.process import ServerProcess
from tests.integration.requirements import NOBODY, require_root
from tests.integration.test_maildir import Dovecot
from tests.integration.wire import Fetched, fetch, log_in, send_exactly, without_trace

LETTERS = 12


def letter(number: int) -> bytes:
    return b"Subject: letter %d\r\n\r\n%s" % (number, b"a line\r\n.\r\nFrom here\r\n" * number)


@pytest.mark.parametrize("uidl_format", ["%08Xu%08Xv", "%v.%u", "%f"])
def test_from_dovecot(new_server: Callable[..., ServerProcess], tmp_path: Path, uidl_format: str) -> None:
    """What a POP3 client of Dovecot knows, it finds here under the same unique-ids."""
    server = new_server(accounts=1)
    server.start()
    user = server.new_user()
    old = server.folder / "old" / "mail"
    old.mkdir(parents=True)
    dovecot = Dovecot(server.folder, old, uidl_format)
    for number in range(LETTERS):
        dovecot.run("dovecot-lda", letter(number).replace(b"\r\n", b"\n"))
    seen = dovecot.run("pop3", b"UIDL\r\nRETR 3\r\nDELE 5\r\nQUIT\r\n").decode()
    rows = re.findall(r"(?m)^(\d+) ([^ \r\n]+)\r$", seen)
    assert len(rows) == LETTERS
    known = {uid: int(number) - 1 for number, uid in rows if number != "5"}
    listing = tmp_path / "known"
    listing.write_text("".join(f"{number} {uid}\n" for number, uid in rows if number != "5"))

    done = server.admin("import", user.address, str(old), "--uidl-format", uidl_format)
    assert done.stdout == f"imported {LETTERS - 1} messages into {user.address}\n"
    assert done.stderr == ""
    told = server.admin("uidl-diff", str(listing), user.address).stdout
    assert told == f"0 of {LETTERS - 1} would be downloaded again\n"
    messages = fetch(server, user)
    assert len(messages) == LETTERS - 1
    for message in messages:
        assert message.octets.endswith(letter(known[message.uid]))
        assert message.size == len(message.octets)
    # and the mail that came there meanwhile, once more
    dovecot.run("dovecot-lda", letter(LETTERS).replace(b"\r\n", b"\n"))
    told = server.admin("import", user.address, str(old), "--uidl-format", uidl_format).stdout
    assert told.startswith(f"imported 1 message into {user.address}; {LETTERS - 1} were there already")


def test_from_another_server_over_pop3(server: ServerProcess, new_server: Callable[..., ServerProcess]) -> None:
    old = new_server(accounts=2)
    old.start()
    theirs, ours = old.new_user(), server.new_user()
    for number in range(LETTERS):
        send_exactly(old, letter(number), theirs)
    secured = f"pop3s://{theirs.address}@localhost:{old.ports.pop3s}"
    plain = f"pop3://{theirs.address}@127.0.0.1:{old.ports.pop3}"
    refused = server.try_admin("import", ours.address, secured, "--password-stdin", stdin=f"{theirs.password}\n")
    assert "the certificate of localhost" in refused.stderr
    wrong = server.try_admin("import", ours.address, plain, "--password-stdin", "--insecure", stdin="wrong\n")
    assert re.search(r"answered PASS with: -ERR .*; check user and password\n$", wrong.stderr)

    for place, expected in (
        (secured, f"imported {LETTERS} messages into {ours.address}\n"),
        (secured, f"imported 0 messages into {ours.address}; {LETTERS} were there already\n"),
        # another name of the same server: the messages are known by their octets
        (plain, f"imported 0 messages into {ours.address}; {LETTERS} were there already\n"),
    ):
        command = ("import", ours.address, place, "--password-stdin", "--insecure")
        assert server.admin(*command, stdin=f"{theirs.password}\n").stdout == expected
    here = f"pop3s://{ours.address}@localhost:{server.ports.pop3s}"
    passwords = f"{theirs.password}\n{ours.password}\n"
    told = server.admin("uidl-diff", plain, here, "--password-stdin", "--insecure", stdin=passwords).stdout
    assert told == f"0 of {LETTERS} would be downloaded again\n"
    assert contents(fetch(server, ours)) == contents(fetch(old, theirs))


def test_there_and_back_as_an_mbox(server: ServerProcess, tmp_path: Path) -> None:
    first, second = server.new_user(), server.new_user()
    for number in range(LETTERS):
        send_exactly(server, letter(number), first)
    file = tmp_path / "mbox"
    server.admin("export", first.address, "--mbox", str(file))
    server.admin("import", second.address, str(file))
    assert server.admin("uidl-diff", first.address, second.address).stdout.startswith("0 of ")
    assert contents(fetch(server, second)) == contents(fetch(server, first))


def test_what_a_client_has_deleted_does_not_come_back(server: ServerProcess, tmp_path: Path) -> None:
    user = server.new_user()
    file = tmp_path / "mbox"
    file.write_bytes(b"".join(b"From x Sat Nov 21 06:09:41 2026\nSubject: %d\n\nx\n\n" % n for n in range(3)))
    assert "3 had no unique-id of their own" in server.admin("import", user.address, str(file)).stdout
    with log_in(server, user) as wire:
        assert wire.say("DELE 2").startswith("+OK")
        assert wire.say("QUIT").startswith("+OK")
    left = fetch(server, user)
    assert "3 were there already" in server.admin("import", user.address, str(file)).stdout
    assert fetch(server, user) == left


def contents(messages: list[Fetched]) -> dict[str, bytes]:
    return {message.uid: without_trace(message.octets) for message in messages}


def test_root_makes_files_that_the_server_can_open(new_server: Callable[..., ServerProcess], tmp_path: Path) -> None:
    """Also where the old mail is for root's eyes only, and the backup in a folder of root's."""
    require_root()
    server = new_server(accounts=1)
    user = server.new_user()
    old = tmp_path / "mbox"
    old.write_bytes(b"From x Sat Nov 21 06:09:41 2026\nX-UIDL: old\nSubject: x\n\nx\n")
    old.chmod(0o600)
    give_away(server.maildirs)
    server.admin("import", user.address, str(old))
    assert {path.stat().st_uid for path in server.maildirs.rglob("*")} == {NOBODY}
    backup = tmp_path / "backup"
    server.admin("backup", str(backup))
    assert {path.stat().st_uid for path in server.maildirs.rglob("*")} == {NOBODY}
    for make_empty in (False, True):
        server.maildirs.rename(tmp_path / f"lost-{make_empty}")
        if make_empty:
            server.maildirs.mkdir()
            give_away(server.maildirs)
        server.admin("restore", str(backup))
        assert {path.stat().st_uid for path in (server.maildirs, *server.maildirs.rglob("*"))} == {NOBODY}
    assert server.admin("uidl-diff", user.address).stdout == "1 old\n"


def give_away(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)


# ---- backup and restore


def test_backup_while_mail_comes_and_goes_then_restore(
    new_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    """What was acknowledged before the backup began is in it; the restored server serves it as before."""
    server = new_server(accounts=2)
    server.start()
    user, busy = server.new_user(), server.new_user()
    for number in range(LETTERS):
        send_exactly(server, letter(number), user)
    before = fetch(server, user)
    backup = tmp_path / "backup"
    stop = Event()

    def keep_busy() -> int:
        """Deliver, fetch and delete until the backup is done."""
        sent = 0
        while not stop.is_set() and sent < 5000:
            send_exactly(server, letter(3), busy)
            sent += 1
            if sent % 10 == 0:
                with log_in(server, busy) as wire:
                    wire.say("DELE 1")
                    assert wire.say("QUIT").startswith("+OK")
        return sent

    with ThreadPoolExecutor(2) as threads:
        traffic = threads.submit(keep_busy)
        try:
            for _ in range(2):
                server.admin("backup", str(backup))
        finally:
            stop.set()
        assert traffic.result() > 0
    assert " is whole: " in server.admin("backup", str(backup), "--verify").stdout
    at_the_end = server.admin("backup", str(backup)).stdout
    everything = fetch(server, busy)
    server.stop()

    assert "is not empty" in server.try_admin("restore", str(backup)).stderr
    server.maildirs.rename(tmp_path / "lost")
    told = server.admin("restore", str(backup)).stdout
    assert f"restored {LETTERS + len(everything)} messages" in told
    assert f"{LETTERS + len(everything)} messages" in at_the_end
    server.start()
    assert fetch(server, user) == before
    assert fetch(server, busy) == everything
    send_exactly(server, letter(1), user)
    assert len(fetch(server, user)) == LETTERS + 1
    server.stop()

    # the first one, which was made in the midst of it
    server.maildirs.rename(tmp_path / "second")
    first = sorted(path for path in backup.iterdir() if not path.name.startswith("."))[0]
    server.admin("restore", str(first))
    server.start()
    assert fetch(server, user) == before
    served = {message.uid: message for message in fetch(server, busy)}
    for message in everything:
        assert served.get(message.uid, message) == message
    for message in served.values():
        assert message.octets.endswith(letter(3))
