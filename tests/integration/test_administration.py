"""The `mailserver` command while the server runs: it sees each change at once."""

from __future__ import annotations

import hashlib
import os
import poplib
import resource
import smtplib

import pytest

from tests.integration.process import DOMAIN, PASSWORD, ServerProcess, User
from tests.integration.wire import Wire, fetch, log_in, send_exactly

LETTER = b"Subject: a letter\r\n\r\nbody\r\n"


def login_reply(server: ServerProcess, user: User) -> str:
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        wire.say(f"USER {user.address}")
        return wire.say(f"PASS {user.password}")


def rcpt_reply(server: ServerProcess, address: str) -> str:
    with Wire(server.ports.smtp) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        wire.say("MAIL FROM:<them@else.example>")
        return wire.say(f"RCPT TO:<{address}>")


def test_a_new_domain_and_account_exist_at_once(server: ServerProcess) -> None:
    carol = User("carol@new.example", "A password with spaces, ünd more")
    assert rcpt_reply(server, carol.address).startswith("550 5.7.1 ")
    server.admin("domain", "add", "new.example")
    assert rcpt_reply(server, carol.address).startswith("550 5.1.1 ")
    server.admin("account", "add", carol.address, "--password-stdin", stdin=f"{carol.password}\n")
    assert send_exactly(server, LETTER, carol).startswith("250 ")
    assert len(fetch(server, carol)) == 1


def test_an_account_needs_its_domain(server: ServerProcess) -> None:
    done = server.try_admin("account", "add", "x@absent.example", "--password-stdin", stdin="A long password\n")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "domain add absent.example" in done.stderr


def test_a_new_alias_exists_at_once_and_goes_at_once(server: ServerProcess) -> None:
    user = server.new_user()
    alias = f"fresh@{DOMAIN}"
    assert rcpt_reply(server, alias).startswith("550 5.1.1 ")
    server.admin("alias", "add", alias, user.address)
    assert rcpt_reply(server, alias).startswith("250 ")
    assert alias in server.admin("alias", "list").stdout
    server.admin("alias", "remove", alias)
    assert rcpt_reply(server, alias).startswith("550 5.1.1 ")


def test_a_new_password_counts_at_once_and_the_old_one_no_more(server: ServerProcess) -> None:
    user = server.new_user()
    assert login_reply(server, user).startswith("+OK")
    changed = User(user.address, "quite another one")
    server.admin("account", "passwd", user.address, "--password-stdin", stdin=f"{changed.password}\n")
    assert login_reply(server, user).startswith("-ERR [AUTH] ")
    assert login_reply(server, changed).startswith("+OK")


def test_a_disabled_account_neither_logs_in_nor_gets_mail(server: ServerProcess) -> None:
    user = server.new_user()
    assert login_reply(server, user).startswith("+OK")
    server.admin("account", "disable", user.address)
    assert login_reply(server, user).startswith("-ERR [AUTH] ")
    assert rcpt_reply(server, user.address).startswith("550 5.2.1 ")
    with smtplib.SMTP_SSL("localhost", server.ports.submissions, context=server.tls) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError) as error:
            client.login(user.address, user.password)
        assert error.value.smtp_code == 535
    server.admin("account", "enable", user.address)
    assert login_reply(server, user).startswith("+OK")


def test_a_removed_account_is_gone_at_once(server: ServerProcess) -> None:
    user = server.new_user()
    assert login_reply(server, user).startswith("+OK")
    server.admin("account", "remove", user.address)
    assert login_reply(server, user).startswith("-ERR [AUTH] ")
    assert rcpt_reply(server, user.address).startswith("550 5.1.1 ")
    assert user.address not in server.admin("account", "list").stdout.split()


def test_a_session_that_is_open_survives_a_change(server: ServerProcess) -> None:
    user = server.new_user()
    send_exactly(server, LETTER, user)
    with log_in(server, user) as wire:
        server.admin("account", "passwd", user.address, "--password-stdin", stdin="quite another one\n")
        assert wire.say("RETR 1").startswith("+OK")
        assert wire.multiline().endswith(b"body\r\n")
        assert wire.say("QUIT").startswith("+OK")


def test_hashes_of_other_systems_log_in(server: ServerProcess) -> None:
    salt = b"saltsalt"
    digest = hashlib.sha256(PASSWORD.encode() + salt).digest() + salt
    ssha = f"{{SSHA256.HEX}}{digest.hex()}"
    # of "secret", by `openssl passwd -6 -salt saltstring`
    crypt = (
        "{SHA512-CRYPT}$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ib"
        "ix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz."
    )
    table = f"address,password\nssha@{DOMAIN},{ssha}\ncrypt@{DOMAIN},{crypt}\n"
    server.admin("account", "import", "-", stdin=table)
    assert login_reply(server, User(f"ssha@{DOMAIN}")).startswith("+OK")
    assert login_reply(server, User(f"ssha@{DOMAIN}")).startswith("+OK")
    assert login_reply(server, User(f"crypt@{DOMAIN}", "secret")).startswith("+OK")


def time_of_children() -> float:
    """Seconds of processor time of all commands so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.slow
def test_a_thousand_accounts_are_imported_within_half_a_minute(server: ServerProcess) -> None:
    server.admin("domain", "add", "thousand.example")
    table = "".join(f"user{number}@thousand.example,the password of {number}\n" for number in range(1000))
    before = time_of_children()
    server.admin("account", "import", "-", stdin=table)
    # what it takes where the machine has nothing else to do
    assert (time_of_children() - before) / len(os.sched_getaffinity(0)) < 30
    assert login_reply(server, User("user999@thousand.example", "the password of 999")).startswith("+OK")


def test_a_password_is_never_in_the_log(server: ServerProcess) -> None:
    user = server.new_user()
    login_reply(server, User(user.address, "this-is-never-shown"))
    with pytest.raises(poplib.error_proto):
        poplib.POP3("localhost", server.ports.pop3).user("this-is-never-shown")
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        wire.say(f"PASS{'this-is-never-shown'}")
        wire.say("this-is-never-shown")
    text = server.log_text()
    assert user.address in text
    assert "this-is-never-shown" not in text
    assert PASSWORD not in text
