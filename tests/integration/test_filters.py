"""Filters in Python in the real process: the example of docs/, one that fails, and one that is not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.integration.process import ServerProcess, User
from tests.integration.test_explain import told
from tests.integration.wire import Wire, fetch, send_exactly

NewServer = Callable[..., ServerProcess]

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "tidy_subjects.py"
BROKEN = """
from twisted.internet.defer import Deferred
from twisted_mail.wrapping import MessageFilter

class Broken(MessageFilter):
    async def message(self, origin, sender, recipients, message):
        if b"silent" in message.header:
            await Deferred()
        raise ZeroDivisionError("a fault of the filter")

broken = Broken("broken")
"""


def start(server: ServerProcess) -> None:
    """With the plugins of this test."""
    plugins = server.folder / "python" / "twisted" / "plugins"
    plugins.mkdir(parents=True)
    shutil.copy(EXAMPLE, plugins)
    (plugins / "broken_filter.py").write_text(BROKEN)
    path = os.pathsep.join([str(server.folder / "python"), os.environ.get("PYTHONPATH", str(ROOT))])
    server.start(env={**os.environ, "PYTHONPATH": path})


def letter(subject: str) -> bytes:
    return f"From: them@else.example\r\nSubject: {subject}\r\n\r\nHello\r\n".encode()


def send(server: ServerProcess, user: User, subject: str) -> str:
    return send_exactly(server, letter(subject), user)


def test_example_of_the_documentation_refuses_and_adds_a_field(new_server: NewServer) -> None:
    server = new_server("[filters.tidy]\n", accounts=1)
    start(server)
    user = server.new_user()
    assert send(server, user, "BUY NOW") == "554 5.7.1 Do not shout: write the subject in small letters"
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        assert wire.say("MAIL FROM:<x@unwanted.example>") == "550 5.7.1 We take no mail from unwanted.example"
        assert wire.say("MAIL FROM:<x@wanted.example>").startswith("250 ")
    assert send(server, user, "hello").startswith("250 ")
    (message,) = fetch(server, user)
    received, _, rest = message.octets.partition(b"X-Subject: tidy\r\n")
    assert b"Received: " in received
    assert rest == letter("hello")
    log = server.log_text()
    assert "the filter tidy: refused" in log
    assert "the filter tidy: changed" in log
    words = "the filter tidy, of a message from <them@else.example>: changed"
    assert any(line.startswith(words) for line in told(server, user.address, until=words))


def test_filter_that_raises_or_is_silent_stops_no_mail(new_server: NewServer) -> None:
    server = new_server('[filters.broken]\ntimeout = "1 second"\n[filters.tidy]\n', accounts=1)
    start(server)
    user = server.new_user()
    for subject in ("raises", "silent"):
        assert send(server, user, subject).startswith("250 ")
    assert [b"X-Subject: tidy\r\n" in message.octets for message in fetch(server, user)] == [True, True]
    assert "ZeroDivisionError: a fault of the filter" in server.log_text()
    assert "no answer within 1 seconds; going on without it" in server.log_text()
    server.forgive_log()


def test_filter_that_fails_may_be_chosen_to_stop_mail_for_now(new_server: NewServer) -> None:
    server = new_server('[filters.broken]\non_failure = "tempfail"\n', accounts=1)
    start(server)
    user = server.new_user()
    assert send(server, user, "x") == "451 4.3.0 A filter of this server does not answer, try again later"
    assert fetch(server, user) == []
    server.forgive_log()


def test_plugin_that_is_not_there_ends_the_start_with_its_name(new_server: NewServer) -> None:
    server = new_server("[filters.gone]\n")
    process = server.launch()
    assert process.wait(20) == 1
    assert 'filters.gone: no plugin in twisted.plugins provides a filter "gone"' in server.log_text()
    server.forgive_log()
