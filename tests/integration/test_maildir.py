"""The Maildirs are plain: other programs read what is there, and what they deliver is served."""

from __future__ import annotations

import mailbox
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.process import ServerProcess, User
from tests.integration.requirements import NOBODY, require_program
from tests.integration.terminal import Terminal
from tests.integration.wire import fetch, log_in, send_exactly, without_trace

LETTER = b"From: them@else.example\r\nSubject: a letter\r\n\r\nbody\r\n.dot\r\n"
ON_DISK = LETTER.replace(b"\r\n", b"\n")


def deliver_by_hand(server: ServerProcess, user: User, name: str, octets: bytes, folder: str = "new") -> Path:
    maildir = server.maildir(user)
    for each in ("new", "cur", "tmp"):
        (maildir / each).mkdir(parents=True, exist_ok=True)
    file = maildir / folder / name
    file.write_bytes(octets)
    return file


def test_file_names_say_what_the_design_promises(server: ServerProcess) -> None:
    user = server.new_user()
    reply = send_exactly(server, LETTER, user)
    [file] = server.stored(user)
    match = re.fullmatch(r"(\d+)\.([0-9a-f]{32})\.mail\.example\.org,S=(\d+),W=(\d+)", file.name)
    assert match is not None, file.name
    octets = file.read_bytes()
    assert match[2] in reply
    assert match[2][12] == "7"  # a UUIDv7
    assert int(match[3]) == len(octets)
    assert int(match[4]) == len(octets) + octets.count(b"\n")
    assert octets.endswith(ON_DISK)
    assert b"\r" not in octets
    assert file.parent.name == "new"
    [message] = fetch(server, user)
    assert message.uid == file.name.partition(",")[0]


def test_the_mail_is_for_the_servers_eyes_only(server: ServerProcess) -> None:
    user = server.new_user()
    send_exactly(server, LETTER, user)
    [file] = server.stored(user)
    for path in (file, file.parent, server.maildir(user), server.maildirs / ".server"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_python_reads_it_and_moves_it_and_the_unique_id_stays(server: ServerProcess) -> None:
    user = server.new_user()
    send_exactly(server, LETTER, user)
    [before] = fetch(server, user)
    maildir = mailbox.Maildir(server.maildir(user), create=False)
    [(key, message)] = maildir.items()
    assert message["Subject"] == "a letter"
    message.set_subdir("cur")
    message.set_flags("S")
    maildir[key] = message
    assert list(server.maildir(user).glob("cur/*:2,S"))
    [after] = fetch(server, user)
    assert (after.uid, after.octets) == (before.uid, before.octets)


def test_what_python_delivers_is_served(server: ServerProcess) -> None:
    user = server.new_user()
    mailbox.Maildir(server.maildir(user)).add(ON_DISK)
    [message] = fetch(server, user)
    assert (message.octets, message.size) == (LETTER, len(LETTER))


def test_foreign_mail_can_be_deleted(server: ServerProcess) -> None:
    user = server.new_user()
    file = deliver_by_hand(server, user, "1700000000.M1P2.elsewhere:2,RS", ON_DISK, "cur")
    with log_in(server, user) as wire:
        assert wire.say("DELE 1").startswith("+OK")
        assert wire.say("QUIT").startswith("+OK")
    assert not file.exists()


@pytest.mark.parametrize(
    ("octets", "served"),
    [
        (ON_DISK, LETTER),
        (LETTER, LETTER),
        (b"Subject: mixed\r\n\nLF\nCRLF\r\nend\n", b"Subject: mixed\r\n\r\nLF\r\nCRLF\r\nend\r\n"),
        (b"Subject: cut\n\nno line end", b"Subject: cut\r\n\r\nno line end\r\n"),
        (b"Subject: no blank line\n", b"Subject: no blank line\r\n"),
        (b".first octet a dot\n", b".first octet a dot\r\n"),
    ],
    ids=["LF", "CRLF", "mixed", "no final line end", "no blank line", "dot"],
)
def test_files_of_other_programs_are_served_and_counted_right(
    server: ServerProcess, octets: bytes, served: bytes
) -> None:
    user = server.new_user()
    deliver_by_hand(server, user, "1700000000.M1P2.elsewhere", octets)
    [message] = fetch(server, user)
    assert message.octets == served
    assert message.size == len(served)


def test_a_name_that_is_no_unique_id_gets_one_that_stays(server: ServerProcess) -> None:
    user = server.new_user()
    deliver_by_hand(server, user, "name with spaces and ü", ON_DISK)
    [first] = fetch(server, user)
    [second] = fetch(server, user)
    assert re.fullmatch(r"[\x21-\x7e]{1,70}", first.uid)
    assert first == second


def test_folders_and_links_among_the_mail_are_left_alone(server: ServerProcess) -> None:
    user = server.new_user()
    file = deliver_by_hand(server, user, "1700000000.M1P2.elsewhere", ON_DISK)
    (file.parent / "folder").mkdir()
    (file.parent / "link").symlink_to("/etc/passwd")
    (file.parent / ".hidden").write_bytes(b"x")
    assert [message.octets for message in fetch(server, user)] == [LETTER]


def test_a_file_that_another_program_took_away_is_told_and_no_more(server: ServerProcess) -> None:
    user = server.new_user()
    file = deliver_by_hand(server, user, "1700000000.M1P2.elsewhere", ON_DISK)
    deliver_by_hand(server, user, "1700000001.M1P2.elsewhere", ON_DISK)
    with log_in(server, user) as wire:
        file.unlink()
        assert wire.say("RETR 1").startswith("-ERR")
        assert wire.say("RETR 2").startswith("+OK")
        assert wire.multiline() == LETTER
        assert wire.say("QUIT").startswith("+OK")


def test_unique_ids_survive_a_restart(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=1)
    user = server.new_user()
    server.start()
    send_exactly(server, LETTER, user)
    send_exactly(server, LETTER, user)
    before = fetch(server, user)
    server.stop()
    server.start()
    assert fetch(server, user) == before


# ---- Dovecot, on the same Maildir in turns


class Dovecot:
    """Its POP3 server and its delivery agent on one Maildir, without daemon and login."""

    def __init__(self, folder: Path, maildir: Path, uidl_format: str = "%f") -> None:
        self._libexec = Path(require_program("/usr/lib/dovecot/pop3", "dovecot-pop3d")).parent
        self._maildir = maildir
        self._home = folder / "dovecot"
        self._home.mkdir()
        self._config = self._home / "dovecot.conf"
        self._config.write_text(
            f"base_dir = {self._home}/run\nlog_path = /dev/stderr\nmail_location = maildir:{maildir}\n"
            f"ssl = no\npop3_uidl_format = {uidl_format}\nfirst_valid_uid = 1\n"
        )

    def run(self, name: str, octets: bytes) -> bytes:
        """Run one of its programs.  As root it will not: then it is somebody else, whose Maildir this is meanwhile."""
        owner = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        if owner:
            self._give_to(NOBODY)
        done = subprocess.run(
            [self._libexec / name, "-c", self._config],
            input=octets,
            capture_output=True,
            timeout=30,
            check=False,
            env={"USER": "somebody", "HOME": str(self._home), "PATH": os.environ["PATH"]},
            **owner,
        )
        if owner:
            self._give_to(0)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _give_to(self, user: int) -> None:
        self._maildir.parent.parent.chmod(0o711)
        self._maildir.parent.chmod(0o711)
        for path in (self._home, self._maildir, *self._home.rglob("*"), *self._maildir.rglob("*")):
            os.chown(path, user, user)


def test_dovecot_and_this_server_take_turns(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=1)
    user = server.new_user()
    server.start()
    send_exactly(server, LETTER, user)
    dovecot = Dovecot(server.folder, server.maildir(user))
    [ours] = fetch(server, user)

    seen = dovecot.run("pop3", b"STAT\r\nUIDL\r\nRETR 1\r\nQUIT\r\n")
    assert f"+OK 1 {ours.size}\r\n".encode() in seen
    assert f"\r\n1 {ours.uid}".encode() in seen
    assert ours.octets.replace(b"\r\n.", b"\r\n..") in seen

    dovecot.run("dovecot-lda", b"From: dovecot@else.example\nSubject: by dovecot\n\nx\n")
    again, theirs = fetch(server, user)
    assert again == ours
    assert b"Subject: by dovecot\r\n" in theirs.octets
    assert theirs.size == len(theirs.octets)
    dovecot.run("pop3", b"DELE 1\r\nQUIT\r\n")
    assert fetch(server, user) == [theirs]


def test_mutt_reads_a_maildir(server: ServerProcess, tmp_path: Path) -> None:
    mutt = require_program("mutt")
    user = server.new_user()
    send_exactly(server, LETTER, user)
    settings = tmp_path / "muttrc"
    copy = tmp_path / "copy"
    settings.write_text(
        f'set folder="{tmp_path}" confirmappend=no confirmcreate=no copy=no wait_key=no delete=no beep=no\n'
        f'push "<copy-message>{copy}<enter><exit>"\n'
    )
    command = [mutt, "-n", "-F", str(settings), "-f", str(server.maildir(user))]
    screen = Terminal.run(command, {"TERM": "xterm", "HOME": str(tmp_path), "PATH": os.environ["PATH"]})
    assert copy.exists(), screen
    assert b"\nSubject: a letter\n" in copy.read_bytes()
    assert b"\n\nbody\n.dot\n" in copy.read_bytes()
    [message] = fetch(server, user)
    assert without_trace(message.octets) == LETTER


def test_a_login_reads_mail_that_arrived_while_nobody_looked(server: ServerProcess) -> None:
    """The Maildir of an account is made with its first message; before, the maildrop is empty."""
    user = server.new_user()
    assert fetch(server, user) == []
    send_exactly(server, LETTER, user)
    assert len(fetch(server, user)) == 1
