"""The server explains itself: a message sent on to a second server, with a retry, read by three POP3 sessions."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.integration.process import PASSWORD, ServerProcess, User
from tests.integration.test_outgoing import CAROL, elsewhere, send, wait_for_mail
from tests.integration.wire import Wire, log_in

__all__ = ["elsewhere"]

NewServer = Callable[..., ServerProcess]
BODY = b"This marker stands in the body only: kumquat-4711.\r\n"
TIME = re.compile(r"^  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  ")
MESSAGE_ID = "<story-1@else.example>"
LETTER = b"Message-ID: " + MESSAGE_ID.encode() + b"\r\nSubject: a story\r\n\r\n" + BODY


def told(server: ServerProcess, *what: str, until: str = "") -> list[str]:
    """The lines of `mailserver explain`, without times, once *until* is among them: the journal is a second behind."""
    deadline = time.monotonic() + 20.0
    while True:
        done = server.try_admin("explain", *what)
        if done.returncode == 0 and until in done.stdout:
            return [TIME.sub("", line) for line in done.stdout.splitlines()]
        assert time.monotonic() < deadline, f"{done.stdout}{done.stderr}\n{server.log_text()}"
        time.sleep(0.1)


@contextmanager
def not_now(port: int) -> Iterator[None]:
    """A server there that takes nobody for now."""
    with socket.create_server(("127.0.0.1", port)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, connection.makefile("rwb", buffering=0) as file:
                        file.write(b"220 elsewhere.example\r\n")
                        for line in file:
                            file.write(REPLIES.get(line[:4].upper(), b"250 Ok\r\n"))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


REPLIES = {b"RCPT": b"450 4.2.1 Come back later\r\n", b"DATA": b"503 5.5.1 Nobody to send it to\r\n"}


def deliver(server: ServerProcess, *recipients: str) -> None:
    """From another server, which first tries somebody who does not exist."""
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        wire.say("MAIL FROM:<them@else.example>")
        assert wire.say(f"RCPT TO:<nobody@{recipients[0].partition('@')[2]}>").startswith("550 ")
        for recipient in recipients:
            assert wire.say(f"RCPT TO:<{recipient}>").startswith("250 ")
        wire.say("DATA")
        wire.send(LETTER + b".\r\n")
        assert wire.reply().startswith("250 ")
        wire.say("QUIT")


def test_a_message_read_by_three_sessions_is_told_step_by_step(new_server: NewServer) -> None:
    server = new_server(accounts=1)
    user = server.new_user()
    server.admin("alias", "add", "info@example.org", user.address)
    added = server.admin("account", "app-password", "add", user.address, "laptop").stdout
    laptop = User(user.address, re.findall(r"\S+", added)[-1])
    server.start()
    deliver(server, "info@example.org")
    with log_in(server, user) as wire:  # reads, and drops the connection
        assert wire.say("RETR 1").startswith("+OK")
        wire.multiline()
    with log_in(server, laptop) as wire:  # looks at it
        assert wire.say("TOP 1 5").startswith("+OK")
        wire.multiline()
        wire.say("QUIT")
    with log_in(server, user) as wire:  # deletes it
        assert wire.say("DELE 1").startswith("+OK")
        wire.say("QUIT")
    lines = told(server, MESSAGE_ID, until="1 deleted")
    identifier = lines[0].removeprefix("Message ")
    dialogue = [line.strip(" |") for line in lines if line.startswith("      |")]
    for said in ("C: RCPT TO:<nobody@example.org>", "S: 550 5.1.1 There is no mailbox nobody@example.org here"):
        assert said in dialogue
    lines = [line for line in lines if not line.startswith("      |")]
    story = "\n".join(re.sub(r";? (in )?session [0-9a-f]{12}", "", line) for line in lines[1:])
    size = len(LETTER) - LETTER.count(b"\r\n")
    [stored] = re.findall(r"as (\d+\.\S+)", story)
    octets = re.findall(r"(\d+) octets", story)[1]
    assert story.splitlines() == [
        "refused to client.example [127.0.0.1] at RCPT, from <them@else.example> for nobody@example.org: "
        "550 5.1.1 There is no mailbox nobody@example.org here",
        f"info@example.org stands for {user.address}",
        f"on disk in the mailbox of {user.address}, as {stored}",
        "taken over smtp from client.example [127.0.0.1]: from <them@else.example> for info@example.org, "
        f"{size} octets; Message-ID {MESSAGE_ID}",
        "what was said with [127.0.0.1] (550 5.1.1 There is no mailbox nobody@example.org here):",
        f"{user.address} logged in at pop3s with TLSv1.3 from [127.0.0.1]",
        f"all of it was sent over pop3s to {user.address} at [127.0.0.1], {octets} octets",
        f"{user.address} was gone without QUIT: 1 retrieved, nothing deleted",
        f'{user.address} logged in at pop3s with TLSv1.3 from [127.0.0.1], by the app password "laptop"',
        f"the header and 5 lines were sent over pop3s to {user.address} at [127.0.0.1], {octets} octets",
        f"{user.address} logged out: 1 retrieved, 0 deleted",
        f"{user.address} logged in at pop3s with TLSv1.3 from [127.0.0.1]",
        f"deleted by {user.address} at [127.0.0.1] over pop3s",
        f"{user.address} logged out: 0 retrieved, 1 deleted",
    ]
    assert identifier in stored
    for question in (identifier, identifier[:13], user.address, "info@example.org", MESSAGE_ID.strip("<>")):
        assert lines[0] in told(server, question), question
    assert any(MESSAGE_ID in line for line in told(server, "10 minutes ago"))
    [story_as_json] = json.loads(server.admin("explain", identifier, "--json").stdout)
    assert story_as_json["id"] == identifier
    assert len(story_as_json["records"]) == len(lines) - 1
    unknown = server.try_admin("explain", "nobody-ever@example.org")
    assert unknown.returncode == 1
    assert "the journal knows nothing of nobody-ever@example.org; it begins at " in unknown.stderr


def test_a_retry_and_the_other_servers_words_are_told(new_server: NewServer, elsewhere: ServerProcess) -> None:
    here = new_server(f'[relay]\nsmarthost = "tcp:127.0.0.1:{elsewhere.ports.smtp}"\n', accounts=1)
    here.start()
    alice = here.new_user()
    with not_now(elsewhere.ports.smtp):
        send(here, alice, CAROL.address)
        told(here, CAROL.address, until=f"attempt 1 for {CAROL.address} failed: ")
    elsewhere.start()
    here.admin("queue", "retry", "--all")
    wait_for_mail(elsewhere, CAROL)
    lines = told(here, CAROL.address, until="left the queue")
    story = [line for line in lines if not line.startswith("      |")]
    taken = next(line for line in story if line.startswith("taken over submission with TLSv1.3 from "))
    assert f"logged in as {alice.address}: from <{alice.address}> for {CAROL.address}" in taken
    [queued] = [line for line in story if line.startswith(f"on disk in the queue for {CAROL.address}, as ")]
    identifier = queued.rpartition(" ")[2]
    failed, asked, relayed, last, done = story[-5:]
    assert re.fullmatch(
        rf"attempt 1 for {CAROL.address} failed: 127.0.0.1 said 450 4.2.1 Come back later; again at [-0-9: ]+", failed
    ), failed
    dialogue = [line.strip(" |") for line in lines if line.startswith("      |")]
    assert "C: EHLO mail.example.org" in dialogue
    assert f"C: MAIL FROM:<{alice.address}>" in dialogue
    assert "S: 450 4.2.1 Come back later" in dialogue
    assert asked == "an administrator asked for: retry"
    assert re.search(rf"127.0.0.1.* took it for {CAROL.address} and said 250 2.0.0 Stored as ", relayed), relayed
    assert last == f"attempt 2 for {CAROL.address}: taken"
    assert done == "left the queue"
    assert told(here, identifier) == lines


def test_neither_passwords_nor_messages_are_ever_written(new_server: NewServer) -> None:
    server = new_server(accounts=1)
    user = server.new_user()
    server.start()
    deliver(server, user.address)
    with log_in(server, user) as wire:
        wire.say("RETR 1")
        wire.multiline()
        wire.say("QUIT")
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        wire.say(f"USER {user.address}")
        assert wire.say("PASS this-is-wrong-0815").startswith("-ERR")
        wire.say("PASS")
        wire.say("this-was-typed-too-late-0815")
    told(server, user.address, until="refused")
    server.stop()
    journal = server.maildirs / ".server" / "journal"
    texts = [server.log.read_bytes(), *(path.read_bytes() for path in journal.iterdir())]
    assert len(texts) >= 2
    assert any(user.address.encode() in text for text in texts)
    for secret in (PASSWORD, "this-is-wrong-0815", "this-was-typed-too-late-0815", "kumquat-4711", "a story"):
        for text in texts:
            assert secret.encode() not in text, secret
