"""EXPIRE, enforced: the user is told by a message, and a day later old mail goes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from tests.integration.process import STARTS_WITHIN, ServerProcess, User
from tests.integration.wire import fetch, send_exactly
from twisted_mail.mailbox.expiry import FILE_NAME
from twisted_mail.mailbox.lock import holder_of

DAY = 86_400


def after_a_walk(server: ServerProcess, user: User, messages: int) -> list[bytes]:
    """Start the server, which looks after old mail then; what it gives once there are so many *messages*."""
    server.start()
    deadline = time.monotonic() + STARTS_WITHIN
    while len(server.stored(user)) != messages or holder_of(str(server.maildir(user))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    octets = [message.octets for message in fetch(server, user)]
    server.stop()
    return octets


def test_the_user_is_told_and_a_day_later_old_mail_goes(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server(accounts=2)
    user, other = server.new_user(), server.new_user()
    server.admin("account", "set", user.address, "expire=30d")
    server.start()
    for number in range(2):
        send_exactly(server, b"From: bob@else.example\r\nSubject: letter %d\r\n\r\nx\r\n" % number, user, other)
    server.stop()
    for each in (user, other):
        age(server.stored(each)[0], 31 * DAY)
    before = after_a_walk(server, user, 3)
    notice = next(text for text in before if b"Auto-Submitted: auto-generated\r\n" in text)
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + DAY)).encode()
    assert re.search(rb"\r\nSubject: 1 message will be deleted from the server, the first on [-0-9]{10}\r\n", notice)
    assert tomorrow + b"  bob@else.example: letter 0\r\n" in notice
    # a day later
    state = server.maildir(user) / FILE_NAME
    state.write_text(re.sub(r"(?m)^\d+", lambda match: str(int(match.group()) - DAY), state.read_text()))
    after = after_a_walk(server, user, 2)
    assert [text for text in before if b"Subject: letter 0\r\n" not in text] == after
    assert len(server.stored(other)) == 2
    [gone] = json.loads(server.admin("account", "restore", user.address, "--json").stdout)
    assert (gone["messages"], gone["session"][:7]) == (1, "expiry-")


def age(file: Path, seconds: int) -> None:
    """As if the message had come so long before."""
    came, rest = file.name.split(".", 1)
    file.rename(file.with_name(f"{int(came) - seconds}.{rest}"))
