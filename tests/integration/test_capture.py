"""Capture mode of the real process: any mail for any address, on the page and for programs."""

from __future__ import annotations

import json
import poplib
import smtplib
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.process import ServerProcess, free_port

HTML = """Subject: Hello
From: Ann <ann@a.example>
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8

<b>Hello</b><script>document.title = 'owned'</script>
"""


class Capturing:
    """A server in capture mode and its page."""

    def __init__(self, server: ServerProcess, chaos: str = "") -> None:
        self.server = server
        self.web = free_port()
        server.configure(chaos)
        text = server.config.read_text().replace("web = []", f'web = ["tcp:{self.web}:interface=127.0.0.1"]')
        server.config.write_text(text)
        server.service_options = ("--capture",)
        server.start()

    def ask(self, path: str, method: str = "GET", **headers: str) -> bytes:
        request = urllib.request.Request(f"http://localhost:{self.web}{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body: bytes = answer.read()
            return body

    def refused(self, path: str, method: str = "GET", **headers: str) -> int:
        with pytest.raises(urllib.error.HTTPError) as error:
            self.ask(path, method, **headers)
        return error.value.code

    def listed(self, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ask(f"/api/messages{query}"))
        return found

    def send(self, *recipients: str, text: str = HTML, port: int | None = None) -> None:
        with smtplib.SMTP("localhost", port or self.server.ports.smtp) as client:
            client.sendmail("ann@a.example", list(recipients), text)


@pytest.fixture
def capturing(new_server: Callable[..., ServerProcess]) -> Capturing:
    return Capturing(new_server())


def test_each_recipient_of_any_domain_has_a_copy_that_is_listed_read_and_deleted(capturing: Capturing) -> None:
    capturing.send("bob@b.example", "carol@localhost", "nobody@example.org")
    found = capturing.listed()
    assert {each["recipient"] for each in found} == {"bob@b.example", "carol@localhost", "nobody@example.org"}
    assert [each["recipient"] for each in capturing.listed("?q=carol")] == ["carol@localhost"]
    whole = json.loads(capturing.ask(f"/api/messages/{found[0]['id']}"))
    assert whole["subject"] == "Hello"
    assert "<b>Hello</b>" in whole["html"]
    assert b"Subject: Hello\n" in capturing.ask(f"/api/messages/{found[0]['id']}/source")
    assert json.loads(capturing.ask(f"/api/messages/{found[0]['id']}", "DELETE")) == {"deleted": 1}
    assert capturing.refused(f"/api/messages/{found[0]['id']}") == 404
    assert json.loads(capturing.ask("/api/messages", "DELETE")) == {"deleted": 2}
    assert capturing.listed() == []


def test_any_login_is_right_and_the_mail_can_be_fetched_by_pop3(capturing: Capturing) -> None:
    with smtplib.SMTP("localhost", capturing.server.ports.submission) as client:
        client.login("whoever", "whatever")
        client.sendmail("ann@a.example", ["bob@b.example"], HTML)
    capturing.server.admin("account", "passwd", "demo@localhost", "--password-stdin", stdin="a password of mine 1")
    client = poplib.POP3("localhost", capturing.server.ports.pop3)
    client.user("demo@localhost")
    client.pass_("a password of mine 1")
    assert client.stat()[0] == 1
    client.quit()


def test_nothing_runs_in_the_html_of_a_message(capturing: Capturing) -> None:
    capturing.send("bob@b.example")
    identifier = capturing.listed()[0]["id"]
    assert b'sandbox=""' in capturing.ask(f"/captured/{identifier}")
    request = urllib.request.urlopen(f"http://localhost:{capturing.web}/captured/{identifier}/html", timeout=30)
    policy = request.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy


def test_pages_of_other_origins_and_names_get_nothing(capturing: Capturing) -> None:
    capturing.send("bob@b.example")
    assert capturing.refused("/api/messages", "DELETE", Origin="http://evil.example") == 403
    assert capturing.refused("/captured/", "POST", Origin="http://evil.example") == 403
    assert capturing.refused("/api/messages", Host="evil.example") == 421
    assert len(capturing.listed()) == 1
    assert capturing.refused("/captured/..%2f..%2fdirectory.sqlite") == 404


def test_chaos_refuses_waits_and_drops_on_order(new_server: Callable[..., ServerProcess]) -> None:
    rules = '["full@* 452 4.2.2 Mailbox full", "slow@* wait 1 second", "gone@* drop"]'
    capturing = Capturing(new_server(), f"[chaos]\nrules = {rules}\n")
    with smtplib.SMTP("localhost", capturing.server.ports.smtp) as client:
        client.ehlo()
        client.mail("ann@a.example")
        assert client.rcpt("full@b.example") == (452, b"4.2.2 Mailbox full")
        assert client.rcpt("slow@b.example")[0] == 250
        assert client.rcpt("other@b.example")[0] == 250
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.rcpt("gone@b.example")
    assert capturing.listed() == []


def test_chaos_without_capture_is_refused_at_the_start(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server('[chaos]\nrules = ["a@* drop"]\n')
    process = server.launch()
    assert process.wait(20) == 1
    assert "start with --capture" in server.log_text()
    server.forgive_log()


def test_reload_stays_in_capture_mode(capturing: Capturing) -> None:
    text = capturing.server.config.read_text()
    capturing.server.config.write_text(text + '[limits]\nmessage_size = "100 KiB"\n')
    capturing.server.admin("reload")
    capturing.send("bob@b.example")
    assert len(capturing.listed()) == 1
