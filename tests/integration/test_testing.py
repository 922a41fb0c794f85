"""The fixture for tests of other software: a whole server in this process."""

from __future__ import annotations

import poplib
import re
import smtplib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from twisted_mail.config import ConfigError
from twisted_mail.testing import mailserver

TEXT = "Subject: Welcome\r\n\r\nHello\r\n"


def test_any_mail_for_anybody_is_there_as_a_message() -> None:
    with mailserver() as server, smtplib.SMTP(server.host, server.smtp) as client:
        client.sendmail("shop@a.example", ["bob@b.example", "carol@c.example"], TEXT)
        [message] = server.wait_for("bob@b.example")
        assert message["Subject"] == "Welcome"
        assert len(server.messages("carol@c.example")) == 1
        assert server.messages("dave@b.example") == []


def test_accounts_log_in_over_tls_send_and_fetch() -> None:
    with mailserver({"alice@example.org": "secret"}) as server:
        with smtplib.SMTP_SSL(server.host, server.submissions, context=server.tls()) as client:
            client.login("alice@example.org", "secret")
            client.sendmail("alice@example.org", ["alice@example.org"], TEXT)
        with smtplib.SMTP(server.host, server.submission) as client:
            client.starttls(context=server.tls())
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("alice@example.org", "wrong")
        reader = poplib.POP3_SSL(server.host, server.pop3s, context=server.tls())
        reader.user("alice@example.org")
        reader.pass_("secret")
        assert reader.stat()[0] == 1
        reader.quit()
        with smtplib.SMTP(server.host, server.smtp) as client, pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("x@y.example", ["nobody@example.org"], TEXT)


def test_time_goes_on_as_fast_as_a_test_wants() -> None:
    with mailserver() as server:
        client = smtplib.SMTP(server.host, server.smtp)
        for _ in range(3):  # looks for silent clients are ten seconds apart
            server.advance(200)
        assert client.sock is not None
        assert client.sock.recv(100).startswith(b"421 4.4.2 ")
        client.close()


def test_settings_are_those_of_the_file_and_checked_like_them() -> None:
    with (
        mailserver(settings='[limits]\nmessage_size = "1 KiB"\n') as server,
        smtplib.SMTP("localhost", server.smtp) as c,
    ):
        c.ehlo()
        assert c.esmtp_features["size"] == "1024"
    with pytest.raises(ConfigError, match=r"limits\.colour"), mailserver(settings="[limits]\ncolour = 1\n"):
        pass


def test_two_at_once_and_many_one_after_another() -> None:
    with mailserver() as first, mailserver() as second:
        assert first.smtp != second.smtp
        with smtplib.SMTP(first.host, first.smtp) as client:
            client.sendmail("a@b.example", ["bob@b.example"], TEXT)
        assert (len(first.wait_for("bob@b.example")), second.messages("bob@b.example")) == (1, [])
    begun = time.monotonic()
    for _ in range(5):
        with mailserver():
            pass
    assert time.monotonic() - begun < 10


def test_what_does_not_come_is_told_in_time() -> None:
    with mailserver() as server, pytest.raises(TimeoutError, match="0 of 1 messages for bob"):
        server.wait_for("bob@b.example", seconds=0.05)


def test_example_of_the_readme_passes() -> None:
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text()
    [example] = re.findall(r"^```python\n(import smtplib.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    names: dict[str, Callable[[], None]] = {}
    exec(compile(example, "README.md", "exec"), names)
    names["test_a_customer_is_welcomed"]()
