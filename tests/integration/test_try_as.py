"""`mailserver try --as`: each mail program's sessions on the real ports, and what stops them, in words."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from tests.integration.process import DOMAIN, STARTS_WITHIN, ServerProcess, answers

NewServer = Callable[..., ServerProcess]

SAID = {
    "thunderbird": [
        *("EHLO [127.0.0.1]", "AUTH PLAIN", "MAIL FROM:<A> BODY=8BITMIME SIZE=N", "RCPT TO:<A>", "DATA", "QUIT"),
        *("CAPA", "AUTH PLAIN", "(struck out)", "STAT", "LIST", "UIDL", "RETR 1", "DELE 1", "QUIT"),
    ],
    "outlook": [
        *("EHLO DESKTOP-7Q2K9", "STARTTLS", "EHLO DESKTOP-7Q2K9", "AUTH LOGIN", "USER64", "(struck out)"),
        *("MAIL FROM: <A>", "RCPT TO: <A>", "DATA", "QUIT"),
        *("USER A", "PASS (struck out)", "STAT", "UIDL", "LIST", "RETR 1", "DELE 1", "QUIT"),
    ],
    "apple-mail": [
        *("EHLO smtpclient.apple", "AUTH PLAIN", "MAIL FROM:<A>", "RCPT TO:<A>", "DATA", "QUIT"),
        *("CAPA", "AUTH PLAIN", "(struck out)", "STAT", "LIST", "UIDL", "RETR 1", "DELE 1", "QUIT"),
    ],
    "fetchmail": [
        *("EHLO localhost", "STARTTLS", "EHLO localhost", "AUTH PLAIN", "MAIL FROM:<A>", "RCPT TO:<A>", "DATA", "QUIT"),
        *("CAPA", "STLS", "CAPA", "USER A", "PASS (struck out)", "STAT", "LAST", "LIST 1", "RETR 1", "DELE 1", "QUIT"),
    ],
    "mpop": [
        *("EHLO localhost", "STARTTLS", "EHLO localhost", "AUTH PLAIN", "MAIL FROM:<A>", "RCPT TO:<A>", "DATA", "QUIT"),
        *("CAPA", "STLS", "CAPA", "AUTH PLAIN", "(struck out)", "STAT", "LIST", "UIDL", "RETR 1", "DELE 1", "QUIT"),
    ],
}
"""Program -> its commands; `A` is the address."""


@pytest.fixture
def trusted(new_server: NewServer, monkeypatch: pytest.MonkeyPatch) -> ServerProcess:
    """A server whose authority is among the system's, not started yet."""
    server = new_server()
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority.file))
    server.config.write_text(server.config.read_text().replace("mail.example.org", "localhost"))
    server.admin("domain", "add", DOMAIN)
    return server


def commands(output: str) -> list[str]:
    """What the program said, without its message, with the address as `A`."""
    found, in_message = [], False
    for line in re.findall(r"(?m)^  C: (.*)$", output):
        if not in_message:
            line = re.sub(r"try-[0-9a-f]{8}@example\.org", "A", line)
            line = re.sub(r"SIZE=\d+", "SIZE=N", re.sub(r"^AUTH PLAIN .*", "AUTH PLAIN", line))
            found.append(re.sub(r"^[A-Za-z0-9+/]{24,}=*$", "USER64", line))
        in_message = line == "DATA" or (in_message and line != ".")
    return found


def refused(server: ServerProcess, *arguments: str) -> str:
    """The one line of a failure; nothing of the account stays."""
    done = server.try_admin("try", *arguments)
    assert done.returncode == 1, done.stdout
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stdout
    assert server.admin("account", "list").stdout.startswith("no accounts")
    return done.stderr.removeprefix("mailserver: ").rstrip()


@pytest.mark.parametrize("program", SAID)
def test_program_sends_and_fetches_with_its_own_words(trusted: ServerProcess, program: str) -> None:
    # which wants the usage "server" in a certificate, and the test's has none
    accepting = ["--accept-certificate"] if program == "apple-mail" else []
    trusted.start()
    done = trusted.admin("try", "--as", program, *accepting)
    assert commands(done.stdout) == SAID[program]
    assert done.stdout.splitlines()[-1].startswith(("Thunderbird", "Outlook", "Apple Mail", "fetchmail", "mpop"))
    assert " can send and fetch: server localhost, Submission port " in done.stdout
    assert trusted.admin("account", "list").stdout.startswith("no accounts")


def test_certificate_for_another_name_is_told_with_its_names(trusted: ServerProcess) -> None:
    trusted.config.write_text(trusted.config.read_text().replace('"localhost"', '"mail.example.org"'))
    trusted.start()
    assert refused(trusted, "--as", "outlook") == (
        f"Outlook breaks off at Submission port {trusted.ports.submission} (STARTTLS): your certificate names "
        "localhost and not mail.example.org; its user may go on at a warning, each time, or import the authority, as "
        "with --accept-certificate"
    )
    assert "your certificate names localhost" in refused(trusted, "--as", "thunderbird")


def test_unknown_authority_stops_it_until_its_user_accepts(
    trusted: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    trusted.start()
    assert "no authority that it knows stands behind your certificate" in refused(trusted, "--as", "mpop")
    done = trusted.admin("try", "--as", "mpop", "--accept-certificate")
    assert "certificate accepted by its user" in done.stdout


def test_rules_of_apple_are_told(trusted: ServerProcess) -> None:
    trusted.start()
    assert "(extended key usage serverAuth)" in refused(trusted, "--as", "apple-mail")


def test_ports_that_it_needs_are_told(trusted: ServerProcess) -> None:
    text = re.sub(r"(?m)^pop3s = .*$", "pop3s = []", trusted.config.read_text())
    trusted.config.write_text(text)
    trusted.launch()
    wait_for(trusted)
    expected = "Outlook needs pop3s (SSL/TLS), and [listen] has none of that; name a TCP port there"
    assert refused(trusted, "--as", "outlook") == expected


def test_login_that_is_not_offered_is_told_with_the_setting(trusted: ServerProcess) -> None:
    trusted.config.write_text(trusted.config.read_text() + '[auth]\nmechanisms = ["PLAIN"]\n')
    trusted.start()
    assert refused(trusted, "--as", "outlook") == (
        'Outlook: it logs in with LOGIN, which is not offered; put "LOGIN" into mechanisms of [auth]'
    )
    trusted.admin("try", "--as", "thunderbird")


def test_words_that_are_none_are_refused(trusted: ServerProcess) -> None:
    assert "invalid choice: 'pine'" in refused(trusted, "--as", "pine")
    assert "--accept-certificate is for --as PROGRAM" in refused(trusted, "--accept-certificate")


def wait_for(server: ServerProcess) -> None:
    """Until the port of submission answers."""
    deadline = time.monotonic() + STARTS_WITHIN
    while not answers(server.ports.submission):
        assert time.monotonic() < deadline, server.log_text()
        time.sleep(0.02)
